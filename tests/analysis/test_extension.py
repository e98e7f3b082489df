"""Replicates that are added after a look at the results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from qkd_study import Replicates
from qkd_study.analysis import Results, judge
from qkd_study.analysis.report.prose import statement
from qkd_study.analysis.report.scores import scores
from tests.analysis.made import CLAIM, made_results, made_study

FIRST, MOST = 10, 80


def test_looking_again_errs_more_often_than_at_5_percent() -> None:
    """What the verdicts would be if the replicates of each look were counted."""
    found = np.random.default_rng(0).normal(size=(4000, MOST))
    looks = [stats.ttest_1samp(found[:, :n], 0, axis=1).pvalue for n in (FIRST, 20, 40, MOST)]
    wrong = np.array(looks) < 0.05
    assert 0.12 < wrong.any(axis=0).mean() < 0.16
    assert 0.04 < wrong[0].mean() < 0.06  # the verdict, at every look


def extended(results: Results, declared: int | list[int]) -> Results:
    """The run, as if so many replicates had been declared before there were results."""
    claims = [{**entry, "replicates": declared} for entry in results.manifest["claims"]]
    return replace(results, manifest={**results.manifest, "claims": claims})


@pytest.mark.parametrize("declared", [FIRST, [5, FIRST]])
def test_verdicts_rest_on_what_was_declared_before(declared: int | list[int]) -> None:
    claim = replace(CLAIM, controls=("scaled-ce",))
    study = made_study(claims=(claim,), replicates=Replicates(2, MOST))
    made = made_results({"soft": 0.006}, study=study, noise=0.02)
    (naive,) = judge(made)
    (found,) = judge(extended(made, declared))
    assert naive.status == "supported"
    assert found.status == "undecided"
    early = made.runs[(made.runs["phase"] != "confirm") | (made.runs["replicate"] < 1000 + FIRST)]
    (first,) = judge(replace(made, runs=early))
    assert found.overall == first.overall
    assert found.controls == first.controls
    assert found.cut_to == FIRST
    assert any("rests on the first 10 replicates" in line for line in statement(found).lines)


def test_what_was_declared_is_counted() -> None:
    made = made_results()
    assert judge(made)[0].cut_to is None  # an earlier version did not write it down
    assert judge(extended(made, 12))[0].cut_to is None
    assert judge(extended(made, 20))[0].cut_to is None  # fewer than declared are left as they are
    late = extended(made, 4)
    late.manifest["claims"][0]["confirm_rows"] = 96
    assert judge(late)[0].cut_to is None  # the claim itself came after the results


@pytest.mark.parametrize("kind", ["added", "looks"])
def test_p_values_of_the_scores_are_of_the_first_replicates(kind: str) -> None:
    confirm = (FIRST, MOST) if kind == "looks" else MOST
    study = made_study(replicates=Replicates(2, confirm), factors={"samples": (50,)})
    made = made_results({"soft": 0.006}, study=study, noise=0.02)
    results = extended(made, FIRST) if kind == "added" else made
    first = (made.runs["phase"] != "confirm") | (made.runs["replicate"] < 1000 + FIRST)
    early = replace(made, runs=made.runs[first]).comparison().set_index("arm").loc["soft"]
    found = results.comparison().set_index("arm").loc["soft"]
    alone = made_results({"soft": 0.006}, study=made_study(replicates=Replicates(2, MOST)))
    assert found["pairs"] == MOST
    assert found["gain"] != early["gain"]
    for name in ("p", "p_holm", "p_wilcoxon"):
        assert found[name] == pytest.approx(early[name])
    table = scores(results, ()).tables[0]
    assert "p values are of the first 10 replicates" in table.note
    assert "of the first" not in scores(alone, ()).tables[0].note
