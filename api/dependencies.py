"""What the API stands on. It declares the shape; the composition root brings the real things."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from api.dead_letters import DeadLetterBox
from api.estate import Accounts, VideoShelf
from api.process_control import Controls
from domain.ids import OrderId
from domain.order import OrderRequest, SagaStyle, Step
from services.inventory.service import InventoryService
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.shipping.service import ShippingService


class SagaStarter(Protocol):
    """Temporal, as far as placing an orchestrated order needs it. Every call has a deadline of its own."""

    async def answers(self) -> bool:
        """Ask cheaply whether a start would have a chance."""
        ...

    async def start(self, request: OrderRequest) -> None:
        """Start the order's saga; one that runs or has ended already is left as it is. Raises whatever went wrong."""
        ...


class InFlightKeys(Protocol):
    """Idempotency keys whose first call is not answered yet. A guard only: the order's row is the truth."""

    async def claim(self, key: str) -> str | None:
        """Return what `release` takes, or None if another call holds the key. A store that is away lets it pass."""
        ...

    async def release(self, key: str, claim: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAttempt:
    """An attempt under way, or the wait for the next one. `last_error` is what the one before ran into."""

    attempts: int
    last_error: str | None = None


class OrderConductor(Protocol):
    """How to act on an order of one style while its saga is under way.

    Raises, from every method but `trying`:
        EngineAway: whatever runs this style's sagas does not answer.
    """

    async def trying(self, order_id: OrderId) -> Mapping[Step, StepAttempt]:
        """Say what is tried right now, as far as the services' own records cannot know it. Never raises."""
        ...

    async def cancel(self, order_id: OrderId) -> None:
        """Ask for the order to be undone. Raises NotPossibleNow when it is too late."""
        ...

    async def retry_compensation(self, order_id: OrderId, attention: str) -> None:
        """Try the compensation again that kept failing. Raises NotPossibleNow when none waits for that.

        `attention` is what the operator was shown: asking twice about the same is asking once.
        """
        ...


class Settlements(Protocol):
    """Where everybody hears of it that a customer paid."""

    async def announce(self, order_id: OrderId) -> None:
        """Return when it is stored there. Of an unknown or finished order it is harmless.

        Raises:
            EngineAway: whether it is stored is unknown; announcing it again is harmless.
        """
        ...


class Probe(Protocol):
    """One thing that the API cannot do its work without."""

    @property
    def name(self) -> str: ...

    def ask(self) -> Awaitable[None]:
        """Return if it answers, raise if it does not."""
        ...


class Violation(Protocol):
    @property
    def order_id(self) -> OrderId | None: ...

    @property
    def invariant(self) -> str: ...

    @property
    def detail(self) -> str: ...


class Verdict(Protocol):
    @property
    def ok(self) -> bool: ...

    @property
    def orders_checked(self) -> int: ...

    @property
    def orders_pending(self) -> int: ...

    @property
    def broken(self) -> Sequence[Violation]: ...


class Audit(Protocol):
    def __call__(self) -> Verdict:
        """Check every order and every SKU. It reads all the databases, so it is not for the event loop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalUi:
    """`witnessed`: choreographed orders have a workflow there too, which watches them."""

    address: str
    namespace: str
    witnessed: bool = False

    def workflow(self, workflow_id: str) -> str:
        return f"{self.address}/namespaces/{self.namespace}/workflows/{workflow_id.replace('/', '%2F')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """`orders` has one Order service a style: what the choreographed one records is published, the other's is not."""

    orders: Mapping[SagaStyle, OrderService]
    payments: PaymentService
    inventory: InventoryService
    shipping: ShippingService
    starter: SagaStarter
    in_flight: InFlightKeys
    accounts: Accounts
    videos: VideoShelf
    conductors: Mapping[SagaStyle, OrderConductor]
    settlements: Settlements
    dead_letters: DeadLetterBox
    probes: Sequence[Probe]
    audit: Audit
    temporal_ui: TemporalUi
    controls: Controls | None = None

    @property
    def order_records(self) -> OrderService:
        """For reading, where the style makes no difference: both stand on one database."""
        return self.orders[SagaStyle.CHOREOGRAPHED]


async def _of_the_app(request: Request) -> Dependencies:  # a plain `def` is called in another thread
    return cast("Dependencies", request.app.state.dependencies)


Injected = Annotated[Dependencies, Depends(_of_the_app)]
