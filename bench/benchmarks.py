"""What plays against what: for each match both sides, with the processes that the reference needs."""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from random import Random

from bench.baseline_celery import awaited_tasks, workflows_and_tasks
from bench.baseline_kafka import RawChains, chain_on
from bench.baseline_workflow import BareWorkflows
from bench.breakdown import Notes
from bench.celery_app import bench_app
from bench.child_processes import Child, children
from bench.metrics import Match
from bench.order_load import OrdersAlone, OrdersTogether
from bench.paired_runs import Benchmark
from bench.preloaded import CpuOfOrders, Reads, filled
from bench.sizes import CPU_IN_FLIGHT, IN_FLIGHT, Sizes
from bench.target import BenchTarget
from bench.workflow_starts import BridgedStarts, DirectStarts
from domain.order import SagaStyle

Contests = Mapping[Match, Benchmark]

SHORT_SESSION_MS = 2_000
_BARE_WORKER = Child("noop_worker")


@asynccontextmanager
async def few_and_many_held(
    few: BenchTarget, many: BenchTarget, sizes: Sizes, dice: Random, notes: Notes
) -> AsyncIterator[Contests]:
    """Fill both stacks first."""
    few_ids, many_ids = await filled(few, sizes.held_few), await filled(many, sizes.held_many)
    contests = {
        Match.READS: Benchmark(
            ours=Reads(stand=many, held=many_ids, reads=sizes.reads, dice=dice),
            reference=Reads(stand=few, held=few_ids, reads=sizes.reads, dice=dice),
        )
    }
    for match, style in (
        (Match.ORCHESTRATED_HELD, SagaStyle.ORCHESTRATED),
        (Match.CHOREOGRAPHED_HELD, SagaStyle.CHOREOGRAPHED),
    ):
        with_many, with_few = (
            CpuOfOrders(
                stand=stand, style=style, orders=sizes.cpu_orders, in_flight=CPU_IN_FLIGHT, held=held, notes=notes
            )
            for stand, held in ((many, "many"), (few, "few"))
        )
        contests[match] = Benchmark(ours=with_many, reference=with_few)
    yield contests


@asynccontextmanager
async def orchestrated(stand: BenchTarget, sizes: Sizes, notes: Notes) -> AsyncIterator[Contests]:
    style = SagaStyle.ORCHESTRATED
    async with children(stand.settings, stand.folder, _BARE_WORKER):
        yield {
            Match.ORCHESTRATED_ALONE: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=OrdersAlone(stand=stand, style=style, orders=sizes.alone, notes=notes),
                reference=BareWorkflows(
                    stand=stand,
                    figures=("orchestrated-p50", "orchestrated-p50-seen"),
                    workflows=sizes.alone,
                    in_flight=1,
                    notes=notes,
                ),
            ),
            Match.ORCHESTRATED_TOGETHER: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=OrdersTogether(stand=stand, style=style, orders=sizes.orders, in_flight=IN_FLIGHT, notes=notes),
                reference=BareWorkflows(
                    stand=stand,
                    figures=("orchestrated-rate",),
                    workflows=sizes.workflows,
                    in_flight=IN_FLIGHT,
                    notes=notes,
                ),
            ),
        }


@asynccontextmanager
async def choreographed(stand: BenchTarget, sizes: Sizes, notes: Notes) -> AsyncIterator[Contests]:
    style = SagaStyle.CHOREOGRAPHED
    async with chain_on(stand) as chain:
        yield {
            Match.CHOREOGRAPHED_ALONE: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=OrdersAlone(stand=stand, style=style, orders=sizes.alone, notes=notes),
                reference=RawChains(chain=chain, chains=sizes.alone, in_flight=1, notes=notes),
            ),
            Match.CHOREOGRAPHED_TOGETHER: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=OrdersTogether(
                    stand=stand, style=style, orders=sizes.choreographed, in_flight=IN_FLIGHT, notes=notes
                ),
                reference=RawChains(chain=chain, chains=sizes.chains, in_flight=IN_FLIGHT, notes=notes),
            ),
        }


@asynccontextmanager
async def celery(stand: BenchTarget, sizes: Sizes, _: Notes) -> AsyncIterator[Contests]:
    workers = (_BARE_WORKER, Child("awaiting_worker"), Child("celery_worker"))
    async with children(stand.settings, stand.folder, *workers):
        with closing(bench_app(stand.settings)) as app, ThreadPoolExecutor(1) as thread:
            yield {
                Match.CELERY: Benchmark(
                    ours=awaited_tasks(stand.temporal, sizes.tasks),
                    reference=workflows_and_tasks(stand.temporal, app, sizes.tasks, thread),
                )
            }


@asynccontextmanager
async def starts(stand: BenchTarget, sizes: Sizes, _: Notes) -> AsyncIterator[Contests]:
    # The embedded broker lets a group wait for half of it before anybody joins; Apache takes none that is shorter.
    session_ms = stand.settings.session_timeout_ms if stand.given_engines else SHORT_SESSION_MS
    settings = stand.settings.with_changes(session_timeout_ms=session_ms)
    async with children(settings, stand.folder, Child("starts_bridge", asked=True)) as (bridge,):
        yield {
            Match.STARTS: Benchmark(
                ours=BridgedStarts(bridge=bridge, settings=stand.settings, starts=sizes.starts),
                reference=DirectStarts(client=stand.temporal, starts=sizes.starts),
            )
        }
