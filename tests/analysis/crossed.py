"""Simulated students with a known difference in accuracy, for intervals over test items.

A student classifies a sample correctly if a normal variable is positive. Its variance is that of
the sample (how hard it is), of the sample for one arm, of the replicate, of the replicate for one
arm, and of what is left; so the expected accuracy of an arm is Phi(mean / standard deviation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from qkd_study.analysis.statistics import crossed_difference, item_variance
from qkd_study.analysis.statistics.intervals import mean_interval


@dataclass(frozen=True)
class Design:
    """Standard deviations of the effects, of a unit for that of a sample.

    Attributes:
        replicates, items: how many.
        item_arm, replicate, replicate_arm, rest: of a sample for one arm, and so on.
        means: of both arms.
        shared: whether all replicates have the same samples.
    """

    replicates: int
    items: int
    item_arm: float = 0.4
    replicate: float = 0.1
    replicate_arm: float = 0.05
    rest: float = 0.5
    means: tuple[float, float] = (1.2, 1.4)
    shared: bool = True

    @property
    def truth(self) -> float:
        """The true difference in accuracy."""
        variances = (1.0, self.item_arm, self.replicate, self.replicate_arm, self.rest)
        sd = np.sqrt(sum(part**2 for part in variances))
        low, high = (float(stats.norm.cdf(mean / sd)) for mean in self.means)
        return high - low


class Coverage(NamedTuple):
    """Shares of intervals that hold the truth, and their mean widths in percentage points."""

    replicates: float
    both: float
    width_replicates: float
    width_both: float


def differences(design: Design, rng: np.random.Generator) -> NDArray[np.float64]:
    """Correct minus correct, (replicates, items); nan where a replicate has not an item."""
    n, items = design.replicates, design.items
    rows = 1 if design.shared else n
    hard = rng.normal(size=(rows, items)) + design.replicate * rng.normal(size=(n, 1))
    right = [
        mean
        + hard
        + design.item_arm * rng.normal(size=(rows, items))
        + design.replicate_arm * rng.normal(size=(n, 1))
        + design.rest * rng.normal(size=(n, items))
        > 0
        for mean in design.means
    ]
    found = right[1].astype(float) - right[0]
    if design.shared:
        return found
    own = np.full((n, n, items), np.nan)
    own[np.arange(n), np.arange(n)] = found
    return own.reshape(n, n * items)


def coverage(design: Design, repetitions: int, seed: int = 597) -> Coverage:
    """How often both intervals hold the true difference."""
    rng = np.random.default_rng([seed, design.replicates, design.items])
    seen = []
    for _ in range(repetitions):
        d = differences(design, rng)
        values = np.nanmean(d, axis=1)
        alone, both = mean_interval(values), crossed_difference(values, item_variance([d]))
        assert both is not None
        pairs = ((alone.low, alone.high), (both.low, both.high))
        held = [low <= design.truth <= high for low, high in pairs]
        seen.append([*held, *(100 * (high - low) for low, high in pairs)])
    return Coverage(*map(float, np.mean(seen, axis=0)))
