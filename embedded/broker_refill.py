"""Restores the topics and the unfinished events of the embedded broker, which keeps both in memory only."""

from domain.errors import Fault
from runtime.errors import CannotRun
from runtime.settings import Settings


def fill_broker(settings: Settings, *, events_again: bool, restarted: bool = False) -> None:
    """Create the missing topics. With `events_again`, republish the events of unfinished orders from the event logs.

    `restarted`: clients are connected already. Their metadata requests create topics too, which are then replaced, so
    wait until the topics have settled: an event that is published earlier could be lost.

    Raises:
        CannotRun: the broker or a database does not answer.
    """
    # Imported here, so that the engines start before the clients of Kafka and of the databases are loaded.
    from runtime.kafka import await_settled_topics, create_topics  # noqa: PLC0415

    create_topics(settings)
    if restarted:
        await_settled_topics(settings)
    if events_again:
        from runtime.republish import publish_unfinished_again  # noqa: PLC0415
        from runtime.wiring import Databases  # noqa: PLC0415

        databases = Databases.open(settings)
        try:
            publish_unfinished_again(databases)
        except Fault as fault:
            raise CannotRun(f"the events of unfinished orders could not be republished: {fault}") from fault
        finally:
            databases.close()
