"""Intervals over replicates and test items: against the analysis of variance, and simulated."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from qkd_study.analysis.statistics import crossed_difference, item_variance
from tests.analysis.crossed import Design, coverage


def correctness(seed: int, replicates: int = 6, items: int = 50) -> NDArray[np.float64]:
    """Differences in -1, 0, 1 with effects of replicates and of items."""
    rng = np.random.default_rng(seed)
    effects = rng.normal(size=items) + 0.5 * rng.normal(size=(replicates, 1))
    noise = rng.normal(size=(2, replicates, items))
    right = effects + 0.3 + noise[0] > 0
    other = effects + rng.normal(size=items) + noise[1] > 0
    found: NDArray[np.float64] = np.subtract(right, other, dtype=np.float64)
    return found


def mean_squares(d: NDArray[np.float64]) -> tuple[float, float, float]:
    """Of replicates, of items and of the rest, written out."""
    n, items = d.shape
    rows = sum((d[r].mean() - d.mean()) ** 2 for r in range(n)) * items / (n - 1)
    columns = sum((d[:, i].mean() - d.mean()) ** 2 for i in range(items)) * n / (items - 1)
    rest = sum(
        (d[r, i] - d[r].mean() - d[:, i].mean() + d.mean()) ** 2
        for r in range(n)
        for i in range(items)
    ) / ((n - 1) * (items - 1))
    return rows, columns, rest


def test_the_variance_is_that_of_the_two_way_analysis() -> None:
    d = correctness(1)
    n, items = d.shape
    rows, columns, rest = mean_squares(d)
    found = item_variance([d])
    assert found.variance == pytest.approx((columns - rest) / (n * items), rel=1e-9)
    both = crossed_difference(d.mean(axis=1), found)
    assert both is not None
    variance = (rows + columns - rest) / (n * items)
    assert both.error**2 == pytest.approx(variance, rel=1e-9)
    df = (rows + columns - rest) ** 2 / (rows**2 / (n - 1) + (columns - rest) ** 2 / (items - 1))
    assert both.df == pytest.approx(df, rel=1e-9)
    assert both.high - both.mean == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(variance))
    assert both.item_share == pytest.approx((columns - rest) / (rows + columns - rest))
    assert both.p == pytest.approx(2 * stats.t.sf(abs(d.mean()) / np.sqrt(variance), df))
    margin = abs(d.mean()) + np.sqrt(variance)
    assert both.p_within(margin) == pytest.approx(stats.t.sf(1, df))


def test_items_of_their_own_add_nothing_and_few_common_ones_little() -> None:
    d = correctness(2)
    n, items = d.shape
    own = np.full((n, n * items), np.nan)
    for r in range(n):
        own[r, r * items : (r + 1) * items] = d[r]
    assert item_variance([own]).variance == 0
    assert item_variance([own]).items == n * items
    # Half of the items are common: the covariance over those, times n_rs / (n_r n_s).
    half = np.full((n, items // 2 * (n + 1)), np.nan)
    half[:, : items // 2] = d[:, : items // 2]
    for r in range(n):
        at = items // 2 * (r + 1)
        half[r, at : at + items // 2] = d[r, items // 2 :]
    pairs = [
        np.cov(d[r, : items // 2], d[s, : items // 2])[0, 1] * (items // 2) / items**2
        for r in range(n)
        for s in range(n)
        if r != s
    ]
    assert item_variance([half]).variance == pytest.approx(max(0.0, np.mean(pairs)))


def test_sets_of_items_add_up() -> None:
    one, two = 0.5 * correctness(3), 0.5 * correctness(4, items=80)
    alone = [item_variance([d]) for d in (one, two)]
    both = item_variance([one, two])
    assert both.variance == pytest.approx(sum(part.variance for part in alone))
    assert both.items == 130


def test_never_narrower_than_over_replicates_alone() -> None:
    none = item_variance([np.zeros((4, 30))])
    values = np.array([0.01, 0.03, 0.02, 0.05])
    found = crossed_difference(values, none)
    assert found is not None
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    equal = crossed_difference([0.02, 0.02, 0.02], item_variance([correctness(5)[:3]]))
    assert equal is not None
    assert equal.p >= 0.25  # three signs prove no more
    assert crossed_difference([0.1], none) is None
    with pytest.raises(ValueError, match="a replicate has no items"):
        item_variance([np.full((2, 3), np.nan)])


def test_it_covers_new_replicates_on_new_items() -> None:
    """Small; benchmarks/crossed.py has the full size."""
    shared = coverage(Design(replicates=10, items=100), repetitions=600)
    assert 0.93 <= shared.both <= 0.97
    assert shared.replicates < 0.85  # what an interval over replicates alone holds
    own = coverage(Design(replicates=10, items=100, shared=False), repetitions=600)
    assert 0.93 <= own.both <= 0.97
    assert own.replicates == pytest.approx(own.both, abs=0.005)
