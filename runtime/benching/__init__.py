"""What `twinsaga bench` measures on: stacks of its own, and the references beside them."""
