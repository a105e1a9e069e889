"""Batches of records that cannot be decoded: corrupt, or compressed with an unknown codec. Imports no Temporal.

kafka-python raises what its codec raises, again at each poll, and says neither where the batch is nor how to pass it.
Here such a batch is one record, without key and value, that says which offsets were lost.
"""

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.record import MemoryRecords

from twinsaga_bridges.kafka.records import KafkaRecord
from twinsaga_bridges.kafka.unpacking import check_unpacked_size


class UndecodableBatch(ValueError):
    """The records from `first` to `last` cannot be read. `size`: bytes of their batch, 0 if unknown."""

    def __init__(self, first: int, last: int, size: int, reason: Exception) -> None:
        super().__init__(f"offsets {first} to {last} cannot be decoded: {type(reason).__name__}: {reason}")
        self.first = first
        self.last = last
        self.size = size


class UndecodableRecord(ConsumerRecord):  # type: ignore[misc]  # it has no types
    """In the place of the records that `error` is about. Its offset is the last one of them."""

    error: UndecodableBatch


def error_of(record: ConsumerRecord) -> UndecodableBatch | None:
    return record.error if isinstance(record, UndecodableRecord) else None


def record_of(raw: ConsumerRecord) -> KafkaRecord:
    return KafkaRecord(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=tuple(raw.headers),
        undecodable=error_of(raw),
    )


def pass_undecodable(consumer: KafkaConsumer) -> None:
    """Let the consumer return an UndecodableRecord where it would raise. Repeatable; call it before the first poll."""
    consumer._fetcher.PartitionRecords = _PassingRecords  # noqa: SLF001 - there is no public way


class _Batches:
    """The batches of one fetch; keeps the one that was read last."""

    def __init__(self, records: MemoryRecords) -> None:
        self._records = records
        self.current: Any = None

    def next_batch(self) -> Any:  # noqa: ANN401 - kafka-python's
        self.current = None
        self.current = batch = self._records.next_batch()
        if batch is not None and batch.compression_type and batch.magic > 1:
            check_unpacked_size(batch.compression_type, bytes(batch._buffer[batch._pos :]))  # noqa: SLF001 - as below
        return batch


class _PassingRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # it has no types
    next_fetch_offset: int

    def _unpack_records(self, tp: Any, records: MemoryRecords, *deserializers: Any) -> Iterator[ConsumerRecord]:  # noqa: ANN401 - as the base class's
        batches = _Batches(records)
        while True:
            try:
                yield from super()._unpack_records(tp, batches, *deserializers)
            except Exception as error:  # noqa: BLE001 - codecs raise what they like
                batch = batches.current
                first = max(self.next_fetch_offset, batch.base_offset if batch else 0)
                # A batch with a wrong checksum may lie about its end, so it costs one offset: the next fetch begins
                # behind it, and finds what the broker has there.
                trusted = batch is not None and batch.magic > 1 and _is_intact(batch)
                last = max(first, batch.last_offset) if trusted else first
                self.next_fetch_offset = last + 1
                self.records_read += 1
                yield _placeholder(tp, UndecodableBatch(first, last, batch.size_in_bytes if trusted else 0, error))
                if not trusted:
                    self.drain()
                    return
            else:
                return


def _is_intact(batch: Any) -> bool:  # noqa: ANN401 - kafka-python's
    return batch._decompressed or bool(batch.validate_crc())  # noqa: SLF001 - it was validated before that


def _placeholder(tp: Any, error: UndecodableBatch) -> UndecodableRecord:  # noqa: ANN401 - kafka-python's
    record = UndecodableRecord(
        topic=tp.topic,
        partition=tp.partition,
        leader_epoch=-1,
        offset=error.last,
        timestamp=-1,
        timestamp_type=0,
        key=None,
        value=None,
        headers=[],
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        serialized_header_size=-1,
    )
    record.error = error
    return record
