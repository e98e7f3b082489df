"""Paired differences: the same replicates under two arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: of the values; nan if there are none.
        half: half the width of the interval; nan if there are fewer than two values.
        count: how many values.
    """

    mean: float
    half: float
    count: int


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean of independent values with Student's t interval.

    Args:
        values: (n,).
        confidence: the interval's coverage, for values that are normally distributed.
    """
    array = np.asarray(values, dtype=float)
    count = len(array)
    if count < 2:
        return Interval(float(array.mean()) if count else np.nan, np.nan, count)
    quantile = stats.t.ppf((1 + confidence) / 2, count - 1)
    return Interval(
        float(array.mean()), float(quantile * array.std(ddof=1) / np.sqrt(count)), count
    )
