"""The activity behind `publish`, and the plugin that brings it to a worker."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid5

from kafka import KafkaProducer
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin

from twinsaga_bridges.kafka.producer import EventProducer, OutgoingEvent, Unsendable

ACTIVITY = "publish_to_kafka"

_EVENTS = UUID("0f3b6e58-2f0c-5d0a-9a43-6d0ef3e6b7c1")


class KafkaPublishing:
    """`connect` makes an idempotent producer with acks=all and a delivery timeout below ACK_DEADLINE_S."""

    def __init__(self, connect: Callable[[], KafkaProducer]) -> None:
        self._events = EventProducer(connect)

    @activity.defn(name=ACTIVITY)
    def publish(self, event: OutgoingEvent) -> str:
        """Return the event's id once every replica that has to has it.

        Raises:
            ApplicationError: no retry helps.
            KafkaError: it is not stored, or nobody knows; the retry bears the same id.
        """
        event_id = event.id or _id_of_this_activity()
        try:
            self._events.send(replace(event, id=event_id))
        except Unsendable as error:
            raise ApplicationError(str(error), type="Unsendable", non_retryable=True) from error
        return event_id

    def close(self) -> None:
        self._events.close()


class KafkaPublishingPlugin(SimplePlugin):
    """Give it to the Worker, or to the Client from which workers are made."""

    def __init__(self, publishing: KafkaPublishing) -> None:
        super().__init__("twinsaga_bridges.KafkaPublishingPlugin", activities=[publishing.publish])


def _id_of_this_activity() -> str:
    """The same in every attempt of the activity, and in no other activity."""
    info = activity.info()
    return str(uuid5(_EVENTS, f"{info.workflow_id}\n{info.workflow_run_id}\n{info.activity_id}"))
