"""What a person at the command line can do something about, and what of many failures to tell them."""


class CannotRun(Exception):
    """An expected failure: the command line prints its text, without a traceback, and exits with 1."""


class WrongVersion(CannotRun):
    """The data belongs to another version of twinsaga: waiting does not help."""


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
