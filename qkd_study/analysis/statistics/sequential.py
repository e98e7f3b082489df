"""Group-sequential tests: looks at a growing number of replicates, with a bound on the error.

At look k there are n_k replicates of at most n_K; t_k = n_k / n_K is the fraction of information.
Until t, a one-sided test at level alpha spends 2 - 2 Phi(Phi^-1(1 - alpha/2) / sqrt(t)) of alpha,
which is the O'Brien-Fleming type of Lan and DeMets (Biometrika 70:659, 1983): almost nothing at
early looks, so that the last is almost a test without looks. The boundary of each look follows from
the density of the test statistics that have crossed no boundary before (Armitage, McPherson and
Rowe, J. R. Stat. Soc. A 132:235, 1969). A two-sided test at alpha is two one-sided ones at alpha/2.

The boundaries are those of normal statistics with independent increments. A t test enters with the
normal quantile of its p value (Jennison and Turnbull, Group Sequential Methods, 2000, section 4.4),
so that each look has its level exactly; that looks together keep alpha is approximate then, and
benchmarks/sequential.py shows how well. A variance that does not shrink with the replicates (of
test items, or of searches) makes looks more alike than assumed: the error is then below alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import special

from qkd_study.analysis.statistics.samples import Reals, share

#: Standard deviations to either side of zero that the densities are integrated over.
_REACH = 10.0
#: The distance of neighbouring nodes, in standard deviations of the narrower of the two factors
#: of the integrand. With it, the error of a boundary is below 1e-8.
_SPACING = 0.4
#: One-sided levels, as normal quantiles, at which boundaries are tabulated for `repeated_p`.
_QUANTILES = np.linspace(-2.5, 8.0, 106)


def spent(fraction: float, alpha: float) -> float:
    """The part of a one-sided level alpha that is spent until a fraction of the information."""
    return float(2 * special.ndtr(special.ndtri(alpha / 2) / math.sqrt(fraction)))


def boundaries(fractions: Sequence[float], *, alpha: float = 0.05, sides: int = 2) -> Reals:
    """The normal quantiles that a test statistic must reach at each look.

    Args:
        fractions: (looks,), of the information: rising, above 0, at most 1.
        alpha: the level of all looks together.
        sides: 1 or 2.

    Returns:
        (looks,); infinite where the level of a look is below the smallest float.

    Raises:
        ValueError: an argument is out of its range.
    """
    share("alpha", alpha)
    if sides not in (1, 2):
        raise ValueError(f"sides must be 1 or 2, but is {sides}")
    return _boundaries(_checked(fractions), np.array([alpha / sides]))[:, 0]


def levels(fractions: Sequence[float], *, alpha: float = 0.05, sides: int = 2) -> Reals:
    """The level of the test at each look: what its p value must be below.

    Args:
        fractions, alpha, sides: as for `boundaries`.

    Returns:
        (looks,), of tests with so many sides. An interval with the coverage 1 - level is a repeated
        confidence interval (Jennison and Turnbull, J. R. Stat. Soc. B 51:305, 1989): with a chance
        of at least 1 - alpha, all looks' intervals hold the true value, whatever ends the looks.
    """
    return sides * special.ndtr(-boundaries(fractions, alpha=alpha, sides=sides))


def repeated_p(p_values: Sequence[float], fractions: Sequence[float], *, sides: int = 2) -> float:
    """The smallest alpha at which one of the looks so far rejects.

    It holds at any look, whatever ends the looks: under the null hypothesis, it is ever below
    alpha with a chance of alpha. So Holm's correction can be made at each look (Liu and Anderson,
    J. Am. Stat. Assoc. 103:1621, 2008; Maurer and Bretz, Stat. Biopharm. Res. 5:311, 2013).

    Args:
        p_values: (looks so far,), each of the test with all replicates until its look; nan where
            there is none.
        fractions: (looks,), as for `boundaries`, of all looks.
        sides: of the tests.

    Raises:
        ValueError: there are more p values than looks, or one is not between 0 and 1.
    """
    table = _tabulated(_checked(fractions))
    if len(p_values) > len(table):
        raise ValueError(f"there are {len(p_values)} p values, but {len(table)} looks")
    smallest = 1.0
    for row, p in zip(table, p_values, strict=False):
        if math.isnan(p):
            continue
        if not 0 <= p <= 1:
            raise ValueError(f"p values must lie in [0, 1], but are {list(p_values)}")
        reached = -float(special.ndtri(p / sides))
        if reached < row[0]:  # beyond the table, where p is above 0.99 / sides
            continue
        finite = np.isfinite(row)
        quantile = np.interp(reached, row[finite], _QUANTILES[finite])
        smallest = min(smallest, sides * float(special.ndtr(-quantile)))
    return smallest


def chance_to_reject(
    fractions: Sequence[float], effect: float, *, alpha: float = 0.05, sides: int = 2
) -> Reals:
    """The chance that a test has rejected zero in the effect's direction, until each look.

    Args:
        fractions, alpha, sides: as for `boundaries`.
        effect: the mean of the test statistic if there were one look with all information:
            sqrt(n_K) times the mean difference over its standard deviation.

    Returns:
        (looks,), rising.
    """
    checked = _checked(fractions)
    bounds = boundaries(fractions, alpha=alpha, sides=sides)[:, None]
    found, density = [], _Density(effect)
    for fraction, bound in zip(checked, bounds, strict=True):
        density.step(fraction)
        found.append(float(density.above(bound)[0]))
        density.stop_above(bound)
    return np.cumsum(found)


def chance_of_verdict(
    mean: float,
    sd: float,
    count: int,
    last: int,
    *,
    margin: float,
    level: float,
    level_within: float,
) -> float:
    """The chance that the last look rejects zero or shows equivalence, as foreseen now.

    The predictive probability under a flat prior (Spiegelhalter, Freedman and Blackburn, Control.
    Clin. Trials 7:8, 1986): the last mean lies around the present one with the variance
    sd^2 (1/count - 1/last), and has a t distribution with count - 1 degrees of freedom.

    Args:
        mean, sd: of the differences so far; sd is above 0.
        count, last: replicates now, at least 2, and at the last look, more.
        margin: the largest difference that does not matter, in the unit of the differences.
        level, level_within: of the last look: of the two-sided test of zero, and of each of the
            one-sided tests within the margin.
    """
    spread = sd * math.sqrt(1 / count - 1 / last)
    error = sd / math.sqrt(last)
    needed = -error * float(special.stdtrit(last - 1, level / 2))
    inside = min(margin + error * float(special.stdtrit(last - 1, level_within)), needed)

    def above(value: float) -> float:
        return float(special.stdtr(count - 1, (mean - value) / spread))

    within = above(-inside) - above(inside) if inside > 0 else 0.0
    return above(needed) + 1 - above(-needed) + within


def _checked(fractions: Sequence[float]) -> tuple[float, ...]:
    found = tuple(map(float, fractions))
    rising = all(a < b for a, b in pairwise((0.0, *found)))
    if not found or not rising or not found[-1] <= 1:
        raise ValueError(f"fractions must rise, above 0 and at most 1, but are {list(fractions)}")
    return found


@lru_cache(maxsize=64)
def _tabulated(fractions: tuple[float, ...]) -> Reals:
    """(looks, quantiles): the boundaries of one-sided tests at the levels of `_QUANTILES`."""
    return _boundaries(fractions, special.ndtr(-_QUANTILES))


def _boundaries(fractions: tuple[float, ...], alphas: Reals) -> Reals:
    """(looks, alphas): the boundaries of one-sided tests."""
    found: list[Reals] = []
    density, before = _Density(0.0, len(alphas)), np.zeros(len(alphas))
    for fraction in fractions:
        now = np.array([spent(fraction, alpha) for alpha in alphas])
        density.step(fraction)
        found.append(density.bound(now - before))
        density.stop_above(found[-1])
        before = now
    return np.array(found)


class _Density:
    """The density of W(t) = sqrt(t) Z(t), a Brownian motion, where no boundary was crossed.

    Several boundaries at once: arrays have a row for each.
    """

    def __init__(self, drift: float, count: int = 1) -> None:
        self._drift = drift
        self._time = self._step = 0.0
        self._nodes = np.zeros((count, 1))
        self._masses = np.ones((count, 1))

    def step(self, time: float) -> None:
        """Go on to a time. `above` and `bound` then are about it."""
        self._step, self._time = time - self._time, time

    def above(self, bounds: Reals) -> Reals:
        """The chance that Z is above each bound, and was below all before."""
        there = self._nodes + self._drift * self._step
        ahead = bounds[:, None] * math.sqrt(self._time) - there
        chance: Reals = (self._masses * special.ndtr(-ahead / math.sqrt(self._step))).sum(axis=1)
        return chance

    def bound(self, chances: Reals) -> Reals:
        """The bounds that Z is above with these chances; infinite for a chance of 0."""
        low, high = np.full(len(chances), -40.0), np.full(len(chances), 40.0)
        for _ in range(60):
            middle = (low + high) / 2
            more = self.above(middle) > chances
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return np.where(chances > 0, high, np.inf)

    def stop_above(self, bounds: Reals) -> None:
        """Leave out what is above the bounds at this time."""
        scale = math.sqrt(self._time)
        shift = self._drift * self._time
        high = np.minimum(bounds * scale, shift + _REACH * scale)[:, None]
        low = np.minimum(shift - _REACH * scale, high - scale)
        width = _SPACING * math.sqrt(self._step)
        count = math.ceil(float((high - low).max()) / min(width, _SPACING * scale)) + 20
        points, weights = _gauss(count)
        nodes = low + (high - low) * points
        there = self._nodes + self._drift * self._step
        away = (nodes[:, :, None] - there[:, None, :]) / math.sqrt(self._step)
        kernel = np.exp(-(away**2) / 2) / math.sqrt(2 * math.pi * self._step)
        density = (kernel @ self._masses[:, :, None])[:, :, 0]
        self._nodes, self._masses = nodes, density * weights * (high - low)


@lru_cache(maxsize=32)
def _gauss(count: int) -> tuple[Reals, Reals]:
    """Nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return (points + 1) / 2, weights / 2
