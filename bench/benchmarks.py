"""Both sides of each benchmark, with the processes that its baseline needs."""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import partial
from random import Random

from bench.baseline_celery import awaited_tasks, workflows_and_tasks
from bench.baseline_kafka import RawChains, raw_chain
from bench.baseline_workflow import BareWorkflows
from bench.breakdown import Breakdown
from bench.metrics import BenchmarkId
from bench.noop_celery import bench_app
from bench.order_cpu import CpuOfOrders
from bench.order_load import TimedOrders
from bench.paired_runs import Benchmark
from bench.preloaded import Reads, preload
from bench.sizes import CPU_IN_FLIGHT, IN_FLIGHT, Sizes
from bench.target import BenchTarget, running
from bench.workflow_starts import BridgedStarts, DirectStarts
from domain.order import SagaStyle

Benchmarks = Mapping[BenchmarkId, Benchmark]

SHORT_SESSION_MS = 2_000
_BARE_WORKER = "noop_worker bare"


@asynccontextmanager
async def preloaded(
    few: BenchTarget, many: BenchTarget, sizes: Sizes, rng: Random, breakdown: Breakdown
) -> AsyncIterator[Benchmarks]:
    """Fill the databases of both stacks first."""
    few_ids, many_ids = await preload(few, sizes.held_few), await preload(many, sizes.held_many)
    benchmarks = {
        BenchmarkId.READS: Benchmark(
            ours=Reads(target=many, held=many_ids, reads=sizes.reads, rng=rng),
            baseline=Reads(target=few, held=few_ids, reads=sizes.reads, rng=rng),
        )
    }
    for benchmark_id, style in (
        (BenchmarkId.ORCHESTRATED_PRELOADED, SagaStyle.ORCHESTRATED),
        (BenchmarkId.CHOREOGRAPHED_PRELOADED, SagaStyle.CHOREOGRAPHED),
    ):
        cpu = _cpu_of(style, f"{style}-cpu", sizes, breakdown)
        ours, baseline = cpu(target=many, side="many held"), cpu(target=few, side="few held")
        benchmarks[benchmark_id] = Benchmark(ours=ours, baseline=baseline)
    yield benchmarks


@asynccontextmanager
async def traced(
    without_traces: BenchTarget, with_traces: BenchTarget, sizes: Sizes, breakdown: Breakdown
) -> AsyncIterator[Benchmarks]:
    benchmarks = {}
    for benchmark_id, style in (
        (BenchmarkId.ORCHESTRATED_TRACED, SagaStyle.ORCHESTRATED),
        (BenchmarkId.CHOREOGRAPHED_TRACED, SagaStyle.CHOREOGRAPHED),
    ):
        cpu = _cpu_of(style, f"{style}-traced", sizes, breakdown)
        ours, baseline = cpu(target=with_traces, side="traces on"), cpu(target=without_traces, side="traces off")
        benchmarks[benchmark_id] = Benchmark(ours=ours, baseline=baseline)
    yield benchmarks


def _cpu_of(style: SagaStyle, figure: str, sizes: Sizes, breakdown: Breakdown) -> "partial[CpuOfOrders]":
    return partial(
        CpuOfOrders,
        style=style,
        orders=sizes.cpu_orders,
        in_flight=CPU_IN_FLIGHT,
        figure=figure,
        breakdown=breakdown,
    )


@asynccontextmanager
async def orchestrated(target: BenchTarget, sizes: Sizes, breakdown: Breakdown) -> AsyncIterator[Benchmarks]:
    rested = partial(Benchmark, rest_s=sizes.rest_seconds)
    ours = partial(TimedOrders, target=target, style=SagaStyle.ORCHESTRATED, breakdown=breakdown)
    baseline = partial(BareWorkflows, target=target, breakdown=breakdown)
    async with running(target.settings, _BARE_WORKER):
        yield {
            BenchmarkId.ORCHESTRATED_ONE_BY_ONE: rested(
                ours=ours(orders=sizes.alone, in_flight=1), baseline=baseline(workflows=sizes.alone, in_flight=1)
            ),
            BenchmarkId.ORCHESTRATED_CONCURRENT: rested(
                ours=ours(orders=sizes.orders, in_flight=IN_FLIGHT),
                baseline=baseline(workflows=sizes.workflows, in_flight=IN_FLIGHT),
            ),
        }


@asynccontextmanager
async def choreographed(target: BenchTarget, sizes: Sizes, breakdown: Breakdown) -> AsyncIterator[Benchmarks]:
    rested = partial(Benchmark, rest_s=sizes.rest_seconds)
    ours = partial(TimedOrders, target=target, style=SagaStyle.CHOREOGRAPHED, breakdown=breakdown)
    async with raw_chain(target) as chain:
        baseline = partial(RawChains, chain=chain, breakdown=breakdown)
        yield {
            BenchmarkId.CHOREOGRAPHED_ONE_BY_ONE: rested(
                ours=ours(orders=sizes.alone, in_flight=1), baseline=baseline(records=sizes.alone, in_flight=1)
            ),
            BenchmarkId.CHOREOGRAPHED_CONCURRENT: rested(
                ours=ours(orders=sizes.choreographed, in_flight=IN_FLIGHT),
                baseline=baseline(records=sizes.chains, in_flight=IN_FLIGHT),
            ),
        }


@asynccontextmanager
async def celery(target: BenchTarget, sizes: Sizes, _: Breakdown) -> AsyncIterator[Benchmarks]:
    async with running(target.settings, _BARE_WORKER, "noop_worker awaiting", "noop_celery"):
        with closing(bench_app(target.settings)) as app, ThreadPoolExecutor(1) as thread:
            yield {
                BenchmarkId.CELERY: Benchmark(
                    ours=awaited_tasks(target.temporal, sizes.tasks),
                    baseline=workflows_and_tasks(target.temporal, app, sizes.tasks, thread),
                )
            }


@asynccontextmanager
async def starts(target: BenchTarget, sizes: Sizes, _: Breakdown) -> AsyncIterator[Benchmarks]:
    # A group join on the embedded broker takes half of the session timeout. Apache Kafka refuses a shorter timeout
    # than its own minimum.
    session_ms = target.settings.session_timeout_ms if target.given_engines else SHORT_SESSION_MS
    settings = target.settings.with_changes(session_timeout_ms=session_ms)
    async with running(settings, "starts_bridge", piped=True) as (bridge,):
        yield {
            BenchmarkId.STARTS: Benchmark(
                ours=BridgedStarts(bridge=bridge, settings=target.settings, starts=sizes.starts),
                baseline=DirectStarts(client=target.temporal, starts=sizes.starts),
            )
        }
