"""Reads dead letters and sends them to their topics again.

A letter goes back with its own key, value and headers to the topic that it came from. Its event id is unchanged, so
every consumer that handled the event drops it: redriving twice has one effect.
"""

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from itertools import islice
from math import inf

from kafka import KafkaProducer
from kafka.errors import KafkaError

from messaging.dead_letters import Bookmark, Letter, LetterFilter, LetterPage, Redriven
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letter_reader import DeadLetterReader, Place
from messaging.kafka.dead_letters import DeadLettersAway
from twinsaga_bridges.kafka.closing import close_producer
from twinsaga_bridges.kafka.connection import DELIVERY_TIMEOUT_S
from twinsaga_bridges.kafka.dead_letter_topic import REFUSED

READ_AT_MOST = 10_000
"""Letters read for one page or one redrive; the bookmark leads to the rest."""


class DeadLetterBox:
    """Every method blocks, and raises DeadLettersAway when the broker does not answer."""

    def __init__(self, connection: KafkaConnection, topics: Sequence[str], *, read_at_most: int = READ_AT_MOST) -> None:
        self._connection = connection
        self._letters = DeadLetterReader(connection, topics)
        self._topics = frozenset(topics)
        self._read_at_most = read_at_most

    def page(self, wanted: LetterFilter, limit: int, behind: Bookmark | None = None) -> LetterPage:
        reading = _Reading(wanted, behind, self._read_at_most)
        with closing(self._letters.after(reading.start, topic=wanted.topic)) as letters:
            found = list(islice(reading.matching(letters), limit))
            return LetterPage(letters=found, following=reading.following(letters))

    def find(self, place: str) -> Letter | None:
        try:
            return self._letters.at(Place.from_text(place))
        except ValueError:
            return None

    def redrive(self, wanted: LetterFilter, behind: Bookmark | None = None) -> Redriven:
        """Send a bounded number of letters to their topics again.

        Each is acknowledged before the next is sent, which keeps the order within a key. After a DeadLettersAway all of
        them may be redriven again.
        """
        reading = _Reading(wanted, behind, self._read_at_most)
        with closing(self._letters.after(reading.start, topic=wanted.topic)) as letters:
            redriven = self._send(reading.matching(letters))
            return Redriven(sent=redriven.sent, left=redriven.left, following=reading.following(letters))

    def redrive_one(self, place: str) -> Redriven | None:
        """None if there is no letter at `place`."""
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
                try:
                    record = producer.send(topic, value=letter.value, key=letter.key, headers=letter.headers)
                    record.get(timeout=DELIVERY_TIMEOUT_S + 1)
                    sent += 1
                except (ValueError, *REFUSED):  # ValueError: it has neither key nor value
                    left += 1
                    close_producer(producer)
                    producer = None
        except KafkaError as away:
            raise DeadLettersAway(f"the broker failed after {sent} letters were redriven: {away!r}") from away
        finally:
            if producer is not None:
                close_producer(producer)
        return Redriven(sent=sent, left=left)


class _Reading:
    """One bounded part of the way through all letters, and the bookmark of where it stopped."""

    def __init__(self, wanted: LetterFilter, behind: Bookmark | None, at_most: int) -> None:
        self.start = Place.from_text(behind.place) if behind else None
        self._until_ms = behind.until_ms if behind else int(time.time() * 1000)
        # The first page needs no limit: it ends at the offsets that the partitions had when it began.
        self._latest_ms = behind.until_ms if behind else inf
        self._wanted = wanted
        self._at_most = at_most
        self._last: Letter | None = None

    def matching(self, letters: Iterable[Letter]) -> Generator[Letter, None, None]:
        for letter in islice(letters, self._at_most):
            self._last = letter
            if letter.buried_at.timestamp() * 1000 <= self._latest_ms and self._wanted.matches(letter):
                yield letter

    def following(self, rest: Iterable[Letter]) -> Bookmark | None:
        """None if nothing is left in `rest`."""
        if self._last is None or next(iter(rest), None) is None:
            return None
        return Bookmark(place=self._last.place, until_ms=self._until_ms)
