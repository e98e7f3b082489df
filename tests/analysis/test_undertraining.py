"""Whether training ended too early, on curves whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qkd_study.analysis.claims.table import as_json, verdicts
from qkd_study.analysis.report.prose import statement, summary
from qkd_study.analysis.undertraining import teacher_undertraining, undertraining
from qkd_study.common.late_rise import late_rise
from tests.analysis.made import made_results


def test_a_line_rises_by_its_slope() -> None:
    epochs = np.arange(1, 51)
    assert late_rise(epochs, 0.5 + 0.002 * epochs) == pytest.approx(0.002 * 10)
    assert late_rise(epochs, np.full(50, 0.7)) == pytest.approx(0)


def test_it_is_the_least_squares_line_of_the_last_fifth() -> None:
    rng = np.random.default_rng(0)
    epochs, values = np.arange(1, 41), rng.uniform(size=40)
    slope = np.polyfit(epochs[-8:], values[-8:], 1)[0]
    assert late_rise(epochs, values) == pytest.approx(8 * slope)
    some = epochs % 5 == 0  # two of them in the last fifth: the last three count
    slope = np.polyfit(epochs[some][-3:], values[some][-3:], 1)[0]
    assert late_rise(epochs[some], values[some]) == pytest.approx(8 * slope)


def test_too_few_epochs_and_bad_ones() -> None:
    assert np.isnan(late_rise([1, 2], [0.1, 0.2]))
    with pytest.raises(ValueError, match="2 accuracies of 3 epochs"):
        late_rise([1, 2, 3], [0.1, 0.2])
    with pytest.raises(ValueError, match="epochs must increase"):
        late_rise([1, 3, 2], [0.1, 0.2, 0.3])


def test_which_arms_still_rose() -> None:
    results = made_results(epochs=50)
    curves = results.curves.copy()
    rng = np.random.default_rng(1)
    rising = (curves["arm"] == "soft") & (curves["cell"] == "samples=50")
    flat = 0.8 + rng.normal(0, 0.002, len(curves))
    curves["metric.val_accuracy"] = np.where(rising, 0.5 + 0.002 * curves["epoch"], flat)
    results = replace(results, curves=curves)
    runs = results.runs
    runs.loc[(runs["arm"] == "scratch") & (runs["replicate"] % 2 == 0), "metric.best_epoch"] = 7
    found = undertraining(results).set_index(["cell", "arm"])
    assert len(found) == 8
    assert (found["runs"] == 12).all()
    assert found.index[found["rising"]].tolist() == [("samples=50", "soft")]
    assert found["rise"]["samples=50", "soft"] == pytest.approx(0.02)
    assert found.loc[("samples=100", "scratch"), "last"] == 0.5
    assert found.loc[("samples=100", "soft"), "last"] == 1.0
    (claim,) = results.judge()
    assert claim.rising == [("samples=50", "soft")]
    assert not claim.undertrained  # one of four: not more than a quarter
    assert set(results.verdicts()["marks"]) == {""}
    rising = results.curves["arm"] == "soft"
    curves["metric.val_accuracy"] = np.where(rising, 0.5 + 0.002 * curves["epoch"], flat)
    (claim,) = replace(results, curves=curves).judge()
    assert claim.undertrained
    said = " ".join(statement(claim).lines)
    assert "still rose over the last fifth of the epochs in 2 of 4 compared arms" in said
    assert summary([claim])[-1].startswith("1 of them rests on arms whose training ended while")
    assert statement(claim).verdict == "supported, undertrained"
    assert verdicts([claim])["marks"].tolist() == ["undertrained", "", "", "", ""]
    (entry,) = as_json([claim])
    assert entry["marks"] == ["undertrained"]
    assert entry["rising"] == [["samples=50", "soft"], ["samples=100", "soft"]]
    assert entry["contrasts"][0]["verdict"] == "supported"
    assert undertraining(replace(results, curves=curves.iloc[:0])).empty


def test_teachers_that_still_rose_are_marked() -> None:
    results = made_results(epochs=50)
    curves = results.curves.assign(**{"metric.val_accuracy": 0.8})
    results = replace(results, curves=curves)
    assert teacher_undertraining(results).empty  # as in runs of earlier versions
    (claim,) = results.judge()
    assert (claim.taught, claim.undertrained_teachers) == ([], False)
    assert as_json([claim])[0]["rising_teachers"] is None
    runs = results.runs.copy()
    noise = np.random.default_rng(1).normal(0, 0.002, len(runs))
    taught = runs["arm"].isin(["soft", "classical-teacher"])
    rising = (runs["arm"] == "classical-teacher") & (runs["cell"] == "samples=50")
    runs["metric.teacher_late_rise"] = np.where(taught, noise + np.where(rising, 0.03, 0), np.nan)
    best = runs["config.teacher_epochs"] - (runs["replicate"] % 2)
    runs["metric.teacher_best_epoch"] = best.where(taught)
    results = replace(results, runs=runs)
    found = results.teacher_undertraining().set_index(["cell", "arm"])
    assert len(found) == 4
    assert found["rise"]["samples=50", "classical-teacher"] == pytest.approx(
        results.confirmed.query("cell == 'samples=50' and arm == 'classical-teacher'")[
            "metric.teacher_late_rise"
        ].mean()
    )
    assert (found["last"] == 0.5).all()
    assert found.index[found["rising"]].tolist() == [("samples=50", "classical-teacher")]
    (claim,) = results.judge()
    assert len(claim.taught) == 4  # the control's teachers, too
    assert not claim.undertrained_teachers  # one of four: not more than a quarter
    runs.loc[runs["arm"] == "classical-teacher", "metric.teacher_late_rise"] += 0.03
    (claim,) = replace(results, runs=runs).judge()
    assert claim.rising_teachers == [(f"samples={k}", "classical-teacher") for k in (50, 100)]
    assert claim.marks == ("undertrained teachers",)
    said = " ".join(statement(claim).lines)
    assert "still rose over the last fifth of its epochs in 2 of 4 arms with a teacher" in said
    assert summary([claim])[-1].startswith("1 of them rests on teachers whose training ended")
    assert verdicts([claim])["marks"].tolist() == ["undertrained teachers", "", "", "", ""]
    (entry,) = as_json([claim])
    assert entry["marks"] == ["undertrained teachers"]
    assert entry["rising_teachers"][0] == ["samples=50", "classical-teacher"]
    assert entry["rising"] == []


def test_claims_that_rest_on_short_searches_are_marked() -> None:
    results = made_results()  # four configurations, a point of accuracy apart
    (claim,) = results.judge()
    assert (claim.climbing, claim.short_search) == ([], False)
    runs = results.runs.copy()
    steep = (runs["phase"] == "search") & (runs["arm"] == "soft")
    runs.loc[steep, "metric.val_accuracy"] = 0.9 - 0.05 * runs["trial"]
    (claim,) = replace(results, runs=runs).judge()
    assert claim.climbing == [("samples=50", "soft"), ("samples=100", "soft")]
    assert claim.marks == ("undertrained", "search not levelled off")
    said = " ".join(statement(claim).lines)
    assert "more than half a point of validation accuracy in 2 of 4 compared arms" in said
    assert summary([claim])[-1] == "1 of them rests on arms whose search had not levelled off."
    (entry,) = as_json([claim])
    assert entry["climbing"] == [["samples=50", "soft"], ["samples=100", "soft"]]
