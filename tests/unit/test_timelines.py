"""Four event logs become one timeline in causal order, although their clocks differ."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.timelines import in_causal_order
from domain.events import Event, OrderConfirmed
from domain.ids import OrderId
from messaging.events import RecordedEvent
from messaging.ids import EventId

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def recorded(name: str, second: int, caused_by: str | None = None) -> RecordedEvent[Event]:
    return RecordedEvent(
        event_id=EventId(name),
        event=OrderConfirmed(order_id=OrderId("an order")),
        service="order-service",
        at=NOON + timedelta(seconds=second),
        caused_by=EventId(caused_by) if caused_by else None,
    )


def names(events: list[RecordedEvent[Event]]) -> list[str]:
    return [event.event_id for event in events]


def test_events_without_causes_are_ordered_by_time() -> None:
    assert names(in_causal_order([recorded("b", 2), recorded("a", 1), recorded("c", 3)])) == ["a", "b", "c"]


def test_an_effect_follows_its_cause_although_its_clock_is_behind() -> None:
    events = [recorded("effect", 1, "cause"), recorded("cause", 5), recorded("other", 3)]

    assert names(in_causal_order(events)) == ["other", "cause", "effect"]


def test_an_event_whose_cause_is_in_no_log_is_kept() -> None:
    assert names(in_causal_order([recorded("effect", 1, "lost")])) == ["effect"]


@st.composite
def histories(draw: st.DrawFn) -> list[RecordedEvent[Event]]:
    count = draw(st.integers(0, 12))
    events = [
        recorded(
            f"event {number}",
            draw(st.integers(0, 5)),
            draw(st.none() | st.integers(0, number - 1).map("event {}".format)) if number else None,
        )
        for number in range(count)
    ]
    return draw(st.permutations(events))


@given(histories())
def test_every_event_appears_once_and_after_its_cause(events: list[RecordedEvent[Event]]) -> None:
    ordered = in_causal_order(events)

    place = {event.event_id: number for number, event in enumerate(ordered)}
    assert sorted(place) == sorted(event.event_id for event in events)
    assert len(ordered) == len(events)
    assert all(place[event.caused_by] < place[event.event_id] for event in ordered if event.caused_by)
