"""What a person at the command line can do something about."""


class CannotRun(Exception):
    """An expected failure: the command line prints its text, without a traceback, and exits with 1."""
