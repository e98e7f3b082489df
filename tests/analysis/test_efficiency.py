"""The slope of a gain over K, and what distillation is worth in samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import isotonic_regression

from qkd_study.analysis.statistics import data_efficiency, slope_per_doubling
from qkd_study.analysis.statistics.efficiency import increasing

K = [10, 20, 40, 80]
INF = math.inf


def test_the_slope_is_the_mean_of_the_replicates_slopes() -> None:
    rng = np.random.default_rng(0)
    amounts = [7, 20, 33, 150]
    gains = rng.normal(size=(6, 4))
    each = [stats.linregress(np.log2(amounts), g).slope for g in gains]
    found = slope_per_doubling(amounts, gains, confidence=0.9)
    reference = stats.ttest_1samp(each, 0)
    interval = reference.confidence_interval(0.9)
    assert found.slope == pytest.approx(np.mean(each))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(reference.pvalue)
    assert found.n == 6


def test_the_slope_is_per_doubling_and_ignores_how_good_a_replicate_is() -> None:
    lines = np.array([[0.3], [-0.2], [0.9]]) - 0.01 * np.array([0, 1, 2, 3])
    found = slope_per_doubling(
        K, lines + 0.001 * np.array([[1, 1, 1, 1], [0, 0, 0, 0], [2, 3, 4, 5]])
    )
    assert found.slope == pytest.approx((-0.01 - 0.01 - 0.009) / 3)
    assert found.p < 0.01


def test_one_replicate_has_a_slope_without_an_interval() -> None:
    found = slope_per_doubling([1, 4], [[0.0, 1.0]])
    assert (found.slope, found.n) == (0.5, 1)
    assert np.isnan([found.low, found.high, found.p]).all()


def test_the_slopes_test_is_calibrated_where_amounts_share_a_replicate() -> None:
    rng = np.random.default_rng(3)
    walks = np.cumsum(rng.normal(size=(3000, 8, 4)), axis=2)  # neighbours alike, no trend
    found = [slope_per_doubling(K, gains) for gains in walks]
    assert stats.binomtest(sum(f.p < 0.05 for f in found), 3000, 0.05).pvalue > 1e-3
    assert stats.binomtest(sum(f.low <= 0 <= f.high for f in found), 3000, 0.95).pvalue > 1e-3


def test_increasing_is_isotonic_regression() -> None:
    curves = np.random.default_rng(0).normal(size=(200, 6)) + 0.3 * np.arange(6)
    assert increasing(curves) == pytest.approx(
        np.array([isotonic_regression(curve).x for curve in curves])
    )


BASELINE = np.array([0.5, 0.6, 0.7, 0.8])
NOISE = np.array([[-0.02], [0.0], [0.02]])


def test_one_doubling_ahead() -> None:
    found = data_efficiency(K, BASELINE + NOISE, BASELINE + 0.1 + NOISE)
    assert found.amounts == tuple(K)
    assert found.factor[:3] == pytest.approx((2, 2, 2))
    # At the largest K the baseline never gets there: more than 1, and no more is known.
    assert (found.factor[3], found.bound) == (1, ("=", "=", "=", ">"))
    # Both arms of a replicate are drawn together: what they share is no uncertainty.
    assert found.low == pytest.approx((2, 2, 2, 1))
    assert found.high == pytest.approx((2, 2, 2, INF))


def test_interpolates_straight_over_log_k() -> None:
    found = data_efficiency(K, [BASELINE], [[0.525, 0.6, 0.75, 0.65]])
    assert found.factor == pytest.approx((2**0.25, 1, 2**0.5, 2**-1.5))
    assert found.bound == ("=",) * 4


def test_bounds_are_reported_as_bounds() -> None:
    found = data_efficiency(K, BASELINE + NOISE, np.array([0.9, 0.4, 0.5, 0.8]) + NOISE)
    assert found.bound == (">", "<", "=", "=")
    assert found.factor == pytest.approx((8, 0.5, 0.25, 1))
    assert found.low[:2] == (8, 0)
    assert found.high[:2] == (INF, 0.5)


def test_equal_arms_are_worth_one() -> None:
    scores = np.random.default_rng(1).normal(BASELINE, 0.01, size=(9, 4))
    found = data_efficiency(K, scores, scores)
    assert found.factor == pytest.approx((1, 1, 1, 1))
    assert found.bound == ("=",) * 4


def test_a_dip_is_made_flat_and_a_flat_piece_speaks_against_distillation() -> None:
    baseline = [[0.5, 0.7, 0.6, 0.8]]  # isotonic: 0.5, 0.65, 0.65, 0.8
    found = data_efficiency(K, baseline, [[0.65, 0.65, 0.65, 0.65]])
    assert found.factor == pytest.approx((2, 1, 0.5, 0.25))


def test_the_interval_is_that_of_the_gain_and_open_where_it_leaves_the_curve() -> None:
    """One replicate of four is far better: the gain has a wide t interval, in doublings of 0.1."""
    distilled = np.tile(BASELINE, (4, 1))
    distilled[0] += 0.2
    found = data_efficiency(K, np.tile(BASELINE, (4, 1)), distilled)
    assert found.bound == ("=", "=", "=", ">")
    gain = stats.ttest_1samp([0.2, 0, 0, 0], 0).confidence_interval()
    assert found.low[:2] == (0, 0)
    assert np.log2(found.low[2:]) == pytest.approx(gain.low / 0.1, abs=0.15)  # of many draws
    assert found.factor[:3] == pytest.approx((2**0.5,) * 3)
    assert np.log2(found.high[0]) == pytest.approx(gain.high / 0.1, abs=0.15)
    assert found.high[1:] == (INF, INF, INF)


def test_one_replicate_has_no_interval_and_the_seed_fixes_it() -> None:
    one = data_efficiency(K, [BASELINE], [BASELINE])
    assert np.isnan(one.low + one.high).all()
    rng = np.random.default_rng(2)
    arms = rng.normal(BASELINE, 0.05, size=(2, 7, 4))
    first, same, other = (data_efficiency(K, *arms, seed=s, resamples=99) for s in (1, 1, 2))
    assert first == same
    assert first.low != other.low
    narrow = data_efficiency(K, *arms, seed=1, resamples=99, confidence=0.5)
    assert narrow.low[1] > first.low[1]


@pytest.mark.parametrize("n", [5, 20])
def test_the_interval_covers_as_its_docstring_says(n: int) -> None:
    rng = np.random.default_rng(20)
    hits = 0
    for seed in range(400):
        replicate = rng.normal(scale=0.03, size=(n, 1))
        baseline, distilled = BASELINE / 2 + replicate + rng.normal(scale=0.03, size=(2, n, 4))
        found = data_efficiency(K, baseline, distilled + 0.05, seed=seed, resamples=499)
        hits += found.low[1] <= 2 <= found.high[1]
    assert stats.binomtest(hits, 400, 0.95).pvalue > 1e-3, hits / 400


@pytest.mark.parametrize(
    ("amounts", "match"),
    [
        ([10], r"\[10.0\]"),
        ([10, 10], r"\[10.0, 10.0\]"),
        ([20, 10], r"\[20.0, 10.0\]"),
        ([0, 10], r"\[0.0, 10.0\]"),
        ([10, 20, 30], r"\(2, 2\)"),
        ([10, math.nan], r"amounts must be finite, but is nan at \(1,\)"),
    ],
)
def test_bad_amounts(amounts: list[float], match: str) -> None:
    table = [[0.1, 0.2], [0.1, 0.2]]
    with pytest.raises(ValueError, match=match):
        slope_per_doubling(amounts, table)
    with pytest.raises(ValueError, match=match):
        data_efficiency(amounts, table, table)


@pytest.mark.parametrize(
    ("baseline", "options", "match"),
    [
        ([[0.1, 0.2], [0.1, math.nan]], {}, r"baseline must be finite, but is nan at \(1, 1\)"),
        ([[0.1, 0.2]], {}, r"\(1, 2\)"),
        (np.empty((0, 2)), {}, r"\(0, 2\)"),
        ([[0.1, 0.2], [0.1, 0.2]], {"confidence": 0.0}, "confidence .* 0.0"),
        ([[0.1, 0.2], [0.1, 0.2]], {"resamples": 0}, "resamples .* 0"),
    ],
)
def test_bad_curves(baseline: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        data_efficiency([10, 20], baseline, [[0.1, 0.2], [0.1, 0.2]], **options)
