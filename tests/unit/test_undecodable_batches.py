"""Batches that kafka-python cannot decode become one record each, and the batches behind them are read."""

import random
from collections.abc import Callable, Sequence

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

from twinsaga_bridges.kafka import unpacking
from twinsaga_bridges.kafka.undecodable import UndecodableBatch, _PassingRecords, error_of

PARTITION = TopicPartition("t", 0)
Batch = bytearray
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def batch(base: int, values: Sequence[bytes] = (b"one", b"two"), codec: int = 0) -> Batch:
    builder = MemoryRecordsBuilder(magic=2, compression_type=codec, batch_size=10_000_000)
    for value in values:
        builder.append(timestamp=1_000, key=b"k", value=value, headers=[])
    builder.close()
    made = bytearray(builder.buffer())
    made[0:8] = base.to_bytes(8, "big")  # the broker sets it; the checksum does not cover it
    return made


def signed(made: Batch) -> Batch:
    """With the checksum that belongs to its content, as any producer can compute it."""
    start = DefaultRecordBatch.ATTRIBUTES_OFFSET
    made[start - 4 : start] = calc_crc32c(memoryview(made)[start:]).to_bytes(4, "big")
    return made


def garbage(base: int, codec: int) -> Batch:
    """The attributes name a codec that the data is not compressed with."""
    made = batch(base)
    made[DefaultRecordBatch.ATTRIBUTES_OFFSET + 1] = codec
    return signed(made)


def not_records(base: int) -> Batch:
    made = batch(base)
    made[-6:] = b"\xff" * 6
    return signed(made)


def read(*log: Batch, offset: int = 0) -> Sequence[int | tuple[int, int]]:
    """Read this log as the consumer does, fetch by fetch; return offsets, and ranges that cannot be decoded."""
    found: list[int | tuple[int, int]] = []
    # A broker answers with the batches from the one on that contains the offset.
    while rest := [made for made in log if DefaultRecordBatch(made).last_offset >= offset]:
        part = _PassingRecords(offset, PARTITION, MemoryRecords(b"".join(rest)))
        records = part.take(100)
        assert records
        assert [record.offset for record in records] == sorted({record.offset for record in records})
        for record in records:
            error = error_of(record)
            found.append((error.first, error.last) if error else record.offset)
        offset = part.next_fetch_offset
    return found


@pytest.mark.parametrize("codec", range(1, 8))
def test_a_batch_that_its_codec_cannot_decode_is_one_range(codec: int) -> None:
    assert read(batch(0), garbage(2, codec), batch(4)) == [0, 1, (2, 3), 4, 5]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_every_codec_that_a_producer_may_use_is_decoded(codec: int) -> None:
    assert read(batch(0, [b"x" * 1_000] * 3, codec)) == [0, 1, 2]


def test_a_batch_without_the_records_that_it_announces_is_a_range() -> None:
    # The first of its records can be read.
    assert read(batch(0), not_records(2), batch(4)) == [0, 1, 2, (3, 3), 4, 5]


def test_a_batch_with_a_wrong_checksum_costs_its_offsets_one_by_one() -> None:
    torn = batch(2)
    torn[-1] ^= 1

    assert read(batch(0), torn, batch(4)) == [0, 1, (2, 2), (3, 3), 4, 5]


def test_a_fetch_in_the_middle_of_a_batch_names_the_rest_of_it() -> None:
    assert read(garbage(0, codec=3), offset=1) == [(1, 1)]


@pytest.mark.parametrize("damage", [b"", b"\x00" * 61, b"\xff" * 200], ids=["nothing", "zeros", "ones"])
def test_no_bytes_of_a_broker_stop_the_reader(damage: bytes) -> None:
    part = _PassingRecords(0, PARTITION, MemoryRecords(bytes(batch(0)) + damage))

    assert [record.offset for record in part.take(100)][:2] == [0, 1]


def test_no_damaged_byte_stops_the_reader() -> None:
    seed = 20_261_201
    dice = random.Random(seed)  # noqa: S311 - a test
    for number in range(300):
        made = batch(0, [b"v" * dice.randrange(40) for _ in range(3)], dice.choice(list(CODECS.values())))
        for _ in range(dice.randrange(1, 4)):
            made[dice.randrange(DefaultRecordBatch.ATTRIBUTES_OFFSET + 2, len(made))] = dice.randrange(256)
        part = _PassingRecords(0, PARTITION, MemoryRecords(bytes(signed(made))))
        assert part.take(100) is not None, f"seed {seed}, number {number}"


@pytest.mark.parametrize("codec", [codec for codec in CODECS.values() if codec])
def test_a_batch_that_unpacks_to_gigabytes_is_not_unpacked(codec: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "LARGEST_BATCH", 3 * 1024 * 1024)
    fits, bomb = batch(0, [bytes(2 * 1024 * 1024)], codec), batch(1, [bytes(4 * 1024 * 1024)], codec)
    assert len(bomb) < 300_000
    decoded: list[int] = []
    real = DefaultRecordBatch._maybe_uncompress

    def counted(self: DefaultRecordBatch) -> None:
        real(self)
        decoded.append(len(self._buffer))

    monkeypatch.setattr(DefaultRecordBatch, "_maybe_uncompress", counted)

    assert read(fits, bomb, batch(2)) == [0, (1, 1), 2, 3]
    assert max(decoded) < 3 * 1024 * 1024


def test_the_error_says_what_is_lost_and_why() -> None:
    part = _PassingRecords(0, PARTITION, MemoryRecords(bytes(garbage(0, codec=5))))
    (record,) = part.take(10)

    error = error_of(record)
    assert (record.key, record.value, record.headers, record.offset) == (None, None, [], 1)
    assert isinstance(error, UndecodableBatch)
    assert "offsets 0 to 1 cannot be decoded: UnsupportedCodecError" in str(error)
    assert error.size == len(garbage(0, codec=5))


def test_without_our_reader_kafka_python_raises() -> None:
    """The reason for all of this; delete it when this fails."""
    part = Fetcher.PartitionRecords(0, PARTITION, MemoryRecords(bytes(garbage(0, codec=5))))
    take: Callable[[int], object] = part.take

    with pytest.raises(Exception, match="compression"):
        take(10)
