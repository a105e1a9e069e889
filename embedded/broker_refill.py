from domain.errors import Fault
from runtime.errors import CannotRun
from runtime.settings import Settings


def fill_broker(settings: Settings, *, events_again: bool, restarted: bool = False) -> None:
    """Make the missing topics and, with `events_again`, publish what unfinished orders had published once more.

    The embedded broker lives in memory and is empty whenever it starts; the event log has what it lost. `restarted`:
    clients are connected already, and their questions make topics too, so what is sent at once might be lost with them.

    Raises:
        CannotRun: the broker or a database does not answer.
    """
    # Imported here, so that the engines are started before the clients of Kafka and of the databases are loaded.
    from runtime.topics import await_settled_topics, create_topics  # noqa: PLC0415

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
            raise CannotRun(f"the events of unfinished orders could not be published again: {fault}") from fault
        finally:
            databases.close()
