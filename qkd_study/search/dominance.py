"""Pruning with two objectives: what trials that are not larger have beaten already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_study.results import Row, mean_score


def size_of(row: Row, column: str) -> float:
    """The size in a row; 0 where it is null."""
    value = row.get(column)
    return 0.0 if value is None or math.isnan(value) else float(value)


@dataclass(frozen=True)
class DominancePruning:
    """Decides with two objectives whether the rest of a search trial is run.

    A trial is compared with those of earlier batches that are not larger than it. It is stopped if
    its mean score so far is below their lower quartile after as many replicates: three quarters of
    them are then better in one objective and not worse in the other. So no trial is stopped that no
    other beats, such as the smallest.

    Attributes:
        column: of the size in the rows.
        percent: of those that it is compared with, how many are better than the bar.
        least: how many trials it must be compared with.
        earlier: size and running means of the trials of earlier batches; a pruned trial counts with
            its last mean.
    """

    column: str
    percent: float
    least: int
    earlier: tuple[tuple[float, tuple[float, ...]], ...]

    def begin(self) -> DominancePruning:
        """Begin with the trial; nothing is kept between its replicates."""
        return self

    def reason(
        self, scores: Sequence[float], replicates: int, sizes: Sequence[float] = ()
    ) -> str | None:
        """Why the rest of the trial is not run, if so.

        Args:
            scores: of its replicates so far, at least one.
            replicates: how many it is to have.
            sizes: of its replicates so far.
        """
        size, score, done = mean_score(sizes), mean_score(scores), len(scores)
        means = [own[:done][-1] for other, own in self.earlier if other <= size]
        if len(means) < self.least:
            return None
        bar = float(np.percentile(means, 100 - self.percent))
        if score >= bar:
            return None
        return (
            f"validation accuracy {score:.3f} after {done} of {replicates} replicates is below "
            f"{bar:.3f}, the lower quartile of the {len(means)} trials of the batches before it "
            f"that are not larger ({self.column} of {size:g})"
        )
