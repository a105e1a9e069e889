class Fault(Exception):
    """A dependency did not answer. A retry may help."""
