"""The figures: each is a number of ours divided by the same number of a reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.goals import Goal, Unit, at_least, at_most


class Match(StrEnum):
    """What is played to get figures. One match may give several."""

    ORCHESTRATED_HELD = "orchestrated orders, few and many held"
    CHOREOGRAPHED_HELD = "choreographed orders, few and many held"
    READS = "reads, few and many held"
    ORCHESTRATED_ALONE = "one orchestrated order after the other"
    ORCHESTRATED_TOGETHER = "orchestrated orders together"
    CHOREOGRAPHED_ALONE = "one choreographed order after the other"
    CHOREOGRAPHED_TOGETHER = "choreographed orders together"
    CELERY = "a Celery task that a workflow awaits"
    STARTS = "starts of workflows"
    MEMORY = "memory"


ALONE = (Match.ORCHESTRATED_ALONE, Match.CHOREOGRAPHED_ALONE)
"""These note where the time of one order goes."""

HELD = (Match.READS, Match.ORCHESTRATED_HELD, Match.CHOREOGRAPHED_HELD)
"""These need a second stack, which holds many orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`ours` and `reference` say what is measured on either side. Without a goal it is there to be known."""

    name: str
    match: Match
    ours: str
    reference: str
    unit: Unit
    goal: Goal | None = None


_BARE = "bare workflow of four no-op activities"
_CHAIN = "raw chain of five kafka-python hops"
_HELD = "the same with few orders held"

_ALL = (
    Figure(
        name="orchestrated-rate",
        match=Match.ORCHESTRATED_TOGETHER,
        ours="orchestrated orders through POST /orders, 32 in flight: first placed to last finished",
        reference=f"{_BARE}, 32 in flight: first start to last result",
        unit=Unit.PER_SECOND,
        goal=at_least(1.0),
    ),
    Figure(
        name="orchestrated-p50",
        match=Match.ORCHESTRATED_ALONE,
        ours="orchestrated order alone, placed to finished by the services' clocks, median",
        reference=f"{_BARE} alone, the client's start to its result, median",
        unit=Unit.SECONDS,
        goal=at_most(0.8),
    ),
    Figure(
        name="orchestrated-p50-seen",
        match=Match.ORCHESTRATED_ALONE,
        ours="the same orders, from sending POST /orders until their end is seen in the database, median",
        reference=f"{_BARE} alone, the client's start to its result, median",
        unit=Unit.SECONDS,
    ),
    Figure(
        name="choreographed-rate",
        match=Match.CHOREOGRAPHED_TOGETHER,
        ours="choreographed orders through POST /orders, 32 in flight: first placed to last finished",
        reference=f"{_CHAIN}, 32 in flight: first sent to last taken by the fifth hop",
        unit=Unit.PER_SECOND,
        goal=at_least(0.25),
    ),
    Figure(
        name="choreographed-p50",
        match=Match.CHOREOGRAPHED_ALONE,
        ours="choreographed order alone, placed to finished by the services' clocks, median",
        reference=f"{_CHAIN} alone, sent to taken by the fifth hop, median",
        unit=Unit.SECONDS,
        goal=at_most(2.0),
    ),
    Figure(
        name="choreographed-p50-seen",
        match=Match.CHOREOGRAPHED_ALONE,
        ours="the same orders, from sending POST /orders until their end is seen in the database, median",
        reference=f"{_CHAIN} alone, sent until what the fifth hop sends has come back, median",
        unit=Unit.SECONDS,
    ),
    Figure(
        name="orchestrated-cpu",
        match=Match.ORCHESTRATED_HELD,
        ours="CPU time an orchestrated order of saga worker and API, many orders held",
        reference=_HELD,
        unit=Unit.SECONDS,
        goal=at_most(1.1),
    ),
    Figure(
        name="choreographed-cpu",
        match=Match.CHOREOGRAPHED_HELD,
        ours="CPU time a choreographed order of the four services and the API, many orders held",
        reference=_HELD,
        unit=Unit.SECONDS,
        goal=at_most(1.1),
    ),
    Figure(
        name="kafka-starts",
        match=Match.STARTS,
        ours="workflows started by kafka_into_workflow: first call to last acknowledgement",
        reference="workflows started by a client, as many calls at a time",
        unit=Unit.PER_SECOND,
        goal=at_least(0.8),
    ),
    Figure(
        name="celery-p50",
        match=Match.CELERY,
        ours="workflow that awaits a no-op Celery task, the client's start to its result, median",
        reference="workflow of one no-op activity, and then .delay().get() of the same task, median of the sums",
        unit=Unit.SECONDS,
        goal=at_most(1.2),
    ),
    *(
        Figure(
            name=f"read-{name}",
            match=Match.READS,
            ours=f"{call}, one call after the other, 99th percentile, many orders held",
            reference=_HELD,
            unit=Unit.SECONDS,
            goal=at_most(1.3),
        )
        for name, call in (
            ("order", "GET /orders/{id}"),
            ("list", "GET /orders?status="),
            ("timeline", "GET /orders/{id}/timeline"),
        )
    ),
    *(
        Figure(
            name=f"memory-{name}",
            match=Match.MEMORY,
            ours=f"memory of all our processes, as proportional set sizes, {when}",
            reference="what they may take",
            unit=Unit.BYTES,
            goal=at_most(1.0),
        )
        for name, when in (("idle", "with nothing done yet"), ("loaded", "after all orders"))
    ),
    Figure(
        name="memory-growth",
        match=Match.MEMORY,
        ours="memory of all our processes after all orders",
        reference="after the first tenth of them",
        unit=Unit.BYTES,
        goal=at_most(1.05),
    ),
)

FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _ALL}


def matches_for(names: Sequence[str]) -> list[Match]:
    """What has to be played for these figures, in the order of play."""
    wanted = {FIGURES[name].match for name in names}
    return [match for match in Match if match in wanted]
