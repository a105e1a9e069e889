"""Runs commands in threads, one at a time, and switches between them only where a command calls the outside."""

import threading
from collections.abc import Callable, Sequence

DEADLINE_S = 30.0


class Killed(BaseException):
    """The process of this command died here."""


class Interleaving:
    """`choose(n)` says which of n waiting commands goes on; `kill()` whether it dies instead, where it stands."""

    def __init__(self, choose: Callable[[int], int], kill: Callable[[], bool]) -> None:
        self._choose = choose
        self._kill = kill
        self._stopped = threading.Semaphore(0)
        self._here = threading.local()

    def pause(self) -> None:
        """Call this from a command, where others may go on. Outside of a run it does nothing."""
        turn: _Turn | None = getattr(self._here, "turn", None)
        if turn is not None:
            self._stopped.release()
            turn.wait()

    def run(self, commands: Sequence[Callable[[], object]]) -> None:
        """Run all to their ends. An error of any of them is raised."""
        turns = [_Turn() for _ in commands]
        threads = [
            threading.Thread(target=self._take_turns, args=(command, turn), daemon=True)
            for command, turn in zip(commands, turns, strict=True)
        ]
        for thread in threads:
            thread.start()
        while waiting := [turn for turn in turns if not turn.over]:
            turn = waiting[self._choose(len(waiting))]
            turn.give(kill=turn.begun and self._kill())
            assert self._stopped.acquire(timeout=DEADLINE_S), "a command waits for another one, or hangs"
        for thread in threads:
            thread.join(DEADLINE_S)
        for turn in turns:
            if turn.error is not None:
                raise turn.error

    def _take_turns(self, command: Callable[[], object], turn: "_Turn") -> None:
        self._here.turn = turn
        try:
            turn.wait()
            command()
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            turn.error = error
        finally:
            turn.over = True
            self._stopped.release()


class _Turn:
    def __init__(self) -> None:
        self.begun = False
        self.over = False
        self.error: BaseException | None = None
        self._given = threading.Semaphore(0)
        self._dies = False

    def give(self, *, kill: bool) -> None:
        self.begun = True
        self._dies = kill
        self._given.release()

    def wait(self) -> None:
        assert self._given.acquire(timeout=DEADLINE_S), "this command was not released"
        if self._dies:
            self._dies = False
            raise Killed
