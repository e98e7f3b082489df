"""The verdict on a claim, and the replicates that are needed to decide it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from qkd_study.analysis.statistics.paired import Equivalence, equivalence
from qkd_study.analysis.statistics.samples import constant, finite, mean_p, share

Direction = Literal["higher", "lower"]
ClaimStatus = Literal["supported", "contradicted", "equivalent", "undecided"]

#: The largest number of replicates that is computed; it stands for "so many, or more".
MOST_REPLICATES = 10_000


def _effect(difference: float, sd: float) -> float:
    if not math.isfinite(difference):
        raise ValueError(f"difference must be finite, but is {difference}")
    if not 0 <= sd < math.inf:
        raise ValueError(f"sd must be finite and not negative, but is {sd}")
    if difference == 0:
        return 0.0
    # Beyond a thousand, power is 1 at n = 2 and scipy's distribution ends in nan.
    return 1e3 if abs(difference) > 1e3 * sd else abs(difference) / sd


def _power(effect: float, n: int, alpha: float) -> float:
    """The chance that the test rejects: P(|T| > t(1 - alpha/2)), T noncentral t."""
    critical = stats.t.isf(alpha / 2, n - 1)
    shift = math.sqrt(n) * effect
    below = float(stats.nct.cdf(-critical, n - 1, shift))
    # scipy gives nan in the far tail, where the value is practically 0.
    return float(stats.nct.sf(critical, n - 1, shift)) + (0.0 if math.isnan(below) else below)


def replicates_needed(
    difference: float, sd: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """The fewest pairs with which a two-sided paired t test finds a difference.

    T is noncentral t with n - 1 degrees of freedom and noncentrality sqrt(n) |difference| / sd
    (Cohen, Statistical Power Analysis, 1988, section 2.3).

    Args:
        difference, sd: true mean and standard deviation of the differences, in one unit.
        power: chance of rejecting zero.
        alpha: level of the test.

    Returns:
        At least 2, at most `MOST_REPLICATES`, which stands for "so many, or more".

    Raises:
        ValueError: if difference is zero or not finite, sd is negative or not finite, power or
            alpha is not between 0 and 1, or power is not above alpha.
    """
    share("power", power)
    share("alpha", alpha)
    effect = _effect(difference, sd)
    if effect == 0:
        raise ValueError(f"no number of replicates finds a difference of {difference} (sd {sd})")
    if power <= alpha:
        raise ValueError(f"power must be above alpha, but they are {power} and {alpha}")
    enough = 2
    while enough < MOST_REPLICATES and _power(effect, enough, alpha) < power:
        enough *= 2
    low, high = enough // 2, min(enough, MOST_REPLICATES)
    while high - low > 1:  # too few at low; enough, or the most there may be, at high
        middle = (low + high) // 2
        if _power(effect, middle, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def detectable_difference(sd: float, n: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that n pairs find, by the test of `replicates_needed`.

    Args:
        sd: true standard deviation of the differences; the answer is in its unit.
        n: pairs.
        power: chance of rejecting zero.
        alpha: level of the test.

    Raises:
        ValueError: if n is below 2, sd is negative or not finite, power or alpha is not between 0
            and 1, or power is not above alpha.
    """
    share("power", power)
    share("alpha", alpha)
    if power <= alpha:
        raise ValueError(f"power must be above alpha, but they are {power} and {alpha}")
    if n < 2:
        raise ValueError(f"n must be at least 2, but is {n}")
    _effect(1.0, sd)
    return _detectable_effect(n, power, alpha) * sd


@lru_cache(maxsize=1024)
def _detectable_effect(n: int, power: float, alpha: float) -> float:
    enough = 1.0 / math.sqrt(n)
    while _power(enough, n, alpha) < power:
        enough *= 1.5
    return float(optimize.brentq(lambda effect: _power(effect, n, alpha) - power, 0.0, enough))


@dataclass(frozen=True)
class Verdict:
    """The verdict on the claim that one arm scores higher (or lower).

    Attributes:
        status: `supported`, `contradicted`, `equivalent` or `undecided`.
        p: two-sided, as given or of the paired t test; nan if n < 2 and none was given.
        equivalence: the test within the margin; `None` if no margin was given.
        negligible: zero is rejected, but the difference is shown to be within the margin.
        replicates_needed: if undecided, the number of pairs that a next study needs, see `verdict`;
            `None` if decided or unknown.
        mean, n: mean and number of the differences; mean is nan without any.
    """

    status: ClaimStatus
    p: float
    equivalence: Equivalence | None
    negligible: bool
    replicates_needed: int | None
    mean: float
    n: int


def verdict(
    differences: ArrayLike,
    *,
    direction: Direction,
    margin: float | None = None,
    alpha: float = 0.05,
    p: float | None = None,
    p_within: float | None = None,
) -> Verdict:
    """Judge the claim that the mean difference lies in a direction.

    `supported` if zero is rejected (p < alpha) and the mean lies in the direction claimed,
    `contradicted` if it lies in the other; else `equivalent` if two one-sided tests at alpha place
    it within the margin; else `undecided`. Below two differences nothing is decided.

    An undecided claim comes with the pairs that give a paired t test at alpha a power of 0.8 at the
    observed standard deviation, if the true difference were the margin, or without a margin the
    observed mean. The latter is as uncertain as that mean (Hoenig & Heisey, Am. Stat. 55:19, 2001),
    and neither counts that p may be adjusted for several claims. A number not above n says that the
    study was large enough for such a difference. `None` if all differences are equal, if the mean
    is needed and zero, or if n < 2.

    Args:
        differences: (n,), claimed minus reference.
        direction: where the claim says the mean lies, `higher` or `lower` than zero.
        margin: largest difference that does not matter, in the unit of the differences.
        alpha: level of the tests.
        p: two-sided p of a test of the mean, e.g. adjusted by `holm`; else the paired t test's.
        p_within: p of the two one-sided tests within the margin, adjusted likewise; else theirs.

    Raises:
        ValueError: if an argument is out of its range or a difference is not finite.
    """
    values = finite("differences", differences, 1)
    if direction not in get_args(Direction):
        raise ValueError(f"direction must be one of {get_args(Direction)}, but is {direction!r}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, but is {alpha}")
    for name, given in (("p", p), ("p_within", p_within)):
        if given is not None and not 0 <= given <= 1:
            raise ValueError(f"{name} must lie in [0, 1], but is {given}")
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    within = None if margin is None else equivalence(values, margin, confidence=1 - alpha)
    level = mean_p(values) if p is None else p
    rejected = n >= 2 and level < alpha and mean != 0
    if within is not None and p_within is not None:
        within = replace(within, p=p_within, equivalent=n >= 2 and p_within < alpha)
    small = within is not None and within.equivalent
    status: ClaimStatus = "undecided"
    needed = None
    if rejected:
        status = "supported" if (mean > 0) == (direction == "higher") else "contradicted"
    elif small:
        status = "equivalent"
    elif n >= 2 and not constant(values):
        target = mean if margin is None else margin
        if target != 0:
            sd = float(np.std(values, ddof=1))
            needed = replicates_needed(target, sd, alpha=alpha)
    return Verdict(status, level, within, rejected and small, needed, mean, n)
