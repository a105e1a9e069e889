"""Expected failures, as the command line reports them."""


class CannotRun(Exception):
    """An expected failure: the command line prints its text without a traceback, and exits with 1."""


class WrongVersion(CannotRun):
    """The data belongs to another version of twinsaga: waiting does not help."""


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first leaf of a nested group: one message is enough for a terminal."""
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
