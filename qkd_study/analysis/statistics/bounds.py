"""Tests of a mean of which some values are known only to lie between bounds."""

from __future__ import annotations

from qkd_study.analysis.statistics.samples import Reals, greater_p, mean_p


def mean_p_bound(known: Reals, lowest: Reals, highest: Reals) -> float:
    """The largest two-sided p that the mean is zero, over what the unknown values may be.

    The largest is taken over the known values alone and the two ends, in the direction of the known
    mean (bounds on a mean with missing values: Manski, Am. Econ. Rev. 80:319, 1990).

    Args:
        known: (n,).
        lowest, highest: (n + unknown,), with each unknown value at one of its bounds.
    """
    bounded = greater_p(lowest) if known.mean() > 0 else greater_p(-highest)
    return max(mean_p(known), min(1.0, 2 * bounded))


def equivalence_p_bound(known: Reals, lowest: Reals, highest: Reals, margin: float) -> float:
    """The same of the two one-sided tests that the mean is within a margin.

    Args:
        known, lowest, highest: as for `mean_p_bound`.
        margin: in their unit.
    """
    ends = [greater_p(margin + values) for values in (known, lowest)]
    return max(*ends, *(greater_p(margin - values) for values in (known, highest)))
