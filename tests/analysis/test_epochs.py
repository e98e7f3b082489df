"""Epochs to a target, some of them never seen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from qkd_study.analysis.statistics import compare_epochs
from tests.analysis.made import CLAIM, made_results, made_study


def test_by_hand() -> None:
    treated = [2, 3, 5, None, None]
    control = [4, 10, None, 8, None]
    found = compare_epochs(treated, control, 10)
    assert found.treated == (2 + 3 + 5 + 10 + 10) / 5
    assert found.control == (4 + 10 + 10 + 8 + 10) / 5
    assert found.difference == pytest.approx(np.mean([-2, -7, -5, 2, 0]))
    assert (found.treated_reached, found.control_reached) == (3 / 5, 3 / 5)
    assert (found.limit, found.n) == (10, 5)
    assert found.p == pytest.approx(stats.ttest_1samp([-2, -7, -5, 2, 0], 0).pvalue)
    interval = stats.ttest_1samp([-2, -7, -5, 2, 0], 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_a_lower_limit_forgets_what_comes_after() -> None:
    early = compare_epochs([2, 7, 9], [4, 6, None], 5)
    assert early == compare_epochs([2, None, None], [4, math.inf, None], 5)
    assert (early.treated_reached, early.difference) == (1 / 3, -2 / 3)


def test_the_restricted_mean_is_the_area_under_the_curve_of_those_not_there() -> None:
    rng = np.random.default_rng(0)
    times = [int(t) if t <= 30 else None for t in rng.geometric(0.05, size=40)]
    found = compare_epochs(times, [None] * 40, 30)
    still_out = [np.mean([t is None or t > epoch for t in times]) for epoch in range(30)]
    assert found.treated == pytest.approx(sum(still_out))
    assert (found.control, found.control_reached) == (30, 0)


def test_claims_and_tables_have_one_test() -> None:
    claim = replace(CLAIM, metric="epochs_to_target", target=0.6, margin=None, controls=())
    claim = replace(claim, where={"samples": (50,)})
    results = made_results({"soft": 0.02}, study=made_study(claims=(claim,)), epochs=20)
    (found,) = results.judge()
    assert found.overall.paired is not None
    row = results.epochs().set_index(["cell", "arm"]).loc["samples=50"].loc["soft"]
    of_table = [row["difference"], row["low"], row["high"], row["p"]]
    paired = found.overall.paired
    assert of_table == pytest.approx([paired.mean, paired.t_low, paired.t_high, paired.p_t])
    assert 0.001 < paired.p_t < 0.9


def test_it_errs_as_often_as_it_says_under_censoring() -> None:
    rng = np.random.default_rng(2)
    slow = rng.uniform(0.01, 0.1, size=(2000, 1, 12))  # replicates differ, arms do not
    times = rng.geometric(np.broadcast_to(slow, (2000, 2, 12))).astype(float)
    found = [compare_epochs(treated, control, 30) for treated, control in times]
    assert np.mean([f.treated_reached for f in found]) < 0.8
    rate = np.mean([f.p < 0.05 for f in found])
    assert 0.035 < rate < 0.065


def test_nothing_to_see() -> None:
    none = compare_epochs([None, None, None], [None, None, None], 20)
    assert (none.difference, none.p, none.treated) == (0, 1, 20)
    one = compare_epochs([3], [None], 20)
    assert one.difference == -17
    assert np.isnan([one.low, one.high, one.p]).all()


@pytest.mark.parametrize(
    ("treated", "control", "limit", "match"),
    [
        ([1, 2], [1], 5, "2 treated, 1 control"),
        ([], [], 5, "0 treated, 0 control"),
        ([0], [1], 5, "treated needs whole epochs from 1 or None, but has 0"),
        ([1], [1.5], 5, "control .* 1.5"),
        ([math.nan], [1], 5, "treated .* nan"),
        ([1], [1], 0, "limit must be at least 1, but is 0"),
    ],
)
def test_bad_epochs(treated: Any, control: Any, limit: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        compare_epochs(treated, control, limit)
