"""Paired comparisons against scipy, worked examples, enumeration and simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from qkd_study.analysis.statistics import equivalence, holm, paired_difference
from qkd_study.analysis.statistics.samples import sign_flip_p

# Darwin's maize, crossed less self-fertilised, in eighths of an inch; Fisher, The Design of
# Experiments, 1935, table 3. Sections 17 and 21: t = 2.148; 1726 of 2^15 sums are as far from zero.
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])


def assert_rate(hits: list[bool], rate: float) -> None:
    """Fails one time in a thousand if the hits do come at this rate."""
    test = stats.binomtest(sum(hits), len(hits), rate)
    assert test.pvalue > 1e-3, f"{np.mean(hits)} of {len(hits)}, not {rate}"


def test_fishers_worked_example() -> None:
    found = paired_difference(DARWIN, np.zeros(15))
    assert found.mean == pytest.approx(20.93, abs=0.005)
    assert found.mean / (found.sd / math.sqrt(15)) == pytest.approx(2.148, abs=0.0005)
    assert found.p_t == pytest.approx(0.0497, abs=0.00005)
    assert found.p_wilcoxon == pytest.approx(0.04126, abs=0.000005)  # R: V = 96
    assert found.won == 13 / 15
    assert found.n == 15
    assert sign_flip_p(DARWIN) == 1726 / 2**15


def test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    control = rng.normal(size=12)
    treated = control + rng.normal(0.3, 1, size=12)
    found = paired_difference(treated, control, confidence=0.9, seed=3)
    reference = stats.ttest_rel(treated, control)
    interval = reference.confidence_interval(0.9)
    assert (found.t_low, found.t_high) == pytest.approx((interval.low, interval.high))
    assert found.p_t == pytest.approx(reference.pvalue)
    assert found.sd == pytest.approx(np.std(treated - control, ddof=1))
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(treated, control).pvalue)


def test_bca_against_all_resamples() -> None:
    """Efron's formula on the 6^6 equally likely resamples, without any chance."""
    values = np.array([0.0, 1.0, 2.5, 3.0, 4.2, 11.0])
    means = np.array([np.mean(c) for c in itertools.product(values, repeat=6)])
    below = (np.mean(means < values.mean() - 1e-9) + np.mean(means <= values.mean() + 1e-9)) / 2
    bias = stats.norm.ppf(below)
    left_out = values.mean() - np.array([np.delete(values, i).mean() for i in range(6)])
    acceleration = (left_out**3).sum() / (6 * (left_out**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([0.025, 0.975])
    ends = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    found = paired_difference(values, np.zeros(6), resamples=100_000)
    assert found.method == "bca"
    steps = 0.1  # between neighbouring means out there
    assert [found.low, found.high] == pytest.approx(ends.tolist(), abs=steps)
    plain = np.quantile(means, [0.025, 0.975])
    assert (np.abs(ends - plain) > 2 * steps).all()  # a percentile interval would fail


@pytest.mark.parametrize(
    "differences",
    [
        [1, 1, -2, 0, 3, 0, 3, -1],
        [0, 0, 0, 0, 2],
        [5, 5, 5, -5, 5, 5, 2, 1, 0, 4],
    ],
)
def test_ties_and_zeros_against_all_signs(differences: list[int]) -> None:
    d = np.array(differences)
    ranks = stats.rankdata(np.abs(d)) * (d != 0)  # Pratt: zeros are ranked, then left out
    sums = [abs(np.dot(s, ranks)) for s in itertools.product((-1, 1), repeat=len(d))]
    expected = np.mean(np.array(sums) >= abs(np.dot(np.sign(d), ranks)) - 1e-9)
    found = paired_difference(d, np.zeros(len(d)))
    assert found.p_wilcoxon == pytest.approx(expected)
    theirs = stats.permutation_test(
        (d,), np.sum, permutation_type="samples", n_resamples=10**9
    ).pvalue
    assert sign_flip_p(d) == pytest.approx(theirs)


def test_ties_count_half() -> None:
    found = paired_difference([0.5, 0.6, 0.7, 0.9], [0.5, 0.5, 0.9, 0.9])
    assert found.won == 0.5
    assert paired_difference([0.5, 0.6], [0.5, 0.5]).won == 0.75


def test_rounding_breaks_no_ties() -> None:
    """0.3 - 0.2 < 0.2 - 0.1 in floats, and 0.1 + 0.2 is not 0.3."""
    found = paired_difference([0.3, 0.2, 0.1 + 0.2, 0.7], [0.2, 0.1, 0.3, 0.9])
    exact = paired_difference([3, 2, 3, 7], [2, 1, 3, 9])
    assert found.won == exact.won == 0.625
    assert found.p_wilcoxon == exact.p_wilcoxon
    ours, theirs = np.array([5, 6, 9, 7, 6, 5]), np.array([6, 9, 3, 8, 7, 1])
    tenths = paired_difference(ours / 10, theirs / 10).p_wilcoxon
    assert (
        tenths == paired_difference(ours, theirs).p_wilcoxon != 0.9375
    )  # that of floats as they are
    equal = paired_difference([0.3, 0.2, 0.4, 0.9], [0.2, 0.1, 0.3, 0.8])
    assert equal.method == "constant"
    assert equal.p_t == 0.125


def test_nearly_equal_differences_prove_no_more_than_their_signs() -> None:
    """A t test of 0, 0, 0 and 1e-6 would say with p = 2e-14 that a hundredth is out of reach."""
    found = equivalence([0, 0, 0, 1e-6], 0.01)
    assert found.p == 2.0**-4
    assert not found.equivalent
    shifted = np.array([0.05, 0.05, 0.0502, 0.0501])
    assert paired_difference(shifted, np.zeros(4)).p_t == 2 * 2.0**-4
    spread = np.array([0.05, 0.05, 0.052, 0.051])
    expected = stats.ttest_1samp(spread, 0).pvalue
    assert paired_difference(spread, np.zeros(4)).p_t == pytest.approx(expected)


def test_equal_differences_are_a_point_and_prove_no_more_than_their_signs() -> None:
    found = paired_difference([3.0] * 6, [1.0] * 6)
    ends = (found.mean, found.low, found.high, found.t_low, found.t_high)
    assert (*ends, found.sd, found.method) == (2, 2, 2, 2, 2, 0, "constant")
    assert found.p_t == found.p_wilcoxon == 2 / 2**6
    nothing = paired_difference([1.0] * 6, [1.0] * 6)
    assert (nothing.low, nothing.high, nothing.won) == (0, 0, 0.5)
    assert nothing.p_t == nothing.p_wilcoxon == 1


def test_percentiles_where_bca_has_no_solution() -> None:
    """All resampled means on one side: the bias is infinite."""
    values, zeros = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0], np.zeros(6)
    found = [paired_difference(values, zeros, seed=s, resamples=2) for s in range(20)]
    assert {f.method for f in found} == {"bca", "percentile"}
    assert all(np.isfinite([f.low, f.high]).all() for f in found)


def test_few_pairs() -> None:
    one = paired_difference([0.5], [0.4])
    assert one.mean == pytest.approx(0.1)
    assert (one.won, one.n, one.method) == (1.0, 1, "none")
    assert np.isnan([one.low, one.high, one.t_low, one.sd, one.p_t, one.p_wilcoxon]).all()
    none = paired_difference([], [])
    assert none.n == 0
    assert np.isnan([none.mean, none.low, none.won, none.p_t]).all()
    two = paired_difference([0.5, 0.7], [0.4, 0.5])
    assert (two.low, two.high) == pytest.approx((0.1, 0.2))
    assert two.method == "bca"


def test_the_seed_fixes_the_number() -> None:
    draws = [paired_difference(DARWIN, np.zeros(15), seed=s, resamples=99) for s in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert draws[0].low != draws[2].low


@pytest.mark.parametrize(
    ("treated", "control", "options", "match"),
    [
        ([1.0, 2.0], [1.0], {}, "2 treated, 1 control"),
        ([1.0, math.nan], [1.0, 2.0], {}, r"treated must be finite, but is nan at \(1,\)"),
        ([1.0, 2.0], [1.0, math.inf], {}, "control must be finite, but is inf"),
        ([[1.0]], [1.0], {}, r"treated needs 1 dimensions, but has the shape \(1, 1\)"),
        ([1.0, 2.0], [1.0, 1.0], {"confidence": 95}, "confidence .* 95"),
        ([1.0, 2.0], [1.0, 1.0], {"resamples": 0}, "resamples must be positive, but is 0"),
    ],
)
def test_bad_pairs(
    treated: list[float], control: list[float], options: dict[str, Any], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        paired_difference(treated, control, **options)


@pytest.mark.parametrize("n", [5, 12])
def test_t_covers_and_rejects_as_it_says(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [
        paired_difference(*rng.normal(0.7, 0.1, size=(2, n)), resamples=9) for _ in range(2000)
    ]
    assert_rate([f.t_low <= 0 <= f.t_high for f in found], 0.95)
    assert_rate([f.p_t < 0.05 for f in found], 0.05)
    # The largest level that so many signs allow: none at n = 5, 0.0425 at n = 12.
    assert_rate([f.p_wilcoxon < 0.05 for f in found], {5: 0.0, 12: 0.04248}[n])


def test_wilcoxon_on_tied_accuracies_rejects_at_most_as_often() -> None:
    rng = np.random.default_rng(0)
    scores = rng.binomial(597, 0.995, size=(2000, 2, 14)) / 597
    found = [paired_difference(a, b, resamples=9) for a, b in scores]
    share = np.mean([f.p_wilcoxon < 0.05 for f in found])
    assert 0.03 < share < 0.06


@pytest.mark.parametrize(("n", "coverage"), [(5, 0.84), (30, 0.94)])
def test_bca_is_as_short_as_the_docstring_says(n: int, coverage: float) -> None:
    rng = np.random.default_rng(n)
    found = [
        paired_difference(rng.normal(size=n), np.zeros(n), seed=s, resamples=999)
        for s in range(1000)
    ]
    assert_rate([f.low <= 0 <= f.high for f in found], coverage)


def test_holm_by_hand_and_in_order() -> None:
    # 0.005 x 6; 0.01 x 5; 0.03 x 4; 0.04 x 3 = 0.12; 0.2 x 2; 0.9 x 1.
    p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.9]
    assert holm(p) == pytest.approx([0.05, 0.12, 0.12, 0.03, 0.4, 0.9])


def test_holm_agrees_with_statsmodels() -> None:
    """multipletests(p, method="holm") of statsmodels 0.14; p of Benjamini & Hochberg, 1995."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    expected = [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213] + [1.0] * 6
    assert holm(p) == pytest.approx(expected)
    assert holm(p[::-1]) == pytest.approx(expected[::-1])


def test_holm_rises_and_stays_a_probability() -> None:
    p = np.random.default_rng(0).uniform(size=50) ** 2
    adjusted = holm(p)
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert (adjusted >= p).all()
    assert adjusted.max() <= 1
    assert holm([0.02]) == [0.02]
    assert holm([0.03, 0.03]) == pytest.approx([0.06, 0.06])


@pytest.mark.parametrize(
    ("p", "match"),
    [
        ([], "must not be empty"),
        ([0.1, math.nan], r"finite, but is nan at \(1,\)"),
        ([0.1, 1.2], r"\[0.1, 1.2\]"),
        ([-0.1], "-0.1"),
    ],
)
def test_bad_p_values(p: list[float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        holm(p)


def test_holm_bounds_the_chance_of_any_false_claim() -> None:
    rng = np.random.default_rng(2)
    found = [bool((holm(p) < 0.05).any()) for p in rng.uniform(size=(4000, 5))]
    assert_rate(found, 1 - (1 - 0.05 / 5) ** 5)


DIFFERENCES = np.array([0.012, -0.004, 0.008, 0.015, 0.001, -0.002, 0.006])


@pytest.mark.parametrize(("margin", "p"), [(0.015, 0.0052978880), (0.01, 0.0607367990)])
def test_equivalence_agrees_with_statsmodels(margin: float, p: float) -> None:
    """DescrStatsW(d).ttost_mean(-margin, margin), tconfint_mean(alpha=0.1)."""
    found = equivalence(DIFFERENCES, margin)
    assert found.p == pytest.approx(p)
    assert (found.low, found.high) == pytest.approx((-9.238335e-05, 0.0103780976), rel=1e-6)
    assert found.equivalent == (p < 0.05)
    mirrored = equivalence(-DIFFERENCES, margin)
    assert (mirrored.p, mirrored.high) == pytest.approx((found.p, -found.low))


def test_equivalence_is_its_interval_inside_the_margin() -> None:
    rng = np.random.default_rng(1)
    verdicts = set()
    for _ in range(300):
        found = equivalence(rng.normal(rng.normal(), 1, size=8), 1.0, confidence=0.9)
        assert found.equivalent == (found.low > -1.0 and found.high < 1.0)
        verdicts.add(found.equivalent)
    assert verdicts == {True, False}


@pytest.mark.parametrize("sign", [-1, 1])
def test_equivalence_errs_as_often_as_it_says_at_the_margin(sign: int) -> None:
    rng = np.random.default_rng(10)
    draws: NDArray[np.float64] = rng.normal(sign * 0.02, 0.01, size=(4000, 10))
    assert_rate([equivalence(d, 0.02).equivalent for d in draws], 0.05)


def test_equivalence_of_equal_or_few_differences() -> None:
    assert equivalence([0.0] * 5, 0.01).p == 2**-5
    assert equivalence([0.0] * 5, 0.01).equivalent
    assert not equivalence([0.0] * 4, 0.01).equivalent  # four signs are too few
    assert not equivalence([0.02] * 9, 0.01).equivalent
    for few in ([], [0.0]):
        found = equivalence(few, 0.01)
        assert not found.equivalent
        assert np.isnan([found.p, found.low, found.high]).all()


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan, math.inf])
def test_bad_margins(margin: float) -> None:
    with pytest.raises(ValueError, match=f"margin must be positive, but is {margin}"):
        equivalence([0.1, 0.2], margin)


def test_bad_equivalence() -> None:
    with pytest.raises(ValueError, match=r"confidence .* 0.05"):
        equivalence([0.1, 0.2], 0.1, confidence=0.05)
    with pytest.raises(ValueError, match="differences must be finite, but is nan"):
        equivalence([0.1, math.nan], 0.1)
