"""A workflow that counts an event twice: as often as its signal arrives, and as often as `HandledEvents` lets it."""

from dataclasses import dataclass, field

from temporalio import workflow

from twinsaga_bridges.handled_events import HandledEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """`handled`: the ids that earlier runs handled."""

    arrived: int = 0
    paid: int = 0
    handled: list[str] = field(default_factory=list)


@workflow.defn
class CountsPayments:
    @workflow.init
    def __init__(self, earlier: Counted) -> None:
        self._handled = HandledEvents(earlier.handled)
        self._arrived, self._paid = earlier.arrived, earlier.paid
        self._renew = self._close = False

    @workflow.run
    async def run(self, _earlier: Counted) -> Counted:
        await workflow.wait_condition(lambda: self._renew or self._close)
        if self._renew:
            workflow.continue_as_new(self._counted())
        return self._counted()

    @workflow.signal
    def paid(self, event_id: str) -> None:
        self._arrived += 1
        if self._handled.add(event_id):
            self._paid += 1

    @workflow.signal
    def renew(self) -> None:
        self._renew = True

    @workflow.signal
    def close(self) -> None:
        self._close = True

    @workflow.query
    def counts(self) -> tuple[int, int]:
        """How often the event arrived, and how often it was handled."""
        return self._arrived, self._paid

    def _counted(self) -> Counted:
        return Counted(arrived=self._arrived, paid=self._paid, handled=self._handled.ids)
