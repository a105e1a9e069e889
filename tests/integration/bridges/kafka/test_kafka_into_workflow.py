"""Events start, signal and update workflows: each event once, the events of a key in order."""

import asyncio
import json
import signal
from contextlib import closing
from random import Random

import pytest
from kafka import KafkaProducer

from tests.integration.bridges.kafka.estate import Estate
from tests.integration.bridges.kafka.ledger import Ledger
from tests.integration.bridges.kafka.routes import TOPIC
from tests.support.waiting import soon
from twinsaga_bridges.kafka_into_workflow import Counts, plain_json


async def test_an_event_before_its_workflow_starts_it(estate: Estate) -> None:
    async with estate.bridging():
        estate.send(("e1", "ledger.written", "a", 1))

        assert await soon(lambda: estate.numbers("a"), bool) == [1]
        await estate.await_committed(1)


async def test_the_same_event_twice_has_one_effect(estate: Estate) -> None:
    async with estate.bridging() as bridge:
        estate.send(*[("e1", "ledger.written", "a", 1)] * 3, ("e2", "ledger.written", "a", 2))
        await estate.await_committed(4)

        assert await estate.numbers("a") == [1, 2]
    assert bridge.counts == Counts(delivered=2, duplicates=2)


async def test_events_of_two_sources_with_one_id_are_two_events(estate: Estate) -> None:
    async with estate.bridging():
        estate.send(("e1", "ledger.written", "a", 1))
        estate.send(("e1", "ledger.written", "a", 2), ce_source="/another")
        await estate.await_committed(2)

        assert await estate.numbers("a") == [1, 2]


async def test_an_event_again_after_the_end_is_harmless_and_a_new_one_is_a_dead_letter(estate: Estate) -> None:
    async with estate.bridging() as bridge:
        estate.send(("e1", "ledger.written", "a", 1), ("e2", "ledger.closed", "a", 0))
        await estate.await_committed(2)
        assert await estate.client.get_workflow_handle_for(Ledger.run, "ledger/a").result() == [1]

        estate.send(("e1", "ledger.written", "a", 1), ("e3", "ledger.written", "a", 3))
        await estate.await_committed(4)

    (letter,) = estate.graveyard.letters
    assert "no workflow runs under the id ledger/a" in letter
    assert bridge.counts == Counts(delivered=2, duplicates=1, dead_letters=1)


async def test_an_update_is_answered_once_and_a_rejected_one_is_a_dead_letter(estate: Estate) -> None:
    async with estate.bridging():
        estate.send(("e1", "ledger.opened", "a", 0), *[("e2", "ledger.corrected", "a", 7)] * 2)
        estate.send(("e3", "ledger.corrected", "a", -1))
        await estate.await_committed(4)

        assert await estate.numbers("a") == [7]
        (letter,) = estate.graveyard.letters
        assert "rejected" in letter


async def test_unreadable_and_unmappable_records_are_dead_letters_and_the_partition_continues(estate: Estate) -> None:
    topic = estate.broker.topic(TOPIC)
    headers = {"ce_specversion": "1.0", "ce_id": "e0", "ce_type": "ledger.written", "ce_source": "/test"}
    encoded = [(name, value.encode()) for name, value in headers.items()]
    async with estate.bridging() as bridge:
        topic.put(b"{}", b"a", [])
        topic.put(b"not JSON", b"a", encoded)
        topic.put(b"[" * 100_000, b"a", encoded)
        topic.put(b"{}", b"a", encoded)
        topic.put(b'{"number": 1}', None, encoded)
        estate.send(("e1", "ledger.written", "a", 1), ("e2", "not.ours", "a", 2))
        await estate.await_committed(7)

        assert await estate.numbers("a") == [1]
    assert len(estate.graveyard.letters) == 5
    assert bridge.counts == Counts(delivered=1, ignored=1, dead_letters=5)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read(estate: Estate, compression: str) -> None:
    async with estate.bridging(decoder=plain_json("ledger.written")):
        with closing(KafkaProducer(bootstrap_servers=estate.broker.bootstrap, compression_type=compression)) as sending:
            sending.send(TOPIC, key=b"a", value=b'{"number": 1}').get(timeout=10)

        assert await soon(lambda: estate.numbers("a"), bool) == [1]


async def test_records_without_headers_are_events_of_their_own_and_need_a_key(estate: Estate) -> None:
    topic = estate.broker.topic(TOPIC)
    keyed = plain_json("ledger.written", key=lambda data, _: data["ledger"])
    async with estate.bridging(decoder=keyed) as bridge:
        for number in (1, 2):
            topic.put(json.dumps({"ledger": "a", "number": number}).encode(), None)
        topic.put(b'{"ledger": "", "number": 3}', b"a")
        topic.put(b'{"ledger": 5, "number": 4}', b"a")
        await estate.await_committed(4)

        assert sorted(await estate.numbers("a")) == [1, 2]
    assert bridge.counts == Counts(delivered=2, dead_letters=2)


@pytest.mark.long
async def test_a_member_that_is_stopped_commits_and_a_record_that_kills_it_becomes_a_dead_letter(
    estate: Estate,
) -> None:
    with estate.member() as stopped:
        estate.send(("e1", "ledger.written", "a", 1))
        await estate.await_committed(1)
        stopped.terminate()
        assert await asyncio.to_thread(stopped.wait, 30) == 0

    estate.send(
        ("e2", "ledger.written", "killer", 2), *[(f"o{each}", "ledger.written", f"k{each}", 3) for each in range(9)]
    )
    for _ in range(3):  # with others, and alone twice
        with estate.member() as member:
            assert await asyncio.to_thread(member.wait, 60) == -signal.SIGKILL
    with estate.member():
        await estate.await_committed(11)

    assert [await estate.numbers(f"k{each}") for each in range(9)] == [[3]] * 9
    (letter,) = estate.graveyard.letters
    assert "the process died 2 times while it handled this record" in letter


@pytest.mark.embedded("writes a batch that the real broker refuses")
async def test_undecodable_batches_are_dead_letters_and_the_partition_continues(estate: Estate) -> None:
    topic = estate.broker.topic(TOPIC)
    await asyncio.to_thread(topic.put_garbled, records=3)
    async with estate.bridging():
        estate.send(*((f"e{number}", "ledger.written", f"k{number}", number) for number in range(8)))
        await estate.await_committed(11)
        assert [await estate.numbers(f"k{number}") for number in range(8)] == [[number] for number in range(8)]

    (letter,) = estate.graveyard.letters
    assert letter.startswith("2 offsets 0 to 2 cannot be decoded: RuntimeError: ")


async def test_each_key_keeps_its_order(estate: Estate) -> None:
    keys, each = [f"k{number}" for number in range(10)], 20
    events = [(f"{key}-{number}", "ledger.written", key, number) for number in range(each) for key in keys]
    async with estate.bridging():
        estate.send(*events)
        await estate.await_committed(len(events))

        assert {key: await estate.numbers(key) for key in keys} == {key: list(range(each)) for key in keys}


@pytest.mark.embedded("kills the embedded Temporal; tests/real/test_servers_die.py kills the real one")
async def test_events_wait_while_temporal_is_away_and_none_is_lost_or_reordered(estate: Estate) -> None:
    events = [(f"a-{number}", "ledger.written", "a", number) for number in range(40)]
    async with estate.bridging():
        estate.send(*events[:10])
        await soon(lambda: estate.numbers("a"), bool)

        estate.server.kill()
        estate.send(*events[10:])
        assert await asyncio.to_thread(estate.committed) <= 10
        await asyncio.to_thread(estate.server.start)

        await estate.await_committed(len(events))
        assert await soon(lambda: estate.numbers("a"), lambda found: len(found) == 40) == list(range(40))
    assert estate.graveyard.letters == []


async def test_a_member_killed_between_acknowledgement_and_commit_repeats_no_effect(estate: Estate) -> None:
    random = Random(20261124)  # noqa: S311 - seeded, so that a failure can be reproduced
    keys = [f"k{number}" for number in range(5)]
    events = [(f"{key}-{number}", "ledger.written", key, number) for number in range(30) for key in keys]
    for _ in range(2):
        with estate.member() as member:
            at = len(keys) * random.randrange(5, 20)
            estate.send(*events[:at])
            await soon(lambda: estate.numbers(keys[0]), bool)
            member.kill()  # what it delivered since its last commit is delivered again
    with estate.member():
        estate.send(*events)
        await soon(
            lambda: asyncio.gather(*(estate.numbers(key) for key in keys)),
            lambda found: all(len(numbers) >= 30 for numbers in found),
        )

    assert [await estate.numbers(key) for key in keys] == [list(range(30))] * len(keys)


async def test_two_members_share_the_work_and_a_rebalance_loses_and_doubles_nothing(estate: Estate) -> None:
    keys = [f"k{number}" for number in range(12)]
    events = [(f"{key}-{number}", "ledger.written", key, number) for number in range(20) for key in keys]
    async with estate.bridging():
        estate.send(*events[: len(events) // 2])
        with estate.member():
            estate.send(*events[len(events) // 2 :])
            await soon(
                lambda: asyncio.gather(*(estate.numbers(key) for key in keys)),
                lambda found: all(len(numbers) == 20 for numbers in found),
            )

    assert [await estate.numbers(key) for key in keys] == [list(range(20))] * len(keys)
