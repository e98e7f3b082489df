"""Verdicts, and the replicates that the next study needs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from qkd_study.analysis.statistics import (
    MOST_REPLICATES,
    detectable_difference,
    replicates_needed,
    verdict,
)


@pytest.mark.parametrize(
    ("effect", "alpha", "power", "n"),
    [
        # Cohen, 1988; G*Power: 34 pairs for a medium effect. All: TTestPower of statsmodels 0.14.
        (0.2, 0.05, 0.8, 199),
        (0.3, 0.05, 0.8, 90),
        (0.5, 0.05, 0.8, 34),
        (0.8, 0.05, 0.8, 15),
        (1.0, 0.05, 0.8, 10),
        (1.5, 0.05, 0.8, 6),
        (0.2, 0.05, 0.9, 265),
        (0.5, 0.05, 0.9, 44),
        (1.5, 0.05, 0.9, 7),
        (0.2, 0.01, 0.8, 296),
        (0.5, 0.01, 0.8, 51),
        (1.5, 0.01, 0.8, 9),
        (0.2, 0.4, 0.5, 12),  # both tails count
    ],
)
def test_replicates_agree_with_tables(effect: float, alpha: float, power: float, n: int) -> None:
    assert replicates_needed(effect, 1.0, alpha=alpha, power=power) == n
    assert replicates_needed(-0.01 * effect, 0.01, alpha=alpha, power=power) == n


@pytest.mark.parametrize(("effect", "n", "power"), [(0.5, 34, 0.8078), (1.5, 6, 0.8318)])
def test_simulated_power_at_the_replicates_needed(effect: float, n: int, power: float) -> None:
    assert replicates_needed(effect, 1.0) == n
    draws = np.random.default_rng(n).normal(effect, 1.0, size=(3000, n))
    hits = sum(verdict(d, direction="higher").status == "supported" for d in draws)
    assert stats.binomtest(hits, len(draws), power).pvalue > 1e-3, hits / len(draws)


def test_fewest_and_most_replicates() -> None:
    assert replicates_needed(1.0, 0.0) == 2
    assert replicates_needed(1e9, 1e-9) == 2
    assert replicates_needed(1e-6, 1.0) == MOST_REPLICATES
    assert 9000 < replicates_needed(0.029, 1.0) < MOST_REPLICATES
    assert replicates_needed(0.027, 1.0) == MOST_REPLICATES


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"difference": 0.0, "sd": 1.0}, "difference of 0.0"),
        ({"difference": math.nan, "sd": 1.0}, "difference must be finite, but is nan"),
        ({"difference": 1.0, "sd": -1.0}, "sd must be finite and not negative, but is -1.0"),
        ({"difference": 1.0, "sd": math.nan}, "sd .* nan"),
        ({"difference": 1.0, "sd": 1.0, "power": 1.0}, "power .* 1.0"),
        ({"difference": 1.0, "sd": 1.0, "alpha": 0.0}, "alpha .* 0.0"),
        ({"difference": 1.0, "sd": 1.0, "power": 0.01}, "0.01 and 0.05"),
    ],
)
def test_bad_plans(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        replicates_needed(**arguments)


CLEAR = np.array([0.03, 0.04, 0.05, 0.03, 0.04, 0.05])
VAGUE = np.array([0.03, -0.04, 0.05, -0.03, 0.04, -0.02])
SMALL = np.array([0.001, -0.001, 0.002, -0.002, 0.001, -0.0015])


def test_supported_and_contradicted() -> None:
    for values, direction, status in [
        (CLEAR, "higher", "supported"),
        (-CLEAR, "lower", "supported"),
        (CLEAR, "lower", "contradicted"),
        (-CLEAR, "higher", "contradicted"),
    ]:
        found = verdict(values, direction=direction, margin=0.01)  # type: ignore[arg-type]
        assert found.status == status
        assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
        assert (found.negligible, found.replicates_needed) == (False, None)
        assert found.equivalence is not None
        assert not found.equivalence.equivalent


@pytest.mark.parametrize(
    ("direction", "status"), [("higher", "supported"), ("lower", "contradicted")]
)
def test_a_real_but_negligible_difference(direction: Any, status: str) -> None:
    found = verdict(CLEAR, direction=direction, margin=0.1)
    assert (found.status, found.negligible) == (status, True)


def test_equivalent() -> None:
    found = verdict(SMALL, direction="higher", margin=0.01)
    assert (found.status, found.negligible, found.replicates_needed) == ("equivalent", False, None)
    assert verdict(SMALL, direction="higher").status == "undecided"
    assert verdict([0.0] * 5, direction="higher", margin=0.01).status == "equivalent"


def test_undecided_says_how_many_replicates_would_decide() -> None:
    sd = float(np.std(VAGUE, ddof=1))
    found = verdict(VAGUE, direction="higher", margin=0.01)
    assert (found.status, found.negligible) == ("undecided", False)
    assert found.replicates_needed == replicates_needed(0.01, sd)
    without = verdict(VAGUE, direction="higher")
    assert without.equivalence is None
    assert without.replicates_needed == replicates_needed(float(VAGUE.mean()), sd)
    strict = verdict(VAGUE, direction="higher", margin=0.01, alpha=0.01)
    assert strict.replicates_needed == replicates_needed(0.01, sd, alpha=0.01)
    assert verdict([-1.0, 1.0], direction="higher").replicates_needed is None


def test_the_p_given_decides() -> None:
    found = verdict(CLEAR, direction="higher", p=0.2)
    assert (found.status, found.p) == ("undecided", 0.2)
    assert verdict(VAGUE, direction="higher", p=0.01).status == "supported"
    assert verdict(CLEAR, direction="higher", p=0.05).status == "undecided"
    assert verdict(CLEAR, direction="higher", p=0.03, alpha=0.01).status == "undecided"


def test_nothing_is_decided_by_one_difference_or_equal_ones_below_six() -> None:
    for few in ([], [0.5]):
        found = verdict(few, direction="higher", margin=0.1)
        assert (found.status, found.replicates_needed, found.n) == ("undecided", None, len(few))
        assert math.isnan(found.p)
    assert verdict([0.5], direction="higher", p=0.001).status == "undecided"
    five = verdict([0.1] * 5, direction="higher")
    assert (five.status, five.p, five.replicates_needed) == ("undecided", 0.0625, None)
    assert verdict([0.1] * 6, direction="higher").status == "supported"


def test_false_claims_come_as_often_as_alpha_says() -> None:
    draws = np.random.default_rng(4).normal(size=(4000, 8))
    found = [verdict(d, direction="higher").status for d in draws]
    for status in ("supported", "contradicted"):
        assert stats.binomtest(found.count(status), 4000, 0.025).pvalue > 1e-3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"direction": "up"}, "'up'"),
        ({"direction": "higher", "alpha": 0.95}, "alpha .* 0.95"),
        ({"direction": "higher", "p": math.nan}, "p must lie .* nan"),
        ({"direction": "higher", "p": 1.5}, "1.5"),
        ({"direction": "higher", "margin": 0.0}, "margin must be positive, but is 0.0"),
    ],
)
def test_bad_verdicts(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        verdict(CLEAR, **options)
    with pytest.raises(ValueError, match="nan at"):
        verdict([0.1, math.nan], direction="higher")


@pytest.mark.parametrize(("n", "power"), [(2, 0.99), (5, 0.8), (20, 0.8), (20, 0.06), (500, 0.9)])
def test_what_is_detectable_is_what_so_many_pairs_find(n: int, power: float) -> None:
    found = detectable_difference(0.013, n, power=power)
    shift, critical = math.sqrt(n) * found / 0.013, stats.t.isf(0.025, n - 1)
    if power < 0.99:  # there scipy has no lower tail
        lower = stats.nct.cdf(-critical, n - 1, shift)
        lower = 0.0 if math.isnan(lower) else lower
        assert stats.nct.sf(critical, n - 1, shift) + lower == pytest.approx(power, abs=1e-6)
    assert replicates_needed(1.001 * found, 0.013, power=power) == n
    if n > 2:
        assert replicates_needed(0.99 * found, 0.013, power=power) > n


def test_detectable_differences_scale_with_the_spread() -> None:
    assert detectable_difference(0.0, 10) == 0
    assert detectable_difference(2.0, 10) == pytest.approx(2 * detectable_difference(1.0, 10))
    for bad in ({"n": 1}, {"sd": -1.0}, {"power": 1.0}, {"power": 0.01}):
        with pytest.raises(ValueError, match="must"):
            detectable_difference(**{"sd": 1.0, "n": 10, **bad})  # type: ignore[arg-type]
