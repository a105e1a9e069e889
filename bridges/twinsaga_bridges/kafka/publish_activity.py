"""The activity behind `publish`, and the plugin that registers it with a worker."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from uuid import UUID, uuid5

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.plugin import SimplePlugin

from twinsaga_bridges.circuit_breaker import CircuitBreaker
from twinsaga_bridges.kafka.outgoing import ACTIVITY, OutgoingEvent, PublishesBeforeClose
from twinsaga_bridges.kafka.producer import EventProducer, Unsendable

THREADS = 4
LOCAL_ATTEMPT_S = 2.0
"""Deadline of one local attempt. It holds a workflow task open, whose own timeout is ten seconds."""

OPEN_S = 3.0
"""After a failure, attempts fail at once for this long. Exceeds LOCAL_ATTEMPT_S, so that probes do not overlap."""

_EVENTS = UUID("0f3b6e58-2f0c-5d0a-9a43-6d0ef3e6b7c1")


class KafkaPublishing:
    """Publishes on threads of its own: kafka-python blocks, for seconds while the broker is away.

    The threads have the activity's context, so a tracer that instruments kafka-python finds the current span there.

    Args:
        threads: maximum number of events that wait for their acknowledgement at a time.
        local_attempt_s: deadline of one attempt of a local activity.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        events: EventProducer,
        *,
        threads: int = THREADS,
        local_attempt_s: float = LOCAL_ATTEMPT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = events
        self._local_attempt_s = local_attempt_s
        self._threads = ThreadPoolExecutor(threads, "publish-to-kafka")
        self._kafka = CircuitBreaker(OPEN_S, clock)

    async def publish(self, event: OutgoingEvent) -> str:
        """Return the event's id once all in-sync replicas have it.

        After its deadline, an attempt's thread continues until the producer's own timeout, so its record may still be
        stored: a duplicate of the retry's, with the same id.

        Raises:
            ApplicationError: no retry helps, or the broker failed a moment ago.
            KafkaError, TimeoutError: not stored, or unknown; the retry has the same id.
        """
        if not self._kafka.allows():
            raise ApplicationError(  # benign: the attempt that opened the breaker was logged, these need not be
                "Kafka failed a moment ago", type="KafkaAway", category=ApplicationErrorCategory.BENIGN
            )
        info = activity.info()
        # Derived from what is the same in every attempt of this activity, and in no other activity.
        event_id = event.id or str(uuid5(_EVENTS, f"{info.workflow_id}\n{info.workflow_run_id}\n{info.activity_id}"))
        deadline_s = self._local_attempt_s if info.is_local else None
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.get_running_loop().run_in_executor(
                    self._threads, copy_context().run, self._events.send, replace(event, id=event_id)
                )
        except Unsendable as error:
            raise ApplicationError(str(error), type="Unsendable", non_retryable=True) from error
        except TimeoutError as error:
            self._kafka.record_failure()
            raise TimeoutError(f"no acknowledgement within {deadline_s} s") from error
        except Exception:
            self._kafka.record_failure()
            raise
        self._kafka.record_success()
        return event_id

    def close(self) -> None:
        """Drop the events that wait for a thread. Those being sent continue until the producer's delivery timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._events.close()


class KafkaPublishingPlugin(SimplePlugin):
    """Give it to the Worker, as its first plugin, or to the Client from which workers are made.

    `activity`: the name under which workflows publish. Several plugins with a name each publish to several clusters.
    """

    def __init__(self, publishing: KafkaPublishing, *, activity: str = ACTIVITY) -> None:
        super().__init__(
            "twinsaga_bridges.KafkaPublishingPlugin",
            activities=[_named(activity, publishing)],
            interceptors=[PublishesBeforeClose()],
        )


def _named(name: str, publishing: KafkaPublishing) -> Callable[..., object]:
    @activity.defn(name=name)
    async def publish(event: OutgoingEvent) -> str:
        return await publishing.publish(event)

    return publish
