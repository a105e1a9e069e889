"""Records that no well-behaved producer sends, made from a seed."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from kafka import KafkaProducer

from runtime.kafka import ALL_TOPICS
from tests.support.api_bodies import PAIR
from tests.support.topic import GARBLED

V1 = Path(__file__).parents[1] / "events" / "v1"
Headers = Sequence[tuple[str, bytes]]
Place = tuple[str, int, int]
"""Topic, partition and offset."""

NOT_JSON = (None, b"", b"{", b"[" * 3_000, b"[" * 100_000, b'{"a":' * 2_000, b"\xff\xfe", b"\x00", b"9" * 5_000, b"nul")
NO_OBJECT = (b"null", b"true", b"5", b"NaN", b"[]", b'""', b'"\\ud800"', b"1e999", b"{}", b'{"order_id": NaN}')
ATOMS: Sequence[Any] = (
    None,
    True,
    5,
    -1,
    2**63,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\n",
    "x" * 300,
    "x" * 5_000,
    [],
    {},
    [[]],
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "1970-01-01",
    "😀",
)
KEYS = (None, b"", b" ", b"\x00", b"a\x00b", b"\xff\xfe", b"k" * 256, b"k" * 10_000, b"\xed\xa0\x80", b"x", b"\x1b[2J")
HEADER_VALUES = (
    b"",
    b" ",
    b"\x00",
    b"a\x00b",
    b"\xff\xfe",
    b"%00",
    b"%ff%fe",
    b"%",
    b"x" * 256,
    b"x" * 5_000,
    b"1.1",
    b"NaN",
    b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59.999999-14:00",
    b"2026-13-45",
    b"\xed\xa0\x80",
    b"\n",
)
HEADER_NAMES = (
    "",
    "ce_",
    "ce_\x00",
    "\x00",
    "dead_letter_topic",
    "dead_letter_omitted_bytes",
    "n" * 1_000,
    "CE_ID",
    "ce_data",
    "😀",
)
TIMESTAMPS = (0, 1, -1, 2**60, -(2**60), 2**63 - 1, -(2**63), 1_790_000_000_000_000, 253_402_300_800_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileRecord:
    """`unreadable`: whatever its topic, nothing can be read from it. `garbled`: its batch cannot be decompressed."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int | None = None
    unreadable: bool = False
    garbled: bool = False


def hostile_records(seed: int, count: int) -> Iterator[HostileRecord]:
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    examples = list(_examples())
    for _ in range(count):
        record = _with_own_id(dice, dice.choice(examples))
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            record = dice.choice(
                (_key, _value, _value, _field, _field, _header, _header, _headers, _time, _topic, _ids)
            )(dice, record)
        yield replace(record, garbled=dice.random() < 0.02)


def send(bootstrap: str, records: Iterator[HostileRecord]) -> dict[Place, HostileRecord]:
    """Send each record in a batch of its own, so that a garbled one takes no other with it. Return their places."""
    sent: dict[Place, HostileRecord] = {}
    options: Mapping[str, Any] = {"bootstrap_servers": bootstrap, "max_request_size": 8 * 1024 * 1024}
    with (
        GARBLED,
        closing(KafkaProducer(**options)) as plain,
        closing(KafkaProducer(**options, compression_type="lz4")) as packing,
    ):
        for record in records:
            future = (packing if record.garbled else plain).send(
                record.topic,
                key=b"" if record.key is None and record.value is None else record.key,
                value=record.value,
                headers=list(record.headers),
                timestamp_ms=record.timestamp_ms,
            )
            stored = future.get(timeout=20)
            sent[stored.topic, stored.partition, stored.offset] = record
    return sent


def _examples() -> Iterator[HostileRecord]:
    for file in sorted(V1.glob("*.json")):
        kept = json.loads(file.read_text())
        headers = [(name, text.encode()) for name, text in kept["headers"].items()]
        event = HostileRecord(
            topic=kept["topic"], key=kept["key"].encode(), value=json.dumps(kept["value"]).encode(), headers=headers
        )
        yield event
        story = [(f"dead_letter_{name}", b"1") for name in ("group", "attempts", "error", "message")]
        if kept["topic"] in {"orders", "payments", "inventory", "shipping"}:
            yield replace(event, topic=f"{kept['topic']}.dlq", headers=[*headers, *story])
    for _ in range(3):
        yield HostileRecord(topic="order-requests", key=b"r-1", value=json.dumps(PAIR).encode(), headers=[])


def _with_own_id(dice: random.Random, record: HostileRecord) -> HostileRecord:
    """Like other records, but not the same event: a duplicate would be dropped before anything else looked at it."""
    own = str(UUID(int=dice.getrandbits(128), version=4)).encode()
    headers = [(name, own if name == "ce_id" else value) for name, value in record.headers]
    if record.topic == "order-requests":
        return replace(record, key=own)
    order = str(UUID(int=dice.getrandbits(128), version=4)).encode()
    value = (record.value or b"").replace(record.key or b"", order)
    return replace(record, key=order, value=value, headers=headers)


def _key(dice: random.Random, record: HostileRecord) -> HostileRecord:
    return replace(record, key=dice.choice(KEYS))


def _value(dice: random.Random, record: HostileRecord) -> HostileRecord:
    kind = dice.randrange(5)
    if kind == 0:
        return replace(record, value=dice.choice(NO_OBJECT), unreadable=True)
    if kind == 1 and record.value:
        return replace(record, value=record.value[: dice.randrange(len(record.value))], unreadable=True)
    if kind == 2 and dice.random() < 0.1:
        return replace(record, value=dice.randbytes(dice.choice((300_000, 900_000))), unreadable=True)
    return replace(record, value=dice.choice(NOT_JSON), unreadable=True)


def _field(dice: random.Random, record: HostileRecord) -> HostileRecord:
    try:
        whole = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        return record
    if not isinstance(whole, dict) or not whole:
        return record
    inner: Any = whole
    while True:
        place = dice.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if isinstance(inner[place], dict | list) and inner[place] and dice.random() < 0.7:
            inner = inner[place]
            continue
        kind = dice.randrange(6)
        if kind == 0:
            del inner[place]
        else:
            inner[place] = _nested(dice) if kind == 1 else dice.choice(ATOMS)
        return replace(record, value=json.dumps(whole).encode())


def _nested(dice: random.Random) -> Any:  # noqa: ANN401 - JSON
    nested: Any = "deep"
    for _ in range(dice.choice((10, 200, 400))):
        nested = [nested] if dice.random() < 0.5 else {"a": nested}
    return nested


def _header(dice: random.Random, record: HostileRecord) -> HostileRecord:
    if not record.headers:
        return record
    place = dice.randrange(len(record.headers))
    headers = list(record.headers)
    name, _ = headers.pop(place)
    if dice.random() < 0.7:
        headers.insert(place, (name, dice.choice(HEADER_VALUES)))
    return replace(record, headers=headers)


def _headers(dice: random.Random, record: HostileRecord) -> HostileRecord:
    more = [(dice.choice(HEADER_NAMES), dice.choice(HEADER_VALUES)) for _ in range(dice.choice((1, 2, 200)))]
    again = [dice.choice(record.headers)] if record.headers else []
    return replace(record, headers=[*record.headers, *more, *again])


def _ids(dice: random.Random, record: HostileRecord) -> HostileRecord:
    """Another order id or event id, the same one wherever it stands, so that only the id itself is wrong."""
    # Noise, because PostgreSQL compresses what it indexes: 5,000 times the same letter would pass.
    order = dice.choice(("", " ", "a\x00b", "\n", "o" * 256, dice.randbytes(4_000).hex(), "\u202e", "../../etc/passwd"))
    if dice.random() < 0.5:
        return replace(
            record, headers=[(name, order.encode() if name == "ce_id" else it) for name, it in record.headers]
        )
    old = (record.key or b"").decode(errors="replace")
    if not old or record.value is None:
        return record
    value = record.value.replace(json.dumps(old).encode(), json.dumps(order).encode())
    return replace(record, key=order.encode(), value=value)


def _time(dice: random.Random, record: HostileRecord) -> HostileRecord:
    return replace(record, timestamp_ms=dice.choice(TIMESTAMPS))


def _topic(dice: random.Random, record: HostileRecord) -> HostileRecord:
    return replace(record, topic=dice.choice(ALL_TOPICS))
