"""A run of `twinsaga compare`: start a stack, play the trials in both styles, collect the results, stop the stack."""

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

import httpx2 as httpx
from rich.console import Console
from temporalio.service import RPCError

from comparison.api_client import DuplicateOrder, ShopClient, http_client
from comparison.child_processes import child_stack, settings_in
from comparison.machine import caveats, load, machine
from comparison.results import Comparison, results_of
from comparison.stack import SAGA_PROCESSES
from comparison.stack_control import StackControl
from comparison.stack_meter import StackMeter
from comparison.traced_orders import trace_orders
from comparison.trial_player import Block, OrdersStuck, TrialPlayer, Turn, plan_turns
from comparison.trials import TRIALS, Trial
from runtime.console import progress_bar
from runtime.errors import CannotRun, first_of
from runtime.kafka import kafka_connection
from runtime.settings import Settings
from runtime.temporal import connect
from runtime.wiring import open_services

# 30 minutes otherwise; the trial of an expired pix payment waits for it.
PIX_EXPIRY_S = 5.0
HTTP_TIMEOUT_S = 30.0
UNTRACED = {"OTEL_SDK_DISABLED": "true"}
"""Spans take processor time, and the user's own environment may name an exporter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`names` are keys of TRIALS. `orders`, `seed` and `brief` are those of `plan_turns`."""

    names: Sequence[str]
    orders: int
    seed: int
    brief: bool = False

    @property
    def trials(self) -> list[Trial]:
        return [TRIALS[name] for name in self.names]


_Played = tuple[Sequence[Block], Mapping[str, float], Mapping[str, Any]]
"""The blocks, the idle CPU time of each process, and the verdict of the audit."""


def compare(plan: Plan, console: Console) -> Comparison:
    """Play the plan on a new stack. Raises CannotRun: the stack failed, or the settings name databases elsewhere."""
    began, clock = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="twinsaga-compare-") as name, ExitStack() as running:
        folder = Path(name)
        described, doubts = machine(folder) | {"load before": load()}, caveats()
        # The witness would add its signals to Temporal to every choreographed order.
        settings = settings_in(folder, witness_enabled=False, pix_expiry_seconds=PIX_EXPIRY_S)
        with console.status("starting Temporal, Kafka, Valkey and the services"):
            ready = running.enter_context(child_stack(settings, folder, _processes(plan), UNTRACED))
        addressed = settings.with_changes(temporal_address=ready["temporal"], kafka_bootstrap=ready["kafka"])
        blocks, idle, audit = asyncio.run(_play(plan, ready, addressed, console))
        # Stopped here and not at the end of the block, so that the status line shows what takes the time.
        with console.status("stopping everything"):
            running.close()
        # Only now, since a second stack would take processor time from the first one.
        with console.status("tracing a few orders on a stack that sends traces"):
            traced = trace_orders(settings, folder / "traced")
    return Comparison(
        seed=plan.seed,
        began=began,
        seconds=time.monotonic() - clock,
        machine=described | {"load after": load()},
        idle=idle,
        results=results_of(blocks, plan.names),
        audit=audit,
        caveats=doubts,
        traced=traced,
    )


def _processes(plan: Plan) -> tuple[str, ...]:
    # The bridge carries the settlement of a pix payment into the saga. Without pix it would only use processor time.
    pix = any(trial.scenario.pix for trial in plan.trials)
    return (*SAGA_PROCESSES, *(("kafka-bridge",) if pix else ()))


async def _play(plan: Plan, ready: Mapping[str, Any], settings: Settings, console: Console) -> _Played:
    planned = plan_turns(plan.trials, plan.orders, plan.seed, brief=plan.brief)
    temporal = await connect(settings)
    kafka = await asyncio.to_thread(kafka_connection(settings).reader)
    services = open_services(settings, publish=False)
    async with http_client(ready, HTTP_TIMEOUT_S) as client:
        with closing(services), closing(kafka):
            control = StackControl(settings, services, temporal)
            meter = StackMeter(settings.data_dir, temporal, kafka)
            try:
                return await _play_all(planned, TrialPlayer(ShopClient(client), control, meter), console)
            except* (httpx.HTTPError, RPCError, DuplicateOrder, OrdersStuck) as failures:
                raise CannotRun(f"the stack failed during the comparison: {first_of(failures)!r}") from failures


async def _play_all(planned: Sequence[Turn], player: TrialPlayer, console: Console) -> _Played:
    run, blocks = uuid4().hex[:6], []
    with progress_bar(console) as progress:
        bar = progress.add_task("warming up", total=len(planned))
        idle = await player.measure_idle()
        for turn in planned:
            progress.update(bar, description=f"{turn.trial.name}, {turn.style}")
            blocks.append(await player.play(turn, run=run))
            progress.advance(bar)
        progress.update(bar, description="audit")
        return blocks, idle, await player.audit()
