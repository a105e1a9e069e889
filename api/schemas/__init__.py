"""What goes over the wire, and nothing that does not."""
