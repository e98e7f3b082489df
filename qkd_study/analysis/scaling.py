"""Scaling laws: test error against training samples, cost against qubits, depth and samples."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]

#: Where exponents b and ratios r are sought; a fit at an end says that the data have no such law.
EXPONENTS = (1e-3, 10.0)
RATIOS = (1e-2, 1e2)


@dataclass(frozen=True)
class Estimate:
    """A fitted number with its confidence interval; `low` and `high` are nan where unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """What a law says of one setting.

    Attributes:
        value: in the unit of what was fitted.
        low, high: confidence interval of the law's curve there, not of a single run; nan where
            unknown. It supposes that the law holds, which data cannot say where `extrapolated`.
        extrapolated: whether any input lies outside of what was run.
    """

    value: float
    low: float
    high: float
    extrapolated: bool


@dataclass(frozen=True)
class PowerLaw:
    """error = floor + scale * K^-exponent, as `fit_error` found it.

    Attributes:
        floor: the error that no amount of data removes; 0 if it was not fitted.
        scale: the part that data removes, at K = 1.
        exponent: b, in `EXPONENTS`; without meaning where `scale` is 0.
        floor_fitted: False with fewer than three amounts, which cannot tell a floor.
        confidence: coverage of all intervals.
        amounts: (n,) training samples K.
        residuals: (n,) mean error minus the law, per amount.
        r_squared: share of the variance of the mean errors that the law explains; nan if they do
            not vary. It is 1 whenever there are as many amounts as numbers fitted.
        draws: (resamples, 3) floor, scale and exponent of every resample; none if there was only
            one replicate.
    """

    floor: Estimate
    scale: Estimate
    exponent: Estimate
    floor_fitted: bool
    confidence: float
    amounts: tuple[float, ...]
    residuals: tuple[float, ...]
    r_squared: float
    replicates: int
    draws: Floats = field(repr=False, compare=False)

    def predict(self, amount: float) -> Prediction:
        """The error at `amount` training samples.

        Raises:
            ValueError: `amount` is not positive and finite.
        """
        (k,) = _positive("amount", [amount])
        value = self.floor.value + self.scale.value * k**-self.exponent.value
        floor, scale, exponent = self.draws.T
        tail = _tail(self.confidence, self.replicates)
        found = _interval(value, floor + scale * k**-exponent, tail)
        outside = not min(self.amounts) <= k <= max(self.amounts)
        return Prediction(found.value, found.low, found.high, outside)


def fit_error(
    amounts: ArrayLike,
    errors: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 2000,
) -> PowerLaw:
    """Fit error = floor + a * K^-b with floor >= 0, a >= 0, b > 0 to mean errors.

    The form is that of Hestness et al. 2017 (arXiv:1712.00409). Least squares of the error itself,
    not of its logarithm: a floor would bend that, and errors span little more than one decade.
    For given b the best floor and a have a closed form, so that only b is sought, over all of its
    range (variable projection, Golub and Pereyra 1973, doi:10.1137/0710036).

    Intervals are from resampled replicates, all amounts of one together: its draws of samples are
    nested, so its errors go up and down together. Percentiles are widened for few replicates
    (Hesterberg 2015, arXiv:1411.5279); in simulations with five to twenty replicates those of
    95 % covered the truth 90 to 97 % of the time.

    Args:
        amounts: (n,) training samples K, all different.
        errors: (replicates, n) test errors, as shares or in nats.
        confidence: coverage of the intervals.
        seed: of the resampling.
        resamples: how many.

    Raises:
        ValueError: fewer than two amounts, shapes that differ, or values that cannot be.
    """
    k = _positive("amounts", amounts)
    y = np.asarray(errors, dtype=float)
    if len(k) < 2 or len(np.unique(k)) < len(k):
        raise ValueError(f"A power law needs at least two different amounts, but got {k.tolist()}.")
    if y.ndim != 2 or y.shape[0] < 1 or y.shape[1] != len(k):
        raise ValueError(f"errors must be (replicates, {len(k)}), but got shape {y.shape}.")
    if not (np.isfinite(y) & (y >= 0)).all():
        raise ValueError(f"errors must be finite and >= 0, but got {y.tolist()}.")
    tail = _tail(confidence, len(y))
    if resamples < 1:
        raise ValueError(f"resamples must be >= 1, but got {resamples}.")
    with_floor = len(k) >= 3
    mean = y.mean(axis=0)
    best = _power_laws(k, mean[None], with_floor)[0]
    picks = np.random.default_rng(seed).integers(0, len(y), (resamples, len(y)))
    means = y[picks].mean(axis=1) if len(y) > 1 else y[:0]
    draws = _power_laws(k, means, with_floor)
    floor, scale, exponent = (
        _interval(float(value), draw, tail) for value, draw in zip(best, draws.T, strict=True)
    )
    residuals = mean - best[0] - best[1] * k ** -best[2]
    return PowerLaw(
        floor=floor if with_floor else Estimate(0.0, math.nan, math.nan),
        scale=scale,
        exponent=exponent,
        floor_fitted=with_floor,
        confidence=confidence,
        amounts=tuple(k.tolist()),
        residuals=tuple(residuals.tolist()),
        r_squared=_r_squared(mean, residuals),
        replicates=len(y),
        draws=draws,
    )


@dataclass(frozen=True)
class CostLaw:
    """cost = overhead + unit * depth * samples * ratio^qubits, as `fit_cost` found it.

    Attributes:
        overhead: c0, what a run costs before it does anything; 0 if it was not fitted.
        unit: c1, per sample and layer, at 0 qubits.
        ratio: r, the factor of one more qubit, in `RATIOS`; 1 if it was not fitted.
        overhead_fitted: False where there are too few different settings to tell it.
        ratio_fitted: False where the number of qubits was not given or did not vary.
        confidence: coverage of all intervals.
        ranges: least and greatest value of each input that was given.
        residuals: (n,) ln(cost) minus ln(law), per run.
        r_squared: share of the variance of ln(cost) that the law explains.
        degrees: runs minus numbers fitted; intervals are nan if there are none left.
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
        x = {name: float(_positive(name, [value])[0]) for name, value in inputs.items()}
        qubits = x.get("qubits", 0.0)
        work = self.unit.value * x.get("depth", 1.0) * x.get("samples", 1.0)
        work *= self.ratio.value**qubits
        value = self.overhead.value + work
        slope = np.array([1, work, work * qubits]) / value
        half = _quantile(self.confidence, self.degrees) * math.sqrt(slope @ self.covariance @ slope)
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
    confidence: float = 0.95,
) -> CostLaw:
    """Fit cost = c0 + c1 * depth * samples * r^qubits with c0 >= 0, c1 > 0, r > 0.

    A state vector of n qubits has 2^n numbers, and every gate and sample passes over it once: r is
    2 where that dominates, and 4 for matrices. Least squares of ln(cost), since costs span orders
    of magnitude and vary by shares: in plain least squares the largest circuits alone would count,
    and weights by 1/cost would pull the law down, towards runs that happened to be fast.

    Intervals are Student's, from the fit linearised at its optimum (Bates and Watts 1988, chapter
    2), that of c0 cut at 0. They suppose that runs vary independently and alike in ln(cost).

    Args:
        cost: (n,) seconds, bytes or executions of each run; the law is in the same unit.
        qubits, depth, samples: (n,) settings of each run; what is left out counts as constant.
        confidence: coverage of the intervals.

    Raises:
        ValueError: shapes that differ, values that are not positive, or settings that do not vary.
    """
    y = _positive("cost", cost)
    given = {"qubits": qubits, "depth": depth, "samples": samples}
    inputs = {name: _positive(name, v) for name, v in given.items() if v is not None}
    if any(len(v) != len(y) for v in inputs.values()):
        lengths = {name: len(v) for name, v in {**inputs, "cost": y}.items()}
        raise ValueError(f"All inputs must have as many values as cost, but got {lengths}.")
    ones = np.ones_like(y)
    q = inputs.get("qubits", 0 * ones)
    product = inputs.get("depth", ones) * inputs.get("samples", ones)
    settings = len(np.unique(np.stack([q, product]), axis=1).T)
    if settings < 2:
        raise ValueError(f"Nothing varies between the runs: {settings} setting in {len(y)} runs.")
    ratio_fitted = bool(np.ptp(q) > 0)
    overhead_fitted = settings >= 2 + ratio_fitted
    fitted = np.array([overhead_fitted, True, ratio_fitted])
    # Centred, and in units of the typical cost: three numbers alike in size.
    typical, work, centre = float(np.log(y).mean()), np.log(product).mean(), q.mean()
    theta, jacobian = _log_fit(np.log(product) - work, q - centre, np.log(y) - typical, fitted)
    back = np.array([[math.exp(typical), 0, 0], [0, 1, -centre], [0, 0, 1]])
    found = back @ theta + [0, typical - work, 0]
    residuals = np.log(y) - np.log(found[0] + np.exp(found[1] + np.log(product) + found[2] * q))
    degrees = len(y) - int(fitted.sum())
    variance = (residuals**2).sum() / degrees if degrees else math.nan
    back = back[:, fitted]
    covariance = back @ np.linalg.pinv(jacobian.T @ jacobian) @ back.T * variance
    half = np.where(fitted, _quantile(confidence, degrees) * np.sqrt(np.diag(covariance)), np.nan)
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
        r_squared=_r_squared(np.log(y), residuals),
        degrees=degrees,
        covariance=covariance,
    )


def _log_fit(
    work: Floats, q: Floats, y: Floats, fitted: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """The t of ln(t0 + exp(t1 + work + t2 * q)) closest to y, and its Jacobian (n, fitted)."""
    basis = np.eye(3)[:, fitted]  # what is not fitted is 0

    def residuals(free: Floats) -> Floats:
        t = basis @ free
        found: Floats = np.log(t[0] + np.exp(t[1] + work + t[2] * q)) - y
        return found

    low, high = np.array([(0, np.inf), (-np.inf, np.inf), np.log(RATIOS)])[fitted].T
    accuracy: Any = dict.fromkeys(("xtol", "ftol", "gtol"), 1e-14)
    fits = []
    for share, slope in itertools.product((0.0, 0.1, 0.9), (0.1, 0.7, 1.4)):
        start = np.array([share * np.exp(y.min()), (y - work - slope * q).mean(), slope])[fitted]
        # dogbox may end on a bound: no overhead is exactly 0.
        fit = optimize.least_squares(
            residuals, start, bounds=(low, high), method="dogbox", **accuracy
        )
        fits.append(fit)
    best = min(fits, key=lambda fit: float(fit.cost))
    return basis @ best.x, np.asarray(best.jac)


def _power_laws(k: Floats, means: Floats, with_floor: bool) -> Floats:
    """(fits, 3) floor, scale and exponent of each row of `means`: ever finer grids in log b."""
    logs = np.log(k)
    centre = logs.mean()
    low, high = (np.full(len(means), math.log(end)) for end in EXPONENTS)
    rows = np.arange(len(means))
    for points in (41, *[9] * 17):
        grid = np.linspace(low, high, points, axis=-1)
        shape = np.exp(-np.exp(grid)[..., None] * (logs - centre))
        floor, scale, squares = _linear(shape, means[:, None], with_floor)
        best = squares.argmin(axis=1)
        low, high = (
            grid[rows, np.maximum(best - 1, 0)],
            grid[rows, np.minimum(best + 1, points - 1)],
        )
    exponent = np.exp(grid[rows, best])
    found = (floor[rows, best], scale[rows, best] * np.exp(exponent * centre), exponent)
    return np.stack(found, axis=1)


def _linear(x: Floats, y: Floats, with_floor: bool) -> tuple[Floats, Floats, Floats]:
    """Least squares of y = floor + scale * x over the last axis, floor >= 0 and scale >= 0."""
    scale = (x * y).sum(-1) / (x * x).sum(-1)
    floor = np.zeros_like(scale)
    if with_floor:
        dx = x - x.mean(-1, keepdims=True)
        dy = y - y.mean(-1, keepdims=True)
        slope = (dx * dy).sum(-1) / (dx * dx).sum(-1)
        level = y.mean(-1) - slope * x.mean(-1)
        # A negative one is 0 at the optimum, and the other then the best alone.
        floor = np.where(slope < 0, y.mean(-1), np.maximum(level, 0))
        scale = np.where(slope < 0, 0.0, np.where(level < 0, scale, slope))
    return floor, scale, ((y - floor[..., None] - scale[..., None] * x) ** 2).sum(-1)


def _quantile(confidence: float, degrees: int) -> float:
    """Student's quantile of a two-sided interval; nan without degrees of freedom."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but got {confidence}.")
    return float(stats.t.ppf((1 + confidence) / 2, degrees)) if degrees > 0 else math.nan


def _tail(confidence: float, replicates: int) -> float:
    """The share of resampled replicates below an interval; nan for a single replicate."""
    quantile = _quantile(confidence, replicates - 1)
    return float(stats.norm.cdf(-math.sqrt(replicates / max(replicates - 1, 1)) * quantile))


def _interval(value: float, draws: Floats, tail: float) -> Estimate:
    if not len(draws):
        return Estimate(float(value), math.nan, math.nan)
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def _r_squared(values: Floats, residuals: Floats) -> float:
    if np.ptp(values) == 0:
        return math.nan
    return 1 - float((residuals**2).sum() / ((values - values.mean()) ** 2).sum())


def _positive(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(
            f"{name} must be one-dimensional, finite and > 0, but got {array.tolist()}."
        )
    return array
