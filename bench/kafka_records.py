"""What travels along the raw chain: as many bytes as an event of ours, and when each hop took it."""

HOPS = 5
PAYLOAD_BYTES = 700
"""About what `payment.completed` of an order with one line has."""


def topic(number: int) -> str:
    """Where hop `number` sends to; 0 is where the chain begins."""
    return f"bench-chain-{number}"


def first_record(sent_ns: int) -> bytes:
    return b"x" * PAYLOAD_BYTES + b"\n%d" % sent_ns


def stamped(value: bytes, taken_ns: int) -> bytes:
    return value + b" %d" % taken_ns


def stamps(value: bytes) -> list[int]:
    """Nanoseconds since 1970 at which it was sent, and taken by each hop."""
    return [int(stamp) for stamp in value.rpartition(b"\n")[2].split()]
