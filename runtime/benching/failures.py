class DidNotWork(Exception):
    """Something did not come to the end that it must have. The text says what; the figure is not to be had."""


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
