"""A saga of two services that is not about orders: a desk takes a request, and the dock hands the boat over."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Connection, NullPool, create_engine, make_url, text

from messaging.errors import Fault
from messaging.kafka.choreographed_service import Policies
from messaging.kafka.dead_letters import DeadLetter
from messaging.sql.consuming import ConsumingService, consuming
from messaging.sql.database import Database, make_private
from messaging.sql.journal_tables import JOURNAL
from messaging.sql.unit_of_work import SqlUnits
from messaging.unit_of_work import Clock, StepStatus
from messaging.vocabulary import Publisher, Vocabulary

T = TypeVar("T")

DESK: Final = "rental-desk"
DOCK: Final = "rental-dock"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoatRequested:
    rental: str
    boat: str
    type: Literal["desk.requested"] = "desk.requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoatHandedOver:
    number: str
    boat: str
    type: Literal["boat.handed_over"] = "boat.handed_over"


RentalEvent = BoatRequested | BoatHandedOver


def rental_of(event: RentalEvent) -> str:
    return event.rental if isinstance(event, BoatRequested) else event.number


RENTALS: Final[Vocabulary[RentalEvent]] = Vocabulary(
    union=RentalEvent,
    entity="rental",
    key_of=rental_of,
    publishers={"desk": Publisher(DESK, "desk"), "boat": Publisher(DOCK, "dock")},
    namespace=UUID("2d1c2f0e-6f55-5d8c-9d0a-7a1c0f5f6b01"),
)

Units = SqlUnits[Connection, RentalEvent]


class DockIsAway(Fault):
    """A storm."""


@dataclass(frozen=True, slots=True)
class Dock:
    units: Units

    STORMY: ClassVar = "Tempest"
    weather_is_fine: ClassVar = threading.Event()

    def hand_over(self, request: BoatRequested) -> None:
        if request.boat == self.STORMY and not self.weather_is_fine.is_set():
            raise DockIsAway("storm")
        with self.units.begin() as unit:
            unit.record(BoatHandedOver(number=request.rental, boat=request.boat))
            unit.tried(request.rental, "hand over", StepStatus.DONE)
            unit.commit()


def request_boat(units: Units, rental: str, boat: str = "Aurora") -> None:
    with units.begin() as unit:
        unit.record(BoatRequested(rental=rental, boat=boat))
        unit.commit()


def when_boat_requested_hand_it_over(event: BoatRequested, dock: Dock) -> None:
    dock.hand_over(event)


def when_boat_handed_over_close_the_file(event: BoatHandedOver, units: Units) -> None:
    with units.begin() as unit:
        unit.tried(event.number, "close", StepStatus.DONE)
        unit.commit()


def dock_policies() -> Policies:
    return Policies(on={BoatRequested: when_boat_requested_hand_it_over})


def desk_policies(on_dead_letter: Callable[[DeadLetter, Any], None] | None = None) -> Policies:
    return Policies(on={BoatHandedOver: when_boat_handed_over_close_the_file}, on_dead_letter=on_dead_letter)


def opened(url: str, name: str, service: Callable[[Units], T], clock: Clock) -> ConsumingService[T]:
    """Open a service over its database, whose tables are created if they are missing."""
    database = Database.open(url, service=name)
    if not database.is_postgres:
        make_private(database.file)
    with database.writing() as connection:
        JOURNAL.create_all(connection)
        connection.commit()
    units: Units = SqlUnits(database, RENTALS, lambda connection: connection, clock, publish=True)
    return consuming(database, RENTALS, clock, lambda message: service(units.for_message(message)))


@contextmanager
def urls_of(backend: str, folder: Path, *services: str) -> Iterator[Mapping[str, str]]:
    """Yield the URL of an empty database for each service."""
    if backend == "sqlite":
        yield {service: f"sqlite:///{folder / service}.db" for service in services}
        return
    from tests.support.real_servers import postgres_url  # noqa: PLC0415 - it imports what this module tests without

    server = make_url(postgres_url() or "").set(drivername="postgresql+psycopg")
    names = {service: f"twinsaga_test_{uuid4().hex[:12]}_{service}" for service in services}
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with closing(engine.connect()) as connection:
        for name in names.values():
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        try:
            yield {
                service: server.set(database=name).render_as_string(hide_password=False)
                for service, name in names.items()
            }
        finally:
            for name in names.values():
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    engine.dispose()
