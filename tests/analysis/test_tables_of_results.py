"""The analyses of a run against independent computations from its tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qkd_study import LogFloat, Replicates
from qkd_study.analysis import Results, judge, mean_interval
from qkd_study.analysis.report.prose import statement
from qkd_study.analysis.report.scores import scores
from qkd_study.analysis.report.search import in_order
from qkd_study.analysis.statistics import data_efficiency, replicates_needed
from qkd_study.analysis.status import status_of
from qkd_study.analysis.students import chosen_row
from qkd_study.analysis.summary import by_unit, summarise
from qkd_study.common.errors import InputError
from qkd_study.results import RunFolder
from tests.analysis.made import CLAIM, made_results, made_study, written

LONG = made_study(factors={"samples": (20, 40, 80, 160)})


def without(results: Results, **keys: Any) -> Results:
    """The run without the confirm rows that have these keys."""
    gone = results.runs["phase"] == "confirm"
    for name, value in keys.items():
        gone &= results.runs[name] == value
    assert gone.any()
    return replace(results, runs=results.runs[~gone])


def test_rows_that_cells_share_count_in_each_of_them(tmp_path: Path) -> None:
    factors = {"samples": (50, 100), "temperature": (1.0, 4.0)}
    results = made_results(study=made_study(factors=factors))
    own = results.runs[results.runs["arm"] == "scratch"]
    assert set(own["cell"]) == {"samples=50", "samples=100"}
    wide = results.scores()
    here, there = (wide.loc[f"samples=50,temperature={t}"] for t in (1.0, 4.0))
    assert here["scratch"].notna().all()
    assert here["scratch"].equals(there["scratch"])
    assert not here["soft"].equals(there["soft"])
    assert results.problems == ()
    curves = results.confirmed_curves
    assert set(curves.loc[curves["arm"] == "scratch", "cell"]) == set(results.cells)
    # 2 cells, not 4, for arms without a teacher; a search is shown once.
    status = status_of(RunFolder(written(results, tmp_path)))
    assert [b.cell for b in status.branches if b.arm == "scratch"] == ["samples=50", "samples=100"]
    assert (status.state, status.done) == ("complete", len(results.runs))
    shown = in_order(results, results.budget())
    assert list(shown["cell"][shown["arm"] == "scratch"]) == ["samples=50", "samples=100"]
    assert set(results.cost_laws()["arm"]) == set(results.arms)
    # An earlier version had rows in every cell: these are not mixed with the shared ones.
    old = own.assign(cell="samples=50,temperature=1.0", **{"metric.test_accuracy": 0.0})
    mixed = replace(results, runs=pd.concat([results.runs, old]))
    assert mixed.scores()["scratch"].equals(wide["scratch"])


def test_with_several_searches_everything_is_over_their_means() -> None:
    study = made_study(replicates=Replicates(search=2, confirm=12, searches=4))
    results = made_results(study=study, search_noise=0.03)
    rows = results.confirmed[results.confirmed["cell"] == "samples=50"]
    wide = rows.pivot(index="replicate", columns="arm", values="metric.test_accuracy")
    gains = (wide["soft"] - wide["scratch"]).to_numpy().reshape(3, 4).mean(axis=0)
    expected = stats.ttest_1samp(gains, 0)
    row: Any = results.comparison().set_index(["cell", "arm"]).loc[("samples=50", "soft")]
    assert (row["n"], row["pairs"], row["unpaired"]) == (4, 4, 0)
    assert row["gain"] == pytest.approx(gains.mean())
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval()))
    assert len(results.scores().loc["samples=50"]) == 4
    (judged,) = judge(results)
    assert judged.overall.paired is not None
    assert (judged.overall.paired.n, judged.overall.unit) == (4, "searches")
    cells, arms = tuple(results.cells), tuple(results.arms)
    lines = summarise(results.runs, "scratch", cells, arms, searches=4)
    (gain,) = [one.gain for one in lines if (one.cell, one.arm) == ("samples=50", "soft")]
    assert gain is not None
    assert (gain.low, gain.high) == pytest.approx((row["low"], row["high"]))
    assert "4 searches" in str(statement(judged))
    shown = scores(results, (judged,)).tables[0]
    assert shown.note.startswith("Mean test scores over the means of n searches of each arm")
    assert "searches won, %" in [column.name for column in shown.columns]


def test_where_nothing_is_searched_all_replicates_count() -> None:
    study = made_study(search={}, replicates=Replicates(search=2, confirm=12, searches=4))
    assert study.searches == 1
    (judged,) = made_results(study=study).judge()
    assert judged.overall.paired is not None
    assert (judged.overall.paired.n, judged.overall.unit) == (12, "replicates")


def test_intervals_over_searches_hold_for_a_new_search() -> None:
    """The spread of searches is that of an A/A test: 1.6 points."""
    rng, held = np.random.default_rng(0), dict.fromkeys((1, 3), 0)
    index = pd.RangeIndex(1000, 1021)
    for _ in range(2000):
        of_search = rng.normal(0, 0.016, 3)[np.arange(21) % 3]
        gains = pd.Series(0.01 + of_search + rng.normal(0, 0.02, 21), index=index)
        for searches in held:
            found = mean_interval(by_unit(gains, searches))
            held[searches] += found.low <= 0.01 <= found.high
    assert abs(held[3] / 2000 - 0.95) < 0.015
    assert held[1] / 2000 < 0.8  # as if the configurations were fixed


def test_comparison_is_a_paired_t_test_with_what_both_have() -> None:
    results = without(made_results(), cell="samples=50", arm="soft", replicate=1003)
    table = results.comparison().set_index(["cell", "arm"])
    wide = results.scores().loc["samples=50"]
    row = table.xs(("samples=50", "soft"))
    both = wide[["soft", "scratch"]].dropna()
    expected = stats.ttest_rel(both["soft"], both["scratch"])
    assert (row["n"], row["pairs"], row["unpaired"]) == (11, 11, 1)
    assert row["gain"] == pytest.approx((both["soft"] - both["scratch"]).mean())
    assert row["p"] == pytest.approx(expected.pvalue)
    assert tuple(expected.confidence_interval()) == pytest.approx((row["low"], row["high"]))
    assert row["score"] == pytest.approx(wide["soft"].mean())
    assert row["bca_low"] != pytest.approx(row["low"])
    assert table.xs(("samples=50", "scratch"))[["gain", "low", "p"]].isna().all()
    tested = table["p"].dropna()
    assert table["p_holm"].dropna().min() == pytest.approx(len(tested) * tested.min())
    assert table.xs(("samples=50", "scratch"))["n"] == 12


def test_power_is_that_of_the_spread_seen() -> None:
    results = made_results()
    table = results.power(0.02, 0.01)
    assert [float(name) for name in table.columns[-2:]] == [0.01, 0.02]
    wide = results.scores().loc["samples=50"]
    row = table[(table["cell"] == "samples=50") & (table["arm"] == "soft")].iloc[0]
    sd = (wide["soft"] - wide["scratch"]).std(ddof=1)
    assert row["sd"] == pytest.approx(sd)
    assert row[0.01] == replicates_needed(0.01, sd)
    assert 0.005 in results.power().columns  # the margin of the claim
    constant = results.runs.copy()
    constant["metric.test_accuracy"] = 0.5
    assert replace(results, runs=constant).power().empty


def test_slopes_are_lines_through_each_replicate() -> None:
    results = without(
        made_results(study=LONG), cell="samples=40", arm="classical-teacher", replicate=1000
    )
    table = results.slopes().set_index("arm")
    gains = (results.scores()["soft"] - results.scores()["scratch"]).unstack("cell")
    gains = gains[[f"samples={k}" for k in (20, 40, 80, 160)]]
    each = [np.polyfit(np.log2([20, 40, 80, 160]), row, 1)[0] for row in gains.to_numpy()]
    expected = stats.ttest_1samp(each, 0)
    assert table.loc["soft", "slope"] == pytest.approx(np.mean(each))
    assert table.loc["soft", "p"] == pytest.approx(expected.pvalue)
    assert tuple(expected.confidence_interval()) == pytest.approx(
        tuple(table.loc["soft", ["low", "high"]])
    )
    assert table["left_out"].to_dict() == {"scaled-ce": 0, "soft": 0, "classical-teacher": 1}
    assert table["n"].to_dict() == {"scaled-ce": 12, "soft": 12, "classical-teacher": 11}


def test_efficiency_finds_a_known_factor() -> None:
    # One doubling of K is worth 0.05 here, and soft gains 0.05: half of the samples suffice.
    results = made_results(study=LONG)
    runs = results.runs.copy()
    runs["metric.test_accuracy"] = 0.5 + 0.05 * np.log2(runs["config.samples"] / 20)
    runs["metric.test_accuracy"] += 0.05 * (runs["arm"] == "soft")
    table = replace(results, runs=runs).efficiency()
    soft = table[table["arm"] == "soft"].set_index("samples")
    assert soft.loc[[20, 40, 80], "factor"].to_numpy() == pytest.approx(2, abs=1e-3)
    assert soft.loc[160, "bound"] == ">"
    noisy = made_results(study=LONG)
    wide = noisy.scores()
    cells = [f"samples={k}" for k in (20, 40, 80, 160)]
    base, ours = (wide[a].unstack("cell")[cells].to_numpy() for a in ("scratch", "soft"))
    expected = data_efficiency([20, 40, 80, 160], base, ours)
    found = noisy.efficiency()
    found = found[found["arm"] == "soft"]
    assert tuple(found["low"]) == expected.low
    assert tuple(found["high"]) == expected.high


def test_error_laws_recover_a_law_and_mark_what_was_not_run() -> None:
    results = made_results(study=LONG)
    runs = results.runs.copy()
    runs["metric.test_accuracy"] = 1 - (0.1 + 2 * runs["config.samples"] ** -0.7)
    runs.loc[runs["phase"] == "search", "metric.test_accuracy"] = np.nan
    exact = replace(results, runs=runs)
    table = exact.error_laws()
    assert table["exponent"].to_numpy() == pytest.approx(0.7, abs=1e-4)
    assert table["floor"].to_numpy() == pytest.approx(0.1, abs=1e-4)
    assert set(table["samples"]) == {320}
    assert table["error"].to_numpy() == pytest.approx(0.1 + 2 * 320**-0.7, abs=1e-5)
    assert table["extrapolated"].all()
    assert not exact.error_laws(at=100)["extrapolated"].any()
    assert made_results().error_laws().empty  # two K have no law


def test_cost_laws_recover_a_law_beyond_what_was_run() -> None:
    study = made_study(factors={"samples": (50, 100, 200)})
    results = made_results(study=study)
    runs = results.runs.copy()
    runs["cost.seconds_train"] = 0.2 + 0.003 * runs["config.samples"]
    table = replace(results, runs=runs).cost_laws()
    assert list(table["arm"]) == results.arms
    assert table["overhead"].to_numpy() == pytest.approx(0.2, rel=1e-6)
    assert table["predicted"].to_numpy() == pytest.approx(0.2 + 0.003 * 400, rel=1e-6)
    assert set(table["at"]) == {"samples = 400"}
    assert table["ratio"].isna().all()
    runs["config.qubits"] = np.where(runs["replicate"] % 2, 4, 6)
    runs["cost.seconds_train"] *= 1.5 ** (runs["config.qubits"] - 4)
    pure = runs.assign(
        **{"cost.seconds_train": runs["config.samples"] * 3.0 ** runs["config.qubits"]}
    )
    both = replace(results, runs=pure).cost_laws()
    assert both["ratio"].to_numpy() == pytest.approx(3, rel=1e-4)
    assert set(both["at"]) == {"qubits = 8, samples = 400"}


def test_a_cost_that_no_law_can_be_fitted_to_has_none() -> None:
    """A part of a run: two sizes vary, but not what their law makes of them."""
    results = made_results()
    depth = results.runs["config.samples"].map({50: 2, 100: 1})
    assert replace(results, runs=results.runs.assign(**{"config.depth": depth})).cost_laws().empty
    assert not results.cost_laws().empty


def test_epochs_are_those_of_the_curves() -> None:
    results = made_results({"soft": 0.1}, epochs=6)
    table = results.epochs(0.7).set_index(["cell", "arm"])
    row = table.xs(("samples=50", "soft"))
    curves = results.curves[
        (results.curves["phase"] == "confirm") & (results.curves["cell"] == "samples=50")
    ]
    first: dict[str, list[float]] = {"soft": [], "scratch": []}
    for (arm, _), own in curves.groupby(["arm", "replicate"]):
        if arm in first:
            reached = own.loc[own["metric.val_accuracy"] >= 0.7, "epoch"]
            first[str(arm)].append(float(reached.min()) if len(reached) else 6.0)
    assert row["epochs"] == pytest.approx(np.mean(first["soft"]))
    assert row["base_epochs"] == pytest.approx(np.mean(first["scratch"]))
    assert row["difference"] < 0
    assert (row["pairs"], row["limit"], row["declared"]) == (12, 6, False)
    claim = replace(CLAIM, metric="epochs_to_target", target=0.75, margin=None, controls=())
    declared = made_results(study=made_study(claims=(claim,))).epochs()
    assert declared["declared"].all()
    assert set(declared["target"]) == {0.75}
    default = results.epochs()
    base = curves[curves["arm"] == "scratch"].groupby("epoch")["metric.val_accuracy"].mean()
    target = default[default["cell"] == "samples=50"]["target"]
    assert target.to_numpy() == pytest.approx(0.95 * base.max())


def test_epochs_that_were_not_validated_do_not_count() -> None:
    results = made_results({"soft": 0.1}, epochs=6)
    curves = results.curves

    def validated(*epochs: int) -> pd.DataFrame:
        kept = curves["metric.val_accuracy"].where(curves["epoch"].isin(epochs))
        known = replace(results, curves=curves.assign(**{"metric.val_accuracy": kept}))
        return known.epochs(0.7)

    whole, some = results.epochs(0.7), validated(2, 4, 6)
    assert (some["limit"] == 6).all()
    for name in ("reached", "base_reached"):
        assert (some[name] <= whole[name]).all()
    confirm = curves[(curves["phase"] == "confirm") & curves["epoch"].isin((2, 4, 6))]
    for _, row in some.iterrows():
        own = confirm[(confirm["cell"] == row["cell"]) & (confirm["arm"] == row["arm"])]
        reached = own["epoch"].where(own["metric.val_accuracy"] >= 0.7, 6)
        assert row["epochs"] == pytest.approx(reached.groupby(own["replicate"]).min().mean())
    assert validated(6).empty  # when they got there, nobody knows


def test_verdicts_are_the_numbers_behind_the_claims() -> None:
    results = without(made_results(), cell="samples=50", arm="soft", replicate=1003)
    table = results.verdicts()
    assert list(table["where"]) == ["all", "samples=50", "samples=100", "control", "control"]
    wide = results.scores()
    gains = (wide["soft"] - wide["scratch"]).unstack("cell").dropna().mean(axis=1)
    overall = table.iloc[0]
    assert (overall["pairs"], overall["left_out"]) == (11, 1)
    assert overall["difference"] == pytest.approx(gains.mean())
    interval = stats.ttest_1samp(gains, 0).confidence_interval()
    assert tuple(interval) == pytest.approx((overall["low"], overall["high"]))
    sides = [stats.ttest_1samp(gains, end, alternative=a).pvalue for end, a in MARGINS]
    assert overall["p_margin"] == pytest.approx(max(sides))
    assert list(table["left_out"]) == [1, 1, 0, 1, 1]
    assert overall["verdict"] == results.judge()[0].status


MARGINS: list[tuple[float, Any]] = [(-0.005, "greater"), (0.005, "less")]


def test_the_other_methods_call_their_functions(tmp_path: Any) -> None:
    results = made_results()
    assert len(results.best()) == 8
    assert set(results.importance(pooled=True)["cell"]) == {"all cells"}
    assert results.budget()["configurations"].sum() == results.convergence().shape[0]
    assert results.pareto()["on_front"].any()
    assert isinstance(results.pareto("cost.gates"), pd.DataFrame)
    assert "gain-samples" in results.figures()
    assert results.report(tmp_path).read_text().startswith("<!doctype html>")


def test_every_dataset_has_a_pareto_front_of_its_own() -> None:
    """xor4 scores more than digits everywhere: one front would leave digits out."""
    factors = {"dataset": ("digits", "xor4"), "weight_soft": (1.0, 2.0)}
    search = {"learning_rate": LogFloat(1e-3, 1e-1)}
    study = made_study(factors=factors, search=search, arms=("scratch", "soft"), claims=())
    results = made_results(study=study)
    runs = results.runs
    small = (runs["arm"] == "soft") & runs["cell"].str.contains("weight_soft=1.0")
    scratch = runs["arm"] == "scratch"  # a row for both weights of a dataset
    assert not runs[scratch]["cell"].str.contains("weight_soft").any()
    score = np.where(small, 0.7, np.where(scratch, 0.78, 0.75))
    score += 0.1 * runs["cell"].str.contains("xor4")
    costs = {"cost.parameters": np.where(small, 10, 50), "metric.test_accuracy": score}
    found = replace(results, runs=runs.assign(**costs)).pareto()
    front = found[found["on_front"]]
    assert list(zip(front["cell"], front["arm"], strict=True)) == [
        ("dataset=digits,weight_soft=1.0", "soft"),
        ("dataset=xor4,weight_soft=1.0", "soft"),
        ("dataset=digits,weight_soft=1.0", "scratch"),
        ("dataset=xor4,weight_soft=1.0", "scratch"),
    ]
    assert found["arm"].value_counts().to_dict() == {"soft": 4, "scratch": 2}


def test_a_run_without_validation_samples_has_a_report(tmp_path: Path) -> None:
    none = {"validation_samples": 0, "epoch_choice": "last"}
    results = made_results(study=made_study(search={}, fixed=none))
    gone = {"metric.val_accuracy": np.nan, "metric.val_f1_macro": np.nan}
    runs, curves = results.runs.assign(**gone), results.curves
    curves = curves.assign(**{"metric.val_accuracy": np.nan})
    results = replace(results, runs=runs, curves=curves)
    assert [one.status for one in results.judge()] == ["supported"]
    page = results.report(tmp_path).read_text()
    assert ">nan<" not in page
    assert chosen_row(results, "samples=50", "soft", None, best=False)["replicate"] == 1000
    with pytest.raises(InputError, match="no validation samples, on which the best cell and arm"):
        chosen_row(results, None, None, None, best=True)
