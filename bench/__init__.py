"""What `twinsaga bench` measures, and how a figure becomes of it: ours against a reference that runs beside it."""
