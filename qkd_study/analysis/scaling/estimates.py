"""Estimates and predictions of laws, and checks that the fits share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A fitted number with its confidence interval; `low` and `high` are nan where unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """The prediction of a law at one setting.

    Attributes:
        value: in the unit of the fitted values.
        low, high: confidence interval of the law's curve there, not of a single run; nan if
            unknown. It assumes that the law holds, which is not tested where `extrapolated`.
        extrapolated: whether any input lies outside of what was run.
    """

    value: float
    low: float
    high: float
    extrapolated: bool


def quantile(confidence: float, degrees: int) -> float:
    """Student's quantile of a two-sided interval; nan without degrees of freedom."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but got {confidence}.")
    return float(stats.t.ppf((1 + confidence) / 2, degrees)) if degrees > 0 else math.nan


def r_squared(values: Floats, residuals: Floats) -> float:
    if np.ptp(values) == 0:
        return math.nan
    return 1 - float((residuals**2).sum() / ((values - values.mean()) ** 2).sum())


def positive(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(
            f"{name} must be one-dimensional, finite and > 0, but got {array.tolist()}."
        )
    return array
