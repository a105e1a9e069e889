"""Dead letters, as an operator reads, filters and redrives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from messaging.ids import correlation_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter.

    `place`: its own `topic/partition/offset` among the dead letters. `headers`: those of the original message.
    `story`: why it is there: topic, partition, offset, timestamp, group, error, message, attempts.
    """

    place: str
    buried_at: datetime
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    story: Mapping[str, str]

    @property
    def event_type(self) -> str:
        return dict(self.headers).get("ce_type", b"").decode(errors="replace")

    @property
    def correlation_key(self) -> str | None:
        """None if the message's key is not a UUID."""
        return correlation_key(self.key)

    @property
    def whole(self) -> bool:
        """False for a message that was too large: it was buried without its value and cannot be redriven."""
        return "omitted_bytes" not in self.story


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """None matches everything. `topic`: the original message's; `group`: the consumer group that gave it up."""

    topic: str | None = None
    group: str | None = None
    correlation_key: str | None = None

    def matches(self, letter: Letter) -> bool:
        # The raw key too: an operator can then look for a message whose key is not a UUID.
        keys = {None, letter.correlation_key, (letter.key or b"").decode(errors="replace")}
        return (
            self.topic in {None, letter.story.get("topic")}
            and self.group in {None, letter.story.get("group")}
            and self.correlation_key in keys
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """The start of the next page: behind `place`, with letters buried until `until_ms` (milliseconds since 1970).

    `until_ms` is the time of the first page. Without it, a redrive would meet the letters that it causes, for ever.
    """

    place: str
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPage:
    """`following` is None on the last page. A page can be short although another one follows."""

    letters: Sequence[Letter]
    following: Bookmark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """`sent`: letters sent to their topics. `left`: letters that cannot go back, without a value or a topic of ours."""

    sent: int
    left: int
    following: Bookmark | None = None
