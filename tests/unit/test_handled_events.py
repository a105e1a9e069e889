"""HandledEvents keeps the newest ids of the events that a workflow has handled."""

import pytest

from twinsaga_bridges.handled_events import HandledEvents


def test_an_event_is_new_once() -> None:
    handled = HandledEvents()
    assert [handled.add(event) for event in ("a", "b", "a")] == [True, True, False]


def test_the_next_run_knows_the_events_of_the_one_before() -> None:
    first = HandledEvents()
    first.add("a")
    assert not HandledEvents(first.ids).add("a")


def test_only_the_newest_ids_are_kept() -> None:
    handled = HandledEvents(["a", "b", "c"], limit=2)
    assert handled.ids == ["b", "c"]
    assert handled.add("a")
    assert handled.ids == ["c", "a"]


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        HandledEvents(limit=0)
