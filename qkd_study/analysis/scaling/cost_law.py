"""Seconds or memory against qubits (exponential), depth and samples (linear)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from qkd_study.analysis.scaling.estimates import (
    Estimate,
    Floats,
    Prediction,
    positive,
    quantile,
    r_squared,
)

#: The range of ratios r; if a fit ends at a limit, the data do not follow the law.
RATIOS = (1e-2, 1e2)


@dataclass(frozen=True)
class CostLaw:
    """cost = overhead + unit * depth * samples * ratio^qubits, as `fit_cost` found it.

    Attributes:
        overhead: c0, the constant cost of a run; 0 if it was not fitted.
        unit: c1, per sample and layer, at 0 qubits.
        ratio: r, the factor of one more qubit, in `RATIOS`; 1 if it was not fitted.
        overhead_fitted: False if there are too few different settings.
        ratio_fitted: False if the number of qubits was not given or did not vary.
        confidence: coverage of all intervals.
        ranges: least and greatest value of each input that was given.
        residuals: (groups,) ln(cost) minus ln(law), per group of runs.
        r_squared: share of the variance of ln(cost) that the law explains.
        degrees: groups minus numbers fitted; intervals are nan if there are none left.
        covariance: (3, 3) of overhead, ln(unit) and ln(ratio), linearised.
    """

    overhead: Estimate
    unit: Estimate
    ratio: Estimate
    overhead_fitted: bool
    ratio_fitted: bool
    confidence: float
    ranges: dict[str, tuple[float, float]]
    residuals: tuple[float, ...]
    r_squared: float
    degrees: int
    covariance: Floats = field(repr=False, compare=False)

    def predict(self, **inputs: float) -> Prediction:
        """The cost at one setting, in the unit of the costs that were fitted.

        Args:
            inputs: `qubits`, `depth`, `samples`: those, and only those, that the fit was given.

        Raises:
            ValueError: other inputs, or one that is not positive and finite.
        """
        if inputs.keys() != self.ranges.keys():
            raise ValueError(f"Inputs must be {sorted(self.ranges)}, but got {sorted(inputs)}.")
        x = {name: float(positive(name, [value])[0]) for name, value in inputs.items()}
        qubits = x.get("qubits", 0.0)
        work = self.unit.value * x.get("depth", 1.0) * x.get("samples", 1.0)
        work *= self.ratio.value**qubits
        value = self.overhead.value + work
        slope = np.array([1, work, work * qubits]) / value
        half = quantile(self.confidence, self.degrees) * math.sqrt(slope @ self.covariance @ slope)
        with np.errstate(over="ignore"):
            low, high = (value * np.exp([-half, half])).tolist()
        outside = any(not self.ranges[n][0] <= v <= self.ranges[n][1] for n, v in x.items())
        return Prediction(value, low, high, outside)


def fit_cost(
    *,
    cost: ArrayLike,
    qubits: ArrayLike | None = None,
    depth: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
) -> CostLaw:
    """Fit cost = c0 + c1 * depth * samples * r^qubits with c0 >= 0, c1 > 0, r > 0.

    A state vector of n qubits has 2^n numbers, and every gate and sample passes over it once: r is
    2 where that dominates, and 4 for matrices. Least squares of ln(cost), since costs span orders
    of magnitude and vary by factors: plain least squares would depend on the largest circuits
    alone, and weights by 1/cost would bias the law towards runs that happened to be fast.

    Intervals are Student's, from the fit linearised at its optimum (Bates and Watts 1988, chapter
    2), that of c0 cut at 0. They assume independent errors of equal variance in ln(cost), of groups
    of runs: replicates that are trained in one batch, on one worker, cost alike, so that a group
    is one value, the geometric mean of its costs (summary measures: Matthews et al., BMJ 300:230,
    1990).

    Args:
        cost: (n,) seconds, bytes or executions of each run; the law is in the same unit.
        qubits, depth, samples: (n,) settings of each run; constant if left out.
        groups: (n,) the group of each run, all of one setting; each run is its own if left out.
        confidence: coverage of the intervals.

    Raises:
        ValueError: shapes that differ, values that are not positive, settings that do not vary, or
            that vary within a group.
    """
    y = positive("cost", cost)
    given = {"qubits": qubits, "depth": depth, "samples": samples}
    inputs = {name: positive(name, v) for name, v in given.items() if v is not None}
    if any(len(v) != len(y) for v in inputs.values()):
        lengths = {name: len(v) for name, v in {**inputs, "cost": y}.items()}
        raise ValueError(f"All inputs must have as many values as cost, but got {lengths}.")
    if groups is not None:
        y, inputs = _by_group(np.asarray(groups), y, inputs)
    ones = np.ones_like(y)
    q = inputs.get("qubits", 0 * ones)
    product = inputs.get("depth", ones) * inputs.get("samples", ones)
    settings = len(np.unique(np.stack([q, product]), axis=1).T)
    if settings < 2:
        raise ValueError(f"Nothing varies between the runs: {settings} setting in {len(y)} runs.")
    ratio_fitted = bool(np.ptp(q) > 0)
    overhead_fitted = settings >= 2 + ratio_fitted
    fitted = np.array([overhead_fitted, True, ratio_fitted])
    # Centred, and in units of the typical cost: three numbers of similar size.
    typical, work, centre = float(np.log(y).mean()), np.log(product).mean(), q.mean()
    theta, jacobian = _log_fit(np.log(product) - work, q - centre, np.log(y) - typical, fitted)
    back = np.array([[math.exp(typical), 0, 0], [0, 1, -centre], [0, 0, 1]])
    found = back @ theta + [0, typical - work, 0]
    residuals = np.log(y) - np.log(found[0] + np.exp(found[1] + np.log(product) + found[2] * q))
    degrees = len(y) - int(fitted.sum())
    variance = (residuals**2).sum() / degrees if degrees else math.nan
    back = back[:, fitted]
    covariance = back @ np.linalg.pinv(jacobian.T @ jacobian) @ back.T * variance
    half = np.where(fitted, quantile(confidence, degrees) * np.sqrt(np.diag(covariance)), np.nan)
    ends = np.stack([found, found - half, found + half], axis=1)
    with np.errstate(over="ignore"):  # few runs may leave a limit beyond all numbers
        ends[0], ends[1:] = np.maximum(ends[0], 0), np.exp(ends[1:])
    overhead, unit, ratio = (Estimate(*row) for row in ends.tolist())
    return CostLaw(
        overhead=overhead,
        unit=unit,
        ratio=ratio,
        overhead_fitted=overhead_fitted,
        ratio_fitted=ratio_fitted,
        confidence=confidence,
        ranges={name: (float(v.min()), float(v.max())) for name, v in inputs.items()},
        residuals=tuple(residuals.tolist()),
        r_squared=r_squared(np.log(y), residuals),
        degrees=degrees,
        covariance=covariance,
    )


def _by_group(
    groups: NDArray[Any], cost: Floats, inputs: dict[str, Floats]
) -> tuple[Floats, dict[str, Floats]]:
    """The geometric mean cost of each group, and its settings."""
    if groups.shape != cost.shape:
        raise ValueError(f"There must be a group per run, but got {len(groups)} of {len(cost)}.")
    names, first, of = np.unique(groups, return_index=True, return_inverse=True)
    for name, values in inputs.items():
        wrong = values != values[first][of]
        if wrong.any():
            group = names[of[wrong.argmax()]]
            raise ValueError(f"All runs of a group must have one {name}, but in {group} it varies.")
    logs = np.bincount(of, np.log(cost)) / np.bincount(of)
    return np.exp(logs), {name: values[first] for name, values in inputs.items()}


def _log_fit(
    work: Floats, q: Floats, y: Floats, fitted: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """The t of ln(t0 + exp(t1 + work + t2 * q)) closest to y, and its Jacobian (n, fitted)."""
    basis = np.eye(3)[:, fitted]  # what is not fitted is 0

    def residuals(free: Floats) -> Floats:
        t = basis @ free
        found: Floats = np.log(t[0] + np.exp(t[1] + work + t[2] * q)) - y
        return found

    def jacobian(free: Floats) -> Floats:
        t = basis @ free
        varying = np.exp(t[1] + work + t[2] * q)
        by_t = np.stack([np.ones_like(varying), varying, q * varying], axis=1)
        found: Floats = by_t / (t[0] + varying)[:, None] @ basis
        return found

    low, high = np.array([(0, np.inf), (-np.inf, np.inf), np.log(RATIOS)])[fitted].T
    accuracy: Any = dict.fromkeys(("xtol", "ftol", "gtol"), 1e-14)
    fits = []
    shares = (0.0, 0.1, 0.9) if fitted[0] else (0.0,)
    slopes = (0.1, 0.7, 1.4) if fitted[2] else (0.0,)
    for share, slope in itertools.product(shares, slopes):
        start = np.array([share * np.exp(y.min()), (y - work - slope * q).mean(), slope])[fitted]
        # dogbox may end on a bound: no overhead is exactly 0.
        fit = optimize.least_squares(
            residuals, start, jacobian, bounds=(low, high), method="dogbox", **accuracy
        )
        fits.append(fit)
    best = min(fits, key=lambda fit: float(fit.cost))
    return basis @ best.x, np.asarray(best.jac)
