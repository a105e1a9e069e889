"""Everything that the API calls: the four services, and ports whose implementations the composition root passes in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol, cast

from fastapi import Depends, Request

from domain.ids import OrderId
from domain.order import OrderRequest, SagaStyle, Step
from messaging.dead_letters import Bookmark, Letter, LetterFilter, LetterPage, Redriven
from services.access.actions import Actions
from services.access.keys import ApiKeys
from services.audit.invariants import Verdict
from services.estate.records import User, Video
from services.inventory.service import InventoryService
from services.orders.service import OrderService
from services.orders.store import Attention
from services.payments.service import PaymentService
from services.sealing import Seals
from services.shipping.service import ShippingService


class SagaStarter(Protocol):
    """Starts orchestrated sagas. Every call has a deadline of its own."""

    async def answers(self) -> bool:
        """A cheap check whether a start can succeed."""
        ...

    async def start(self, request: OrderRequest) -> None:
        """Start the saga of the order. A saga that runs or has ended stays unchanged. Raises any error of the start."""
        ...


class InFlightKeys(Protocol):
    """Idempotency keys whose first request is not answered yet. Only a guard: the order's row decides."""

    async def claim(self, key: str) -> str | None:
        """Return the argument of `release`, or None if another request holds the key. Always succeeds without Redis."""
        ...

    async def release(self, key: str, claim: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAttempt:
    """An attempt that runs, or waits to be made. `last_error` is the error of the attempt before."""

    attempts: int
    last_error: str | None = None


class OrderControl(Protocol):
    """Acts on orders of one style while their sagas run.

    Every method but `attempts_under_way` raises:
        EngineAway: the system that runs the sagas of this style does not answer.
    """

    async def attempts_under_way(self, order_id: OrderId) -> Mapping[Step, StepAttempt]:
        """The attempts that the services' own records do not contain yet. Never raises."""
        ...

    async def cancel(self, order_id: OrderId) -> None:
        """Request that the order is undone. Raises NotPossibleNow when it is too late."""
        ...

    async def retry_compensation(self, order_id: OrderId, attention: Attention) -> None:
        """Retry the compensation that `attention` is about: two requests for the same attention have one effect.

        Raises NotPossibleNow: no compensation waits for an operator.
        """
        ...

    async def repair(self, request: OrderRequest) -> None:
        """Continue an unfinished order that nothing moves any more: forward past the pivot, else undo it.

        Raises NotPossibleNow: the order's saga runs.
        """
        ...


class PageSessions(Protocol):
    """The API keys of those who have signed in on the page. Every method raises a Fault when the sessions are away."""

    async def begin(self, key: str) -> str:
        """Return the token of a new session. It is random, and a cookie may contain it."""
        ...

    async def key_in(self, token: str) -> str | None:
        """Return None if there is no such session, or it has ended."""
        ...

    async def end(self, token: str) -> None: ...


class Settlements(Protocol):
    """Publishes payment settlements."""

    async def announce(self, order_id: OrderId) -> None:
        """Return when the settlement is stored. For an unknown or finished order it has no harmful effect.

        Raises:
            EngineAway: it may be stored or not; announcing it again is safe.
        """
        ...


class Accounts(Protocol):
    """Users. Every method but `send_promised_mail` raises a Fault when the database is away; all of them block."""

    def register(self, user: User) -> User:
        """Store the user and the welcome mail in one transaction. Return the user with this id, maybe an older one."""
        ...

    def find(self, user_id: str) -> User | None: ...

    def send_promised_mail(self, user: User) -> None:
        """Hand the welcome mail to Celery. If Celery is away the sweep does it later; never raises."""
        ...


class VideoShelf(Protocol):
    """Videos. Every method that is not `async` blocks, and raises a Fault when the database is away."""

    @property
    def max_bytes(self) -> int: ...

    def place_for(self, video_id: str) -> Path:
        """The path for an upload. Its folder exists."""
        ...

    async def why_no_video(self, file: Path) -> str | None:
        """The reason why the file is not a video, or None if it is one. Looks at a few files at a time only."""
        ...

    def take_in(self, video: Video) -> Video:
        """Store the video and its job in one transaction. Return the video with this id, maybe an older one."""
        ...

    async def start_promised_job(self, video: Video) -> None:
        """Hand the job to its engine. If that is away the sweep does it later; never raises."""
        ...

    def find(self, video_id: str) -> Video | None: ...

    def cancel(self, video: Video) -> bool:
        """False if the video is finished."""
        ...

    def stop_job(self, video: Video) -> None:
        """Tell the engine that the video was cancelled; never raises."""
        ...


class DeadLetterBox(Protocol):
    """Every method blocks, and raises a Fault when the broker is away."""

    def page(self, wanted: LetterFilter, limit: int, behind: Bookmark | None) -> LetterPage: ...

    def find(self, place: str) -> Letter | None: ...

    def redrive(self, wanted: LetterFilter, behind: Bookmark | None) -> Redriven:
        """Send a bounded number of letters to their topics again."""
        ...

    def redrive_one(self, place: str) -> Redriven | None:
        """None if there is no letter at `place`."""
        ...


ProcessState = Literal["running", "stopping", "stopped", "starting"]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another process of the embedded stack."""

    name: str
    state: ProcessState


class Controls(Protocol):
    """Stops, starts and kills neighbours. Only the embedded stack has it.

    Every method that takes a name raises:
        NotFound: no controlled process has that name.
        NotPossibleNow: the state of the process does not allow it.
    """

    def neighbours(self) -> Sequence[Neighbour]: ...

    def stop(self, name: str) -> None:
        """Let the process finish its work and exit. It stays stopped until `start`."""
        ...

    def start(self, name: str) -> None: ...

    def kill(self, name: str) -> None:
        """Kill the process in the middle of its work. The supervisor starts it again."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """One dependency of `/readyz`. `ask` returns if the dependency answers, and raises if not."""

    name: str
    ask: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalUi:
    """`witnessed`: choreographed orders have a workflow in Temporal, too: their witness."""

    address: str
    namespace: str
    witnessed: bool = False

    def workflow(self, workflow_id: str) -> str:
        return f"{self.address}/namespaces/{self.namespace}/workflows/{workflow_id.replace('/', '%2F')}"

    def of_order(self, order_id: str, style: SagaStyle) -> str | None:
        if style is SagaStyle.ORCHESTRATED:
            return self.workflow(f"order-saga/{order_id}")
        return self.workflow(f"choreography-witness/{order_id}") if self.witnessed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """`id_of` blocks; it returns None while traces are off. `ui`: the address of a trace, with `{trace_id}` in it."""

    id_of: Callable[[OrderId], str | None] = lambda _: None
    ui: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """`orders` has one Order service per style: the events of the choreographed one are published.

    `audit` reads all databases, so it must not run on the event loop. `webhook_secrets`: with which the payment gateway
    may sign its calls. `page_key`: the API key with which the page works on this machine; None if it has none.
    `simulated_gateway`: payments can be settled without a gateway's call.
    """

    orders: Mapping[SagaStyle, OrderService]
    payments: PaymentService
    inventory: InventoryService
    shipping: ShippingService
    seals: Seals
    starter: SagaStarter
    in_flight: InFlightKeys
    sessions: PageSessions
    accounts: Accounts
    videos: VideoShelf
    order_controls: Mapping[SagaStyle, OrderControl]
    settlements: Settlements
    dead_letters: DeadLetterBox
    probes: Sequence[Probe]
    audit: Callable[[], Verdict]
    temporal_ui: TemporalUi
    keys: ApiKeys
    actions: Actions
    webhook_secrets: Sequence[str] = ()
    page_key: str | None = None
    requests_per_minute: int = 0
    simulated_gateway: bool = False
    traces: Traces = Traces()
    controls: Controls | None = None
    probe_deadline_s: float = 2.0

    @property
    def order_records(self) -> OrderService:
        """For reading: both styles share one database."""
        return self.orders[SagaStyle.CHOREOGRAPHED]


async def _of_the_app(request: Request) -> Dependencies:  # `async`: FastAPI calls a plain function in another thread
    return cast("Dependencies", request.app.state.dependencies)


Injected = Annotated[Dependencies, Depends(_of_the_app)]
