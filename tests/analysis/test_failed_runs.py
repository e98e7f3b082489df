"""Verdicts when the runs that failed are those that would have scored worst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from qkd_study.analysis import Results, judge
from qkd_study.analysis.report.prose import statement
from qkd_study.analysis.statistics.bounds import equivalence_p_bound, mean_p_bound
from qkd_study.analysis.statistics.samples import mean_p
from tests.analysis.made import CLAIM, made_results, made_study


def simulated(rho: float, studies: int = 1000, n: int = 20) -> list[tuple[float, float, float]]:
    """Two equal arms; the worst quarter of one fails. Mean gain, p without those, and p bounded."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(studies):
        shared, own = rng.normal(size=(2, n)), rng.normal(size=(2, n))
        better, than = np.sqrt(rho) * shared[0] + np.sqrt(1 - rho) * own
        there = better > np.sort(better)[n // 4 - 1]
        known = (better - than)[there]
        lowest = np.where(there, better - than, min(better[there].min(), than.min()) - than)
        highest = np.where(there, better, max(better[there].max(), than.max())) - than
        p = mean_p(known)
        found.append((float(known.mean()), p, mean_p_bound(known, lowest, highest)))
    return found


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_failures_of_the_worst_make_no_gain(rho: float) -> None:
    found = simulated(rho)
    left_out = np.mean([gain > 0 and p < 0.05 for gain, p, _ in found])
    bounded = np.mean([gain > 0 and p < 0.05 for gain, _, p in found])
    assert left_out > 0.1  # of 0.025
    assert bounded < 0.025


def test_bounds_by_hand() -> None:
    known = np.array([1.0, 2.0, 3.0, 2.0])
    lowest, highest = np.append(known, -1.0), np.append(known, 4.0)
    expected = stats.ttest_1samp(lowest, 0).pvalue
    assert mean_p_bound(known, lowest, highest) == pytest.approx(expected)
    expected = stats.ttest_1samp(highest, 0).pvalue
    assert mean_p_bound(-known, -highest, -lowest) > expected
    ends = [stats.ttest_1samp(lowest, -5, alternative="greater").pvalue]
    ends += [stats.ttest_1samp(highest, 5, alternative="less").pvalue]
    assert equivalence_p_bound(known, lowest, highest, 5.0) == pytest.approx(max(ends))


def with_failures(results: Results, arm: str, share: float) -> Results:
    """The worst confirm runs of an arm failed, in every cell."""
    runs = results.runs.copy()
    rows = runs[(runs["phase"] == "confirm") & (runs["arm"] == arm)]
    for _, own in rows.groupby("cell"):
        worst = own["metric.test_accuracy"].nsmallest(int(share * len(own))).index
        runs.loc[worst, "status"] = "failed"
        runs.loc[worst, "metric.test_accuracy"] = np.nan
    return replace(results, runs=runs)


def test_a_verdict_holds_wherever_failed_runs_would_have_been() -> None:
    claim = replace(CLAIM, controls=(), where={"samples": (50,)})
    made = made_results({"soft": 0.008}, study=made_study(claims=(claim,)), noise=0.01)
    results = with_failures(made, "soft", 0.25)
    failed = results.failed_confirm
    without = replace(results, runs=results.runs.drop(index=failed.index))
    assert judge(without)[0].status == "supported"
    (found,) = judge(results)
    assert found.status == "undecided"
    scores = results.scores().loc["samples=50"]
    complete = (scores["soft"] - scores["scratch"]).dropna()
    assert found.overall.paired is not None
    assert found.overall.paired.mean == pytest.approx(complete.mean())  # estimates leave them out
    assert (found.overall.failed, found.overall.left_out) == (3, 3)
    own = scores.assign(soft=scores["soft"].fillna(np.nanmin(scores)))
    lowest = (own["soft"] - own["scratch"]).mean()
    assert found.overall.bounds
    assert found.overall.bounds[0] == pytest.approx(lowest)
    p = stats.ttest_rel(own["soft"], own["scratch"]).pvalue
    row = results.verdicts().iloc[0]
    assert row["p_holm"] == pytest.approx(p)
    assert row["bound_low"] == pytest.approx(lowest)
    gains = results.comparison().set_index(["cell", "arm"])["p"]
    assert gains["samples=50", "soft"] == row["p_holm"]  # one contrast has one test
    assert "3 of them have a failed run" in statement(found).lines[0]


def test_a_large_effect_survives_failures() -> None:
    claim = replace(CLAIM, controls=())
    made = made_results({"soft": 0.1}, study=made_study(claims=(claim,)))
    assert judge(with_failures(made, "soft", 0.1))[0].status == "supported"
