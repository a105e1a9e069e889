"""What `twinsaga compare` needs of a running stack: to break it, and to read its counters."""
