"""How many searches and replicates make an interval as narrow as wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qkd_study.analysis.statistics.items import ItemVariance
from qkd_study.analysis.statistics.samples import Reals, finite, share

#: The largest numbers that are tried.
MOST_SEARCHES, MOST_REPLICATES = 500, 100_000
#: The values that stand for a distribution.
PARTS = 100


@dataclass(frozen=True)
class Spreads:
    """The variances of a difference, in its squared unit.

    Attributes:
        searches: between the means of searches; `None` if there was one, so that it is unknown.
        replicates: between the replicates of a search.
        items: of the mean, from drawing the test items.
        items_df: degrees of freedom of that.
    """

    searches: float | None
    replicates: float
    items: float = 0.0
    items_df: float = math.inf


def spreads(groups: Sequence[ArrayLike], items: ItemVariance | None = None) -> Spreads:
    """The variances of a difference by a one-way analysis of variance.

    That between searches is (MS_between - MS_within) / n_0, at least 0, with n_0 for groups of
    unequal sizes (Searle, Casella and McCulloch, Variance Components, 1992, section 3.6).

    Args:
        groups: of each search, its replicates' differences.
        items: the variance that is due to the test items, if the interval is over them too.

    Raises:
        ValueError: a difference is not finite, or no search has two replicates.
    """
    arrays = [finite("groups", group, 1) for group in groups if np.size(group)]
    sizes = np.array([len(array) for array in arrays])
    if not len(sizes) or sizes.max() < 2:
        raise ValueError("a search with two replicates is needed")
    left = sum(float(((array - array.mean()) ** 2).sum()) for array in arrays)
    within = left / float((sizes - 1).sum())
    between = None
    if len(arrays) > 1:
        means = np.array([array.mean() for array in arrays])
        total = float(sizes.sum())
        square = float((sizes * (means - (sizes * means).sum() / total) ** 2).sum())
        typical = (total - float((sizes**2).sum()) / total) / (len(arrays) - 1)
        between = max(0.0, (square / (len(arrays) - 1) - within) / typical)
    if items is None:
        return Spreads(between, within)
    return Spreads(between, within, items.variance, items.df)


def half_width(
    found: Spreads, searches: int, replicates: int, *, confidence: float = 0.95
) -> float:
    """The expected half-width of an interval of a mean difference, as `crossed_difference` has it.

    The mean over what the variance of so few units may be estimated as, which for normal values is
    a chi-squared variable; that of the test items is taken as known.

    Args:
        found: the variances.
        searches: S, over whose means the interval is; with one it is over replicates.
        replicates: of each search.
        confidence: of the interval.

    Returns:
        In the unit of the difference; infinite with a single search of a single replicate.

    Raises:
        ValueError: there are several searches, but the spread between them is unknown.
    """
    share("confidence", confidence)
    if searches > 1 and found.searches is None:
        raise ValueError("the spread between searches is unknown")
    df = (searches if searches > 1 else replicates) - 1
    if df < 1:
        return math.inf
    over = found.replicates / (searches * replicates)
    if searches > 1 and found.searches is not None:
        over += found.searches / searches
    estimated = over * _chi_squared(df) / df
    total = estimated + found.items
    if found.items == 0:
        return float((_quantile(df, confidence) * np.sqrt(estimated)).mean())
    if over == 0:
        return least_half_width(found, confidence=confidence)
    both_df = total**2 / (estimated**2 / df + found.items**2 / found.items_df)
    widths = _quantile(both_df, confidence) * np.sqrt(total)
    return float(np.maximum(widths, _quantile(df, confidence) * np.sqrt(estimated)).mean())


def least_half_width(found: Spreads, *, confidence: float = 0.95) -> float:
    """The half-width that the test items alone leave, however many searches and replicates."""
    return float(_quantile(found.items_df, confidence)) * math.sqrt(found.items)


def _quantile(df: Reals | float, confidence: float) -> Any:
    """Of Student's t; scipy's `stats.t.ppf` takes a hundred times as long."""
    upper = (1 + confidence) / 2
    return np.where(np.isinf(df), special.ndtri(upper), special.stdtrit(df, upper))


@lru_cache(maxsize=4096)
def _chi_squared(df: int) -> Reals:
    """Values of a chi-squared variable that are equally likely."""
    found: Reals = np.array(special.gammaincinv(df / 2, (np.arange(PARTS) + 0.5) / PARTS), float)
    return 2 * found


def fewest_replicates(
    found: Sequence[Spreads], width: float, searches: int, *, confidence: float = 0.95
) -> int | None:
    """The fewest replicates of each search with which no interval is wider.

    Args:
        found: the variances of each difference.
        width: the half-width that no interval shall exceed, in the unit of the differences.
        searches: as for `half_width`.
        confidence: of the intervals.

    Returns:
        `None` if `MOST_REPLICATES` are too few.
    """

    def enough(replicates: int) -> bool:
        widths = (half_width(one, searches, replicates, confidence=confidence) for one in found)
        return all(one <= width for one in widths)

    low, high = 0, 1
    while not enough(high):
        if high >= MOST_REPLICATES:
            return None
        low, high = high, min(2 * high, MOST_REPLICATES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def fewest_runs(
    found: Sequence[Spreads],
    width: float,
    *,
    search_cost: float,
    replicate_cost: float,
    confidence: float = 0.95,
) -> tuple[int, int] | None:
    """The searches, and replicates of each, that cost least with no interval wider.

    With an unknown spread between searches there is one search, and intervals hold for what it
    chose.

    Args:
        found, width, confidence: as for `fewest_replicates`.
        search_cost: of one more search of the study.
        replicate_cost: of one more confirm replicate of the study, in the same unit.

    Returns:
        Both numbers; `None` if no number is enough, as the test items alone spread too much.
    """
    if any(one.searches is None for one in found):
        alone = fewest_replicates(found, width, 1, confidence=confidence)
        return None if alone is None else (1, alone)
    if any(least_half_width(one, confidence=confidence) > width for one in found):
        return None
    best: tuple[float, int, int] | None = None
    for searches in range(2, MOST_SEARCHES + 1):
        if best is not None and searches * (search_cost + replicate_cost) >= best[0]:
            break
        each = fewest_replicates(found, width, searches, confidence=confidence)
        if each is not None:
            cost = searches * (search_cost + each * replicate_cost)
            best = min(best or (math.inf, 0, 0), (cost, searches, each))
    return None if best is None else best[1:]
