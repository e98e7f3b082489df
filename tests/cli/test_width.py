"""`qkd-study plan --width`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from qkd_study import InputError, LogFloat, Replicates, Study
from qkd_study.analysis.claims.width import Needed
from qkd_study.cli.width import (
    Width,
    chosen_line,
    width_lines,
    width_of,
    width_table,
    with_width,
)
from qkd_study.data import load
from qkd_study.planning.plan import make_plan
from tests.analysis.made import CLAIM, made_results, made_study, written


def small(searches: int = 3) -> Study:
    return made_study(
        factors={},
        search={"learning_rate": LogFloat(1e-3, 1e-1)},
        arms=("scratch", "soft"),
        claims=(replace(CLAIM, controls=()),),
        trials=1,
        replicates=Replicates(search=1, confirm=12, searches=searches),
    )


def asked(width: float | None, run: str | None = None, replicates: int | None = None) -> Namespace:
    return Namespace(width=width, spreads_of=run, replicates=replicates)


@pytest.mark.parametrize("searches", [1, 3])
def test_a_width_is_planned_from_the_spreads_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searches: int
) -> None:
    monkeypatch.chdir(tmp_path)
    study = small(searches)
    written(made_results(study=study, search_noise=0.02, noise=0.02), tmp_path / "results")
    counted = make_plan(study, load("digits"))
    assert width_of(study, counted, asked(None)) is None
    found = width_of(study, counted, asked(2.0))
    assert found is not None
    (one,) = found.claims
    assert found.replicates is not None
    assert one.searches is not None
    assert one.replicates is not None
    chosen = found.replicates
    assert (chosen.searches, chosen.confirm) == (one.searches, one.searches * one.replicates)
    assert (chosen.searches > 1) == (searches > 1)
    assert with_width(study, found).replicates == chosen
    # 0.2 s a run: one search run, and a confirm run, of each of both arms.
    assert found.cost(2, 3) == pytest.approx(2 * (2 * 0.2 + 3 * 2 * 0.2))
    text = " ".join(width_table(found).lines(200))
    assert f"confirm={chosen.confirm}, searches={chosen.searches}" in text
    assert f"confirm={chosen.confirm}, searches={chosen.searches}" in chosen_line(found)
    assert found.as_json()["confirm"] == chosen.confirm
    alone = "that run has one search per cell and arm"
    assert (alone in " ".join(width_lines(found))) == (searches == 1)


def test_claims_over_datasets_need_more_datasets() -> None:
    one = Needed("one", None)
    found = Width("run", 1, 2.0, [one], None, (0.0, 0.0), ("Everywhere.",))
    text = " ".join(width_table(found).lines(200))
    assert "more datasets, not more runs" in text
    assert found.as_json()["over_datasets"] == ["Everywhere."]


def test_what_no_width_can_be_planned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = small()
    counted = make_plan(study, load("digits"))
    results = made_results(study=study)
    search = replace(results, runs=results.runs[results.runs["phase"] == "search"])
    cases = [
        (study, asked(0.0), "above 0 and at most 100 percentage points, but got 0.0"),
        (study, asked(float("nan")), "but got nan"),
        (study, asked(2.0, replicates=5), "give one of the two"),
        (study, asked(None, "made"), "so give --width"),
        (study.replaced(claims=()), asked(2.0), "needs a claim about an accuracy"),
        (study, asked(2.0, "nothing"), "nothing"),
    ]
    for of, options, message in cases:
        with pytest.raises(InputError, match=message):
            width_of(of, counted, options)
    written(search, tmp_path / "results")
    over = replace(CLAIM, controls=(), over="datasets")
    only = study.replaced(factors={"dataset": ("digits", "xor4")}, claims=(over,))
    with pytest.raises(InputError, match="all claims about an accuracy are over datasets"):
        width_of(only, counted, asked(2.0))
    with pytest.raises(InputError, match="no confirm rows yet"):
        width_of(study, counted, asked(2.0))
