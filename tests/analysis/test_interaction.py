"""Differences that depend on the cell, and those that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from qkd_study.analysis import Results, judge
from qkd_study.analysis.claims.table import as_json
from qkd_study.analysis.report.prose import statement
from qkd_study.analysis.statistics.hotelling import equal_means_p
from tests.analysis.made import CLAIM, made_results, made_study


def test_two_columns_are_a_paired_t_test_and_three_hotellings() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 3)) + rng.normal(size=(9, 1)) + [0, 0.5, 1]
    two = values[:, :2]
    assert equal_means_p(two) == pytest.approx(stats.ttest_rel(*two.T).pvalue)
    contrast = values @ np.array([[1, -1, 0], [0, 1, -1]]).T  # another basis of the contrasts
    mean, covariance = contrast.mean(axis=0), np.cov(contrast.T)
    squared = 9 * mean @ np.linalg.inv(covariance) @ mean
    assert equal_means_p(values) == pytest.approx(stats.f.sf(squared * 7 / (8 * 2), 2, 7))
    # A column that repeats another, as cells that share a branch do, changes nothing.
    assert equal_means_p(np.column_stack([values, values[:, 1]])) == pytest.approx(
        equal_means_p(values)
    )
    assert np.isnan(equal_means_p(values[:2]))
    assert np.isnan(equal_means_p(np.ones((5, 3))))


def test_it_errs_as_often_as_it_says_with_any_covariance() -> None:
    rng = np.random.default_rng(1)
    shape = np.array([[1.0, 0.9, 0.1], [0, 0.5, 0.3], [0, 0, 2.0]])
    rate = np.mean([equal_means_p(rng.normal(size=(8, 3)) @ shape) < 0.05 for _ in range(2000)])
    assert 0.04 < rate < 0.06


def shifted(cell: str, by: float, factors: Mapping[str, Sequence[int]]) -> Results:
    """`soft` gains 0.03, and more in the cells whose names contain a text."""
    claim = replace(CLAIM, controls=())
    made = made_results({"soft": 0.03}, study=made_study(claims=(claim,), factors=factors))
    runs = made.runs.copy()
    runs.loc[(runs["arm"] == "soft") & runs["cell"].str.contains(cell), "metric.test_accuracy"] += (
        by
    )
    return replace(made, runs=runs)


def test_a_difference_that_depends_on_a_factor_is_named() -> None:
    factors = {"samples": (50, 100), "epochs": (20, 40)}
    (found,) = judge(shifted("samples=100", 0.03, factors))
    assert [one.over for one in found.interactions] == ["samples", "epochs", "cells"]
    p = {one.over: one.p for one in found.interactions}
    assert p["samples"] < 0.001
    assert p["epochs"] > 0.05
    assert "depends on samples" in found.marks
    assert "depends on epochs" not in found.marks
    means = found.interactions[0].means
    assert means["100"] - means["50"] == pytest.approx(0.03, abs=0.01)
    (said,) = [line for line in statement(found).lines if "depends on samples" in line]
    assert "(interaction, p < 0.001): from +" in said
    assert said.count("samples = ") == 2
    (entry,) = as_json([found])
    assert entry["interactions"][0]["over"] == "samples"


def test_one_factor_is_one_test_and_one_cell_none() -> None:
    (found,) = judge(shifted("none", 0.0, {"samples": (50, 100)}))
    (one,) = found.interactions
    scores = made_results({"soft": 0.03}).scores()
    gains = (scores["soft"] - scores["scratch"]).unstack("cell")
    expected = stats.ttest_rel(gains["samples=50"], gains["samples=100"]).pvalue
    assert one.p == pytest.approx(expected)
    assert judge(shifted("none", 0.0, {"samples": (50,)}))[0].interactions == []


def test_a_gain_below_the_margin_is_not_called_more() -> None:
    claim = replace(CLAIM, controls=(), margin=0.02)
    made = made_results({"soft": 0.01}, study=made_study(claims=(claim,)), noise=0.005)
    (found,) = judge(made)
    assert (found.status, found.marks[0]) == ("supported", "below the margin")
    assert made.verdicts()["marks"].iloc[0].startswith("below the margin")
    assert statement(found).verdict.startswith("supported, below the margin")
    made = made_results({"soft": 0.017}, study=made_study(claims=(claim,)), noise=0.012)
    (found,) = judge(made)
    assert (found.status, found.marks[0]) == ("supported", "estimate below the margin")
    assert "not smaller than 2 percentage points" in statement(found).lines[0]
