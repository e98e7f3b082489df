"""Random effects: the mean of effects that differ, how much they differ, and the next one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from qkd_study.analysis.statistics.samples import Reals, finite, share

#: The largest spread that is looked for, in standard deviations of what was observed.
_WIDEST = 20.0


@dataclass(frozen=True)
class RandomEffects:
    """The summary of k effects, such as gains in k cells or on k datasets, in their unit.

    Attributes:
        mean: of the effects that could have been studied.
        low, high: interval of the mean.
        error: standard error of the mean, with k - 1 degrees of freedom.
        spread: standard deviation between effects, beyond that of their estimates.
        spread_low, spread_high: interval of the spread.
        next_low, next_high: interval of the effect in one more cell or on one more dataset of the
            same kind.
        p: of no spread at all.
        count: k.
    """

    mean: float
    low: float
    high: float
    error: float
    spread: float
    spread_low: float
    spread_high: float
    next_low: float
    next_high: float
    p: float
    count: int

    @property
    def p_mean(self) -> float:
        """Two-sided, that the mean is zero."""
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.count - 1))

    def p_within(self, margin: float) -> float:
        """The larger p of the two one-sided tests that the mean is within a margin."""
        return float(stats.t.sf((margin - abs(self.mean)) / self.error, self.count - 1))


def random_effects(
    effects: ArrayLike,
    covariance: ArrayLike,
    *,
    confidence: float = 0.95,
    weighted: bool = True,
) -> RandomEffects:
    """Summarise effects that are a sample of those that could have been studied.

    effect = mean + between + error, where `between` is independent with variance spread^2 and the
    errors have the given covariance: off its diagonal are effects that were measured on the same
    replicates. The spread is estimated by restricted maximum likelihood (Harville, JASA 72:320,
    1977; for summaries of studies see Viechtbauer, J. Educ. Behav. Stat. 30:261, 2005), its
    interval inverts the generalised Q statistic (Viechtbauer, Stat. Med. 26:37, 2007). The interval
    of the mean is Hartung and Knapp's (Stat. Med. 20:3875, 2001), never shorter than the one
    without their factor (Roever, Knapp and Friede, BMC Med. Res. Methodol. 15:99, 2015); that of
    the next effect adds the spread (Higgins, Thompson and Spiegelhalter, J. R. Stat. Soc. A
    172:137, 2009; with k - 1 degrees of freedom).

    Weights are those of the estimated spread, which few effects hardly tell: if some of them are
    much more precise, they decide the mean, and its interval is too short. Unweighted, all effects
    count the same, and the variance of their mean is that between them over k, whose expectation is
    the true one whatever the precisions (as in a t test of the effects), but at least that of
    their errors (benchmarks/datasets.py has the coverage of both).

    Args:
        effects: (k,), at least two.
        covariance: (k, k) of their errors.
        confidence: nominal coverage of all intervals.
        weighted: whether precise effects count more.

    Raises:
        ValueError: fewer than two effects, shapes that disagree, a covariance that is not positive
            definite, or a value that is not finite.
    """
    share("confidence", confidence)
    y, v = finite("effects", effects, 1), finite("covariance", covariance, 2)
    k = len(y)
    if k < 2 or v.shape != (k, k):
        raise ValueError(f"{k} effects with a covariance of shape {v.shape}, but k x k is needed")
    # In the eigenvectors of the covariance, every total covariance is diagonal.
    variances, directions = np.linalg.eigh(v)
    if variances.min() <= 0:
        raise ValueError(f"covariance must be positive definite, but has {variances.min()}")
    ours, ones = directions.T @ y, directions.T @ np.ones(k)
    widest = _WIDEST * math.sqrt(float(np.ptp(y)) ** 2 + float(variances.max()))

    def fitted(spread: float) -> tuple[float, float, float]:
        """The mean, its variance, and the weighted squares around it."""
        weights = 1 / (variances + spread**2)
        information = float(weights @ ones**2)
        mean = float(weights @ (ones * ours)) / information
        return mean, 1 / information, float(weights @ (ours - mean * ones) ** 2)

    def deviance(spread: float) -> float:
        _, variance, squares = fitted(spread)
        return float(np.log(variances + spread**2).sum()) - math.log(variance) + squares

    grid = np.concatenate([[0.0], np.geomspace(1e-4, 1, 60) * widest])
    best = int(np.argmin([deviance(spread) for spread in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(deviance, bounds=around, method="bounded")
    spread = 0.0 if deviance(0.0) <= float(found.fun) else float(found.x)
    mean, variance, squares = fitted(spread)
    error = math.sqrt(max(1.0, squares / (k - 1)) * variance)
    if not weighted:
        mean = float(y.mean())
        error = math.sqrt(max(float(y.var(ddof=1)) / k, float(v.sum()) / k**2))
    quantile = float(stats.t.ppf((1 + confidence) / 2, k - 1))
    half = quantile * error
    ahead = quantile * math.hypot(error, spread)

    def inverted(level: float) -> float:
        """The spread at which the weighted squares have this chance to be larger."""
        wanted = float(stats.chi2.isf(level, k - 1))
        if fitted(0.0)[2] <= wanted:
            return 0.0
        if fitted(widest)[2] >= wanted:
            return math.inf
        return float(optimize.brentq(lambda s: fitted(s)[2] - wanted, 0.0, widest))

    tail = (1 - confidence) / 2
    return RandomEffects(
        mean=mean,
        low=mean - half,
        high=mean + half,
        error=error,
        spread=spread,
        spread_low=inverted(tail),
        spread_high=inverted(1 - tail),
        next_low=mean - ahead,
        next_high=mean + ahead,
        p=float(stats.chi2.sf(fitted(0.0)[2], k - 1)),
        count=k,
    )


def covariance_of_means(values: ArrayLike) -> Reals:
    """The covariance of the column means of (n, k) values that share replicates."""
    array = finite("values", values, 2)
    return np.atleast_2d(np.cov(array, rowvar=False)) / len(array)
