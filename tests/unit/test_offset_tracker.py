"""Offsets of a broker that lost its records, and gives them to others."""

from dataclasses import replace

from twinsaga_bridges.kafka.keyed_queues import OffsetTracker
from twinsaga_bridges.kafka_into_workflow import KafkaRecord

RECORD = KafkaRecord(topic="t", partition=0, offset=5, timestamp_ms=0, key=b"k", value=b"before", headers=())


def test_a_record_with_the_offset_of_one_that_is_still_in_flight_is_not_taken_for_handled() -> None:
    offsets, lost = OffsetTracker(), replace(RECORD)
    offsets.add(lost)
    offsets.retain(set())
    new = replace(RECORD, value=b"after")
    offsets.add(new)

    offsets.complete(lost)

    assert offsets.is_in_flight(new)
    assert offsets.committable() == {("t", 0): 5}


def test_offsets_that_go_back_without_a_rebalance_are_committable_and_do_not_wait_for_lost_records() -> None:
    offsets = OffsetTracker()
    offsets.add(RECORD)
    first, completed = replace(RECORD, offset=0), offsets.completed
    offsets.add(first)
    offsets.complete(RECORD)
    assert offsets.completed == completed

    offsets.complete(first)

    assert offsets.committable() == {("t", 0): 1}
    assert (offsets.completed, offsets.in_flight) == (completed + 1, 0)
