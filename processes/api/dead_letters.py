"""The dead letters of the choreography, for an operator: to look at, and to send to their topics again.

A letter goes back with its own key, value and headers to the topic that it came from. Its event id is unchanged, so
whoever handled the event drops it, and redriving twice is redriving once.
"""

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from kafka import KafkaProducer
from kafka.errors import KafkaError

from adapters.kafka.connection import DELIVERY_TIMEOUT_S, KafkaConnection, give_up
from adapters.kafka.dead_letter_reader import DeadLetterReader, Letter, Place
from adapters.kafka.dead_letters import DeadLettersAway
from api.dead_letters import Bookmark, LettersWanted
from runtime.topics import CONSUMED_TOPICS

LOOKED_AT = 10_000
"""At most so many letters are read for one page, and so many redriven at one call; a bookmark leads on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPage:
    letters: Sequence[Letter]
    following: Bookmark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """`left`: wanted, but without a value or from a topic that is not ours."""

    sent: int
    left: int
    following: Bookmark | None = None


class DeadLetterBox:
    def __init__(
        self, connection: KafkaConnection, topics: Sequence[str] = CONSUMED_TOPICS, *, looked_at: int = LOOKED_AT
    ) -> None:
        self._connection = connection
        self._letters = DeadLetterReader(connection, topics)
        self._topics = frozenset(topics)
        self._looked_at = looked_at

    def page(self, wanted: LettersWanted, limit: int, behind: Bookmark | None = None) -> LetterPage:
        """Raises DeadLettersAway."""
        reading = _Reading(wanted, behind, self._looked_at)
        with closing(self._letters.after(reading.start, topic=wanted.topic)) as letters:
            found = list(islice(reading.of(letters), limit))
            return LetterPage(letters=found, following=reading.following(letters))

    def find(self, place: str) -> Letter | None:
        """Raises DeadLettersAway."""
        try:
            return self._letters.at(Place.from_text(place))
        except ValueError:
            return None

    def redrive(self, wanted: LettersWanted, behind: Bookmark | None = None) -> Redriven:
        """Send these back, each acknowledged before the next, which keeps the order within a key.

        What comes back as a new letter meanwhile is not sent again.

        Raises:
            DeadLettersAway: what was sent is sent; all may be redriven again.
        """
        reading = _Reading(wanted, behind, self._looked_at)
        with closing(self._letters.after(reading.start, topic=wanted.topic)) as letters:
            redriven = self._send(reading.of(letters))
            return Redriven(sent=redriven.sent, left=redriven.left, following=reading.following(letters))

    def redrive_one(self, place: str) -> Redriven | None:
        """Raises DeadLettersAway."""
        letter = self.find(place)
        return self._send([letter]) if letter else None

    def _send(self, letters: Iterable[Letter]) -> Redriven:
        sent = left = 0
        producer: KafkaProducer | None = None
        try:
            for letter in letters:
                topic = letter.story.get("topic")
                if not letter.whole or topic not in self._topics:
                    left += 1
                    continue
                producer = producer or self._connection.producer()
                record = producer.send(topic, value=letter.value, key=letter.key, headers=letter.original_headers)
                record.get(timeout=DELIVERY_TIMEOUT_S + 1)
                sent += 1
        except KafkaError as away:
            raise DeadLettersAway(f"the broker faulted after {sent} letters were redriven: {away!r}") from away
        finally:
            if producer is not None:
                give_up(producer)
        return Redriven(sent=sent, left=left)


class _Reading:
    """A bounded piece of the way through all letters, and where it stopped."""

    def __init__(self, wanted: LettersWanted, behind: Bookmark | None, at_most: int) -> None:
        self.start = Place.from_text(behind.place) if behind else None
        self._until_ms = behind.until_ms if behind else int(time.time() * 1000)
        self._goes_on = behind is not None
        self._wanted = wanted
        self._at_most = at_most
        self._last: Letter | None = None

    def of(self, letters: Iterable[Letter]) -> Generator[Letter, None, None]:
        for letter in islice(letters, self._at_most):
            self._last = letter
            if self._is_wanted(letter):
                yield letter

    def following(self, rest: Iterable[Letter]) -> Bookmark | None:
        """None if nothing is left in `rest`."""
        if self._last is None or next(iter(rest), None) is None:
            return None
        return Bookmark(place=self._last.place, until_ms=self._until_ms)

    def _is_wanted(self, letter: Letter) -> bool:
        if self._goes_on and letter.buried_at.timestamp() * 1000 > self._until_ms:
            return False
        return (
            self._wanted.topic in {None, letter.story.get("topic")}
            and self._wanted.group in {None, letter.story.get("group")}
            and self._wanted.order_id in {None, letter.order_id, (letter.key or b"").decode(errors="replace")}
        )
