"""`twinsaga compare`: trials both ways, on a stack of their own."""

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console
from temporalio.service import RPCError

from comparison.api_client import OrderedTwice, Shopping
from comparison.machine import caveats, load, machine
from comparison.results import Comparison, results_of
from comparison.runner import Block, Player, Stuck, Turn, turns
from comparison.stack_faults import StackBreaking
from comparison.stack_meter import StackMeter
from comparison.trials import TRIALS, Trial
from embedded.child_stack import calls_to, child_stack
from runtime.console import progress_bar
from runtime.errors import CannotRun, first_of
from runtime.kafka import kafka_connection
from runtime.settings import PREFIX, Settings, load_settings
from runtime.temporal import connect
from runtime.wiring import open_services
from services.names import DATABASES, SERVICES

PLAYERS = (
    *("temporal", "kafka", "redis", "api", "saga-worker"),
    *SERVICES,
)
"""What the two styles need, and nothing that would take the processor from one of them."""

PIX_EXPIRY_S = 5.0
HTTP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`names` are of TRIALS. `orders` and `brief` as `turns` takes them."""

    names: Sequence[str]
    orders: int
    seed: int
    brief: bool = False

    @property
    def trials(self) -> list[Trial]:
        return [TRIALS[name] for name in self.names]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Played:
    blocks: Sequence[Block]
    idle: Mapping[str, float]
    audit: Mapping[str, Any]


def compare(plan: Plan, console: Console) -> Comparison:
    """Start a stack, play everything, stop the stack.

    Raises:
        CannotRun: the stack did not come up, or does not answer any more, or the settings name databases elsewhere.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="twinsaga-compare-") as name, ExitStack() as running:
        folder = Path(name)
        described, doubts = machine(folder) | {"load before": load()}, caveats()
        settings = _settings_for(folder)
        with console.status("starting Temporal, Kafka, Valkey and the services"):
            ready = running.enter_context(child_stack(settings, folder, *_players(plan)))
        settings = settings.with_changes(temporal_address=ready["temporal"], kafka_bootstrap=ready["kafka"])
        played = asyncio.run(_play(plan, ready["api"], folder / "ready.json", settings, console))
        with console.status("stopping everything"):
            running.close()
    return Comparison(
        seed=plan.seed,
        began=began,
        seconds=time.monotonic() - clock,
        machine=described | {"load after": load()},
        idle=played.idle,
        results=results_of(played.blocks, plan.names),
        audit=played.audit,
        caveats=doubts,
    )


def _settings_for(folder: Path) -> Settings:
    settings = load_settings().with_changes(data_dir=folder, witness_enabled=False, pix_expiry_seconds=PIX_EXPIRY_S)
    elsewhere = [name for name in DATABASES if not settings.database_url(name).startswith(f"sqlite:///{folder}")]
    if elsewhere:
        raise CannotRun(f"the comparison has databases of its own: unset {PREFIX}{elsewhere[0].upper()}_DATABASE_URL")
    return settings


def _players(plan: Plan) -> tuple[str, ...]:
    pays_later = any(trial.scenario.pix for trial in plan.trials)
    return (*PLAYERS, *(("kafka-bridge",) if pays_later else ()))


async def _play(plan: Plan, api: str, ready_file: Path, settings: Settings, console: Console) -> _Played:
    planned = turns(plan.trials, plan.orders, plan.seed, brief=plan.brief)
    temporal = await connect(settings)
    kafka = await asyncio.to_thread(kafka_connection(settings).reader)
    services = open_services(settings, publish=False)
    async with calls_to(api, HTTP_TIMEOUT_S) as client:
        with closing(services), closing(kafka):
            breaking = StackBreaking(ready_file, settings, services, temporal)
            player = Player(Shopping(client), breaking, StackMeter(ready_file, settings.data_dir, temporal, kafka))
            try:
                played = await _all_of(planned, player, console)
            except* (httpx.HTTPError, RPCError, OrderedTwice, Stuck) as failures:
                raise CannotRun(f"the stack failed under the comparison: {first_of(failures)!r}") from failures
    return played


async def _all_of(planned: Sequence[Turn], player: Player, console: Console) -> _Played:
    with progress_bar(console) as progress:
        bar = progress.add_task("warming up", total=len(planned))

        def played(turn: Turn) -> None:
            following = next((later for later in planned if later.number == turn.number + 1), None)
            description = f"{following.trial.name}, {following.style}" if following else "audit"
            progress.update(bar, advance=1, description=description)

        idle = await player.idle()
        blocks = await player.play_all(planned, run=uuid4().hex[:6], played=played)
        return _Played(blocks=blocks, idle=idle, audit=await player.audit())
