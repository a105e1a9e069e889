"""Both sides of each benchmark, with the processes that its baseline needs."""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from random import Random

from bench.baseline_celery import awaited_tasks, workflows_and_tasks
from bench.baseline_kafka import RawChains, raw_chain
from bench.baseline_processes import BaselineProgram, running
from bench.baseline_workflow import BareWorkflows
from bench.breakdown import Breakdown
from bench.metrics import BenchmarkId
from bench.noop_celery import bench_app
from bench.order_load import ConcurrentOrders, SequentialOrders
from bench.paired_runs import Benchmark
from bench.preloaded import CpuOfOrders, Reads, preload
from bench.sizes import CPU_IN_FLIGHT, IN_FLIGHT, Sizes
from bench.target import BenchTarget
from bench.workflow_starts import BridgedStarts, DirectStarts
from domain.order import SagaStyle

Benchmarks = Mapping[BenchmarkId, Benchmark]

SHORT_SESSION_MS = 2_000
_BARE_WORKER = BaselineProgram("noop_worker", ("bare",))
_AWAITING_WORKER = BaselineProgram("noop_worker", ("awaiting",))


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
        with_many, with_few = (
            CpuOfOrders(
                target=target,
                style=style,
                orders=sizes.cpu_orders,
                in_flight=CPU_IN_FLIGHT,
                held=held,
                breakdown=breakdown,
            )
            for target, held in ((many, "many"), (few, "few"))
        )
        benchmarks[benchmark_id] = Benchmark(ours=with_many, baseline=with_few)
    yield benchmarks


@asynccontextmanager
async def orchestrated(target: BenchTarget, sizes: Sizes, breakdown: Breakdown) -> AsyncIterator[Benchmarks]:
    style = SagaStyle.ORCHESTRATED
    async with running(target.settings, target.folder, _BARE_WORKER):
        yield {
            BenchmarkId.ORCHESTRATED_ONE_BY_ONE: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=SequentialOrders(target=target, style=style, orders=sizes.alone, breakdown=breakdown),
                baseline=BareWorkflows(
                    target=target,
                    figures=("orchestrated-p50", "orchestrated-p50-seen"),
                    workflows=sizes.alone,
                    in_flight=1,
                    breakdown=breakdown,
                ),
            ),
            BenchmarkId.ORCHESTRATED_CONCURRENT: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=ConcurrentOrders(
                    target=target, style=style, orders=sizes.orders, in_flight=IN_FLIGHT, breakdown=breakdown
                ),
                baseline=BareWorkflows(
                    target=target,
                    figures=("orchestrated-rate",),
                    workflows=sizes.workflows,
                    in_flight=IN_FLIGHT,
                    breakdown=breakdown,
                ),
            ),
        }


@asynccontextmanager
async def choreographed(target: BenchTarget, sizes: Sizes, breakdown: Breakdown) -> AsyncIterator[Benchmarks]:
    style = SagaStyle.CHOREOGRAPHED
    async with raw_chain(target) as chain:
        yield {
            BenchmarkId.CHOREOGRAPHED_ONE_BY_ONE: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=SequentialOrders(target=target, style=style, orders=sizes.alone, breakdown=breakdown),
                baseline=RawChains(chain=chain, records=sizes.alone, in_flight=1, breakdown=breakdown),
            ),
            BenchmarkId.CHOREOGRAPHED_CONCURRENT: Benchmark(
                rest_s=sizes.rest_seconds,
                ours=ConcurrentOrders(
                    target=target, style=style, orders=sizes.choreographed, in_flight=IN_FLIGHT, breakdown=breakdown
                ),
                baseline=RawChains(chain=chain, records=sizes.chains, in_flight=IN_FLIGHT, breakdown=breakdown),
            ),
        }


@asynccontextmanager
async def celery(target: BenchTarget, sizes: Sizes, _: Breakdown) -> AsyncIterator[Benchmarks]:
    workers = (_BARE_WORKER, _AWAITING_WORKER, BaselineProgram("noop_celery"))
    async with running(target.settings, target.folder, *workers):
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
    async with running(settings, target.folder, BaselineProgram("starts_bridge", piped=True)) as (bridge,):
        yield {
            BenchmarkId.STARTS: Benchmark(
                ours=BridgedStarts(bridge=bridge, settings=target.settings, starts=sizes.starts),
                baseline=DirectStarts(client=target.temporal, starts=sizes.starts),
            )
        }
