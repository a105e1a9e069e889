"""How much each benchmark plays."""

from dataclasses import dataclass

IN_FLIGHT = 32
CPU_IN_FLIGHT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes of one block, except `pairs`, `held_few`, `held_many` and `memory_orders`.

    `orders` (orchestrated), `workflows`, `choreographed` and `chains` run with 32 in flight, for several seconds each;
    `alone`, of either side, one after the other; `cpu_orders` with 16 in flight. `reads` is for each kind of call.
    `rest_seconds` is the pause between blocks of orders and their baseline: consumers poll often for a while after
    their last record, and a saga has a timer of five seconds.
    """

    pairs: int = 5
    rest_seconds: int = 6
    alone: int = 50
    orders: int = 200
    workflows: int = 200
    choreographed: int = 500
    chains: int = 2_000
    starts: int = 1_000
    tasks: int = 30
    cpu_orders: int = 100
    reads: int = 1_000
    held_few: int = 1_000
    held_many: int = 100_000
    memory_orders: int = 10_000


SHORT = Sizes(
    pairs=1,
    rest_seconds=0,
    alone=3,
    orders=8,
    workflows=8,
    choreographed=8,
    chains=16,
    starts=50,
    tasks=3,
    cpu_orders=6,
    reads=20,
    held_few=100,
    held_many=400,
    memory_orders=20,
)
"""Enough to see that everything works. Its ratios mean nothing."""
