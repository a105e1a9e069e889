"""What a figure came out at: one ratio for each pair of blocks, their median, and how far they are apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.metrics import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A block of ours and the block of the reference that ran next to it, in the figure's unit."""

    ours: float
    reference: float

    @property
    def ratio(self) -> float:
        return self.ours / self.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`pairs` is not empty. The ratio is the median of the pairs' ratios, which is not the ratio of the medians."""

    figure: Figure
    pairs: Sequence[Pair]

    @property
    def ratio(self) -> float:
        return median(pair.ratio for pair in self.pairs)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a pair."""
        ratios = [pair.ratio for pair in self.pairs]
        return min(ratios), max(ratios)

    @property
    def ours(self) -> float:
        return median(pair.ours for pair in self.pairs)

    @property
    def reference(self) -> float:
        return median(pair.reference for pair in self.pairs)

    @property
    def reached(self) -> bool | None:
        """Return None where there is no goal."""
        return None if self.figure.goal is None else self.figure.goal.reached_by(self.ratio)
