"""Expected failures, as the command line reports them."""


class CannotRun(Exception):
    """An expected failure: the command line prints its text without a traceback, and exits with 1."""


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first leaf of a nested group: one message is enough for a terminal."""
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
