"""Equivalence is said only by studies that could have seen a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qkd_study.analysis import Results, judge
from qkd_study.analysis.report.prose import statement
from tests.analysis.made import CLAIM, made_results, made_study

ONE_CELL = {"factors": {}, "fixed": {"samples": 50}}


def results(majority: float, gains: dict[str, float], **study: object) -> Results:
    claim = replace(CLAIM, controls=())
    made = made_results(gains, study=made_study(claims=(claim,), **study), noise=0.003)
    runs = made.runs.assign(**{"metric.test_majority": majority})
    return replace(made, runs=runs)


@pytest.mark.parametrize("factors", [{}, ONE_CELL])
def test_arms_at_the_floor_are_not_equivalent(factors: dict[str, object]) -> None:
    gains = {"scaled-ce": -0.05}
    (found,) = judge(results(0.5, gains, **factors))
    assert (found.status, found.marks) == ("equivalent", ("undertrained",))
    made = results(0.83, gains, **factors)  # mean accuracies are 0.8 and, in a second cell, 0.85
    (found,) = judge(made)
    assert found.status == "undecided"
    assert found.marks[0] == "no assay sensitivity"
    floor = "is not shown to score above the majority class"
    first = next(iter(made.cells))
    mean = made.scores().loc[first]["soft"].mean()
    said = statement(found).lines[0]
    assert f"soft in {first} {floor} ({mean:.1%}, which has 83.0% of the test set)" in said
    assert said.count(floor) == 2  # both arms, in the first cell alone
    assert [c.verdict.status for c in found.cells if c.verdict][1:] in ([], ["equivalent"])
    row = made.verdicts().iloc[0]
    assert (row["verdict"], row["marks"]) == ("undecided", "no assay sensitivity, undertrained")
    # Earlier runs did not write that share.
    (found,) = judge(results(np.nan, gains, **factors))
    assert found.status == "equivalent"


def test_some_contrast_of_the_design_differs() -> None:
    (found,) = judge(results(0.1, {}, **ONE_CELL))
    assert found.status == "undecided"
    assert "no contrast of arms or of factors in the study differs" in statement(found).lines[0]
    of_another_arm = results(0.1, {"classical-teacher": 0.02}, **ONE_CELL)
    of_more_samples = results(0.1, {})
    for seen in (of_another_arm, of_more_samples):
        assert judge(seen)[0].status == "equivalent"
