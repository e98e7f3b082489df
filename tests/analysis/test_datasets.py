"""Claims and summaries over datasets."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qkd_study import Claim, InputError, LogFloat, Replicates, Study
from qkd_study.analysis import Results
from qkd_study.analysis.claims.datasets import (
    MOST_FAILED,
    by_dataset,
    summary_over_datasets,
)
from qkd_study.analysis.claims.sides import paired_scores
from qkd_study.analysis.figures.forest import verdicts as forest
from qkd_study.analysis.figures.pooled import gains_over_datasets
from qkd_study.analysis.pooled import over_datasets
from qkd_study.analysis.report.pooled import datasets_of
from qkd_study.analysis.report.prose import statement
from qkd_study.analysis.statistics.power import replicates_needed
from qkd_study.analysis.statistics.random_effects import random_effects
from qkd_study.study.quick import quick
from tests.analysis.made import made_results, made_study, with_predictions

SEVEN = ("xor4", "spirals", "checkerboard", "digits", "digits-28x28", "mnist", "fashion-mnist")
ARMS = ("scratch", "soft", "classical-teacher")
CLAIM = Claim(
    says="It helps, whatever the data.",
    better="soft",
    than="scratch",
    margin=0.01,
    controls=("classical-teacher",),
    over="datasets",
)


def several(number: int = 6, **changes: Any) -> Study:
    given: dict[str, Any] = {
        "factors": {"dataset": SEVEN[:number]},
        "search": {"learning_rate": LogFloat(1e-3, 1e-1)},
        "arms": ARMS,
        "trials": 1,
        "claims": (CLAIM,),
    }
    return made_study(**{**given, "replicates": Replicates(search=1, confirm=8), **changes})


def gains(soft: float) -> dict[str, float]:
    """So that no accuracy is above 1: each cell adds 0.05."""
    return {"scratch": -0.3, "soft": soft - 0.3, "classical-teacher": -0.3}


def results_of(number: int = 6, **changes: Any) -> Results:
    return made_results(gains(0.02), study=several(number), search_noise=0.005, **changes)


def by_hand(results: Results, arm: str = "soft", than: str = "scratch") -> pd.DataFrame:
    """The mean difference on each dataset, and its variance over replicates."""
    wide = results.confirmed.pivot_table(
        index=["config.dataset", "config.samples", "replicate"],
        columns="arm",
        values="metric.test_accuracy",
    )
    differences = (wide[arm] - wide[than]).groupby(level=[0, 2]).mean()
    table = differences.unstack("config.dataset")[list(results.factors["dataset"])]
    return pd.DataFrame({"mean": table.mean(), "variance": table.var() / len(table)})


def test_a_claim_over_datasets_by_hand() -> None:
    results = results_of()
    (one,) = results.judge()
    found, table = one.overall.datasets, by_hand(results)
    assert found is not None
    assert list(found.effects) == list(SEVEN[:6])
    assert [e.mean for e in found.effects.values()] == pytest.approx(list(table["mean"]))
    assert [e.variance for e in found.effects.values()] == pytest.approx(list(table["variance"]))
    wanted = random_effects(table["mean"].to_numpy(), np.diag(table["variance"]), weighted=False)
    assert found.summary == wanted
    own = table["mean"]
    least = np.sqrt(table["variance"].sum()) / 6
    assert (wanted.mean, wanted.error) == pytest.approx((own.mean(), max(own.sem(), least)))
    # The interval and p of the mean are of one test, with five degrees of freedom.
    half = stats.t.ppf(0.975, 5) * wanted.error
    assert (wanted.low, wanted.high) == pytest.approx((wanted.mean - half, wanted.mean + half))
    verdict = one.overall.verdict
    assert verdict is not None
    assert verdict.equivalence is not None
    assert verdict.p == pytest.approx(2 * stats.t.sf(abs(wanted.mean / wanted.error), 5))
    assert verdict.mean == pytest.approx(wanted.mean)
    assert verdict.n == 6
    beyond = stats.t.sf((0.01 - abs(wanted.mean)) / wanted.error, 5)
    assert verdict.equivalence.p == pytest.approx(beyond)
    assert (one.overall.over, one.status) == ("datasets", "supported")
    # Its cells are not over datasets, its controls are.
    assert {cell.over for cell in one.cells} == {"replicates"}
    assert one.controls[0].contrast.over == "datasets"
    against = by_hand(results, "soft", "classical-teacher")
    of_control = one.controls[0].contrast.datasets
    assert of_control is not None
    assert of_control.summary.mean == pytest.approx(against["mean"].mean())


def test_datasets_that_differ_decide_less_than_replicates() -> None:
    """The gain is large on some datasets and not on others: new replicates show it, no more."""
    results = made_results(gains(0.03), study=several(4), search_noise=0.03, seed=6)
    (wide,) = results.judge()
    manifest = dict(results.manifest)
    claim = {**manifest["claims"][0]["claim"], "over": "replicates"}
    manifest["claims"] = [{**manifest["claims"][0], "claim": claim}]
    (narrow,) = replace(results, manifest=manifest).judge()
    assert (narrow.overall.over, wide.overall.over) == ("replicates", "datasets")
    assert narrow.status in ("supported", "contradicted")
    assert wide.status == "undecided"
    text = " ".join(statement(wide).lines)
    assert "The verdict is for new datasets of the same kind" in text
    assert "4 datasets are few: intervals of their mean have 3 degrees of freedom" in text
    assert re.search(r"About \d+ datasets would decide|The datasets would have sufficed", text)


def test_the_datasets_that_are_needed_count_what_replicates_leave_open() -> None:
    """Effects that lie closer together than their errors allow."""
    results = made_results(gains(0.005), study=several(4), noise=0.05, seed=0)
    (one,) = results.judge()
    verdict, found = one.overall.verdict, one.overall.datasets
    assert verdict is not None
    assert found is not None
    floor = np.sqrt(by_hand(results)["variance"].sum()) / 4
    assert found.summary.error == pytest.approx(max(floor, by_hand(results)["mean"].sem()))
    assert verdict.status == "undecided"
    sd = 2 * found.summary.error
    assert verdict.replicates_needed == replicates_needed(0.01, sd)


def test_two_datasets_are_hardly_enough() -> None:
    (one,) = results_of(2).judge()
    assert one.overall.verdict is not None
    assert one.overall.verdict.n == 2
    assert "1 degree of freedom" in " ".join(statement(one).lines)
    assert results_of(2).over_datasets().empty  # a spread of two is none


def test_new_test_samples_are_a_part_of_a_dataset(tmp_path: Path) -> None:
    results = with_predictions(results_of(3), tmp_path, items=40)
    (one,) = results.judge()
    found = one.overall.datasets
    assert found is not None
    replicates_only = by_hand(results)["variance"]
    assert (np.array([e.variance for e in found.effects.values()]) > replicates_only).all()
    assert {cell.over for cell in one.cells} == {"replicates and test items"}


def test_failed_runs_bound_a_claim_over_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    results = results_of()
    confirm = (results.runs["phase"] == "confirm") & (results.runs["arm"] == "soft")

    def with_failed(datasets: int, each: int) -> Results:
        runs = results.runs.copy()
        for name in SEVEN[:datasets]:
            gone = runs.index[confirm & (runs["config.dataset"] == name)][:each]
            runs.loc[gone, "status"] = "failed"
            runs.loc[gone, "metric.test_accuracy"] = None
        return replace(results, runs=runs)

    p_values = []
    for datasets, each in ((0, 0), (3, 3)):
        overall = with_failed(datasets, each).judge()[0].overall
        assert overall.verdict is not None
        p_values.append(overall.verdict.p)
    assert p_values[0] < p_values[1]
    assert MOST_FAILED == 6
    claim = results.manifest["claims"][0]["claim"]
    monkeypatch.setattr("qkd_study.analysis.claims.datasets.MOST_FAILED", 2)
    some = with_failed(3, 1)
    scores = by_dataset(some, claim, paired_scores(some, claim))
    many = summary_over_datasets(scores)
    assert many is not None
    assert (many.p, many.p_within(0.5)) == (1, 1)  # failed runs on more datasets than are bounded


def test_arms_that_never_differ_have_no_summary() -> None:
    results = made_results(gains(0.0), study=several(), noise=0.0)
    assert results.over_datasets().empty
    (one,) = results.judge()
    assert one.overall.verdict is not None
    assert one.overall.verdict.p == 1


def test_the_summary_over_datasets_and_over_the_other_cells() -> None:
    factors = {"dataset": SEVEN[:4], "samples": (20, 40)}
    results = made_results(gains(0.04), study=several(factors=factors), search_noise=0.01)
    row = results.over_datasets().set_index("arm").loc["soft"]
    table = by_hand(results)
    found = random_effects(table["mean"].to_numpy(), np.diag(table["variance"]), weighted=False)
    assert (row["effects"], row["pairs"], row["gain"]) == (4, 8, pytest.approx(found.mean))
    assert (row["next_low"], row["spread"]) == pytest.approx((found.next_low, found.spread))
    assert results.over_cells().empty  # two cells of samples, each averaged over datasets
    factors = {"dataset": SEVEN[:2], "samples": (20, 40, 80)}
    of_two = made_results(gains(0.04), study=several(factors=factors))
    cells = of_two.over_cells().set_index("arm").loc["soft"]
    assert cells["effects"] == 3
    assert cells["gain"] == pytest.approx(by_hand(of_two)["mean"].mean(), abs=0.01)
    assert over_datasets(made_results()).empty
    with pytest.raises(InputError, match="three datasets"):
        gains_over_datasets(made_results())


def test_the_report_shows_datasets() -> None:
    results = results_of()
    figure = gains_over_datasets(results)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [*SEVEN[:6], "mean over\ndatasets", "one more\ndataset"]
    (one,) = results.judge()
    assert "mean over datasets" in [t.get_text() for t in forest([one]).legends[0].get_texts()]
    row = results.verdicts().iloc[0]
    summary = one.overall.datasets.summary  # type: ignore[union-attr]
    assert (row["over"], row["datasets"], row["spread"]) == ("datasets", 6, summary.spread)
    assert (row["datasets_low"], row["next_high"]) == (summary.low, summary.next_high)
    part = datasets_of(results)
    assert part.title == "Over datasets"
    assert re.match(r"soft: \+\d\.\d points on average over 6 datasets", part.lines[0])
    assert part.tables[0].rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors": {"samples": (20, 50)}}, "over datasets, but they are no factor of the study"),
        ({"factors": {"dataset": ("xor4",)}}, "is over datasets, but there is one, ('xor4',)"),
        (
            {"claims": (replace(CLAIM, where={"dataset": ("xor4",)}),)},
            "is over datasets, but there is one, ('xor4',)",
        ),
        (
            {
                "claims": (
                    Claim(
                        says="It differs.",
                        better={"dataset": "xor4"},
                        than={"dataset": "spirals"},
                        arm="soft",
                        over="datasets",
                    ),
                )
            },
            "is over datasets, but contrasts two of them",
        ),
        ({"replicates": Replicates(confirm=(20, 40))}, "is over datasets, whose number is fixed"),
    ],
)
def test_bad_claims(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        several(**changes)


def test_what_a_claim_may_be_over() -> None:
    with pytest.raises(InputError, match="'replicates' or 'datasets' for test_nll, but got 'x'"):
        replace(CLAIM, metric="test_nll", over="x")
    assert len(quick(several()).claims) == 1  # on two datasets
    assert several().with_fixed("dataset", "xor4").claims == ()
    third = quick(several(factors={"samples": (20, 50), "epochs": (2, 3), "dataset": SEVEN}))
    assert (third.factors["dataset"], third.claims) == (("xor4",), ())
