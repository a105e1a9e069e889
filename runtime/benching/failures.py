class DidNotWork(Exception):
    """Something did not come to the end that it must have. The text says what; the figure is not to be had."""
