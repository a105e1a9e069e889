"""Dead letters are read, whatever wrote them: other programs can write to their topics, too."""

from datetime import UTC, datetime

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from api.schemas.dead_letters import LetterView
from messaging.kafka.dead_letter_reader import _letter
from twinsaga_bridges.kafka.undecodable import UndecodableBatch, UndecodableRecord

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def record(kind: type[ConsumerRecord] = ConsumerRecord, **parts: object) -> ConsumerRecord:
    empty = dict.fromkeys(ConsumerRecord._fields)
    return kind(**(empty | {"topic": "orders.dlq", "partition": 0, "offset": 7, "timestamp": 0, "headers": []} | parts))


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [(2**63 - 1, LAST), (2**60, LAST), (253_402_300_800_000, LAST), (-1, FIRST), (-(2**63), FIRST), (0, FIRST)],
)
def test_an_absurd_timestamp_is_shown_as_the_nearest_one(timestamp: int, expected: datetime) -> None:
    shown = LetterView.of(_letter(record(timestamp=timestamp)))

    assert shown.buried_at == expected
    assert shown.model_dump_json()


@pytest.mark.parametrize("number", [b"9" * 5_000, b"\xc2\xb2", b"", b"-", b"1e9", b"\xff", b"\x00"])
def test_a_number_that_is_none_is_left_out(number: bytes) -> None:
    headers = [(f"dead_letter_{name}", number) for name in ("partition", "offset", "timestamp", "attempts")]

    shown = LetterView.of(_letter(record(headers=headers)))

    assert (shown.partition, shown.offset, shown.timestamp_ms, shown.attempts) == (None,) * 4


def test_a_timestamp_before_1970_is_shown() -> None:
    assert LetterView.of(_letter(record(headers=[("dead_letter_timestamp", b"-5")]))).timestamp_ms == -5


def test_a_dead_letter_that_cannot_be_decoded_is_listed_and_stays() -> None:
    undecodable = record(UndecodableRecord)
    undecodable.error = UndecodableBatch(5, 7, 100, ValueError("lz4"))

    letter = _letter(undecodable)

    assert not letter.whole
    assert "offsets 5 to 7 cannot be decoded" in (LetterView.of(letter).message or "")
