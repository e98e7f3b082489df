"""What the report says beside its verdicts, and only where the tables support it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qkd_study.analysis import Results
from qkd_study.analysis.report.build import section
from qkd_study.analysis.report.page import Section, Table
from tests.analysis.made import made_results, made_study


def table(found: Section, title: str) -> Table:
    return next(t for part in found.parts for t in part.tables if t.title == title)


def values(found: Table, heading: str) -> list[object]:
    at = [column.name for column in found.columns].index(heading)
    return [row[at].value for row in found.rows]


@pytest.fixture(scope="module")
def results() -> Results:
    return made_results(study=made_study(factors={"samples": (20, 40, 80)}))


@pytest.fixture(scope="module")
def found(results: Results) -> Section:
    return section(results)


def test_the_parts_stand_in_order(found: Section) -> None:
    titles = [part.title for part in found.parts]
    assert titles == [
        "Scores and gains",
        "What a gain is worth in samples",
        "How soon a target is reached",
        "What the replicates could find",
        "Scaling laws",
        "The search",
    ]
    assert [t.title for part in found.parts for t in part.tables] == [
        "Scores on the test set",
        "The claims, contrast by contrast",
        "Gains by other methods",
        "Contrasts by other methods",
        "Gains over all cells",
        "Whether training was long enough",
        "Data-efficiency factor",
        "Gain per doubling of the training samples K",
        "Epochs to a target",
        "Power",
        "Error against training samples",
        "Time to train a student",
        "Peak memory of the worker",
        "Best configuration per cell and arm",
        "Importance of parameters",
        "Budget and convergence",
    ]


def test_tables_show_the_numbers_of_the_analyses(results: Results, found: Section) -> None:
    scores, gains = table(found, "Scores on the test set"), results.comparison()
    shown = [v for v in values(scores, "from") if v != ""]
    assert shown == pytest.approx((100 * gains["low"].dropna()).tolist())
    assert scores.note.endswith("The same in all rows: n 12, pairs 12, left out 0.")
    other = table(found, "Gains by other methods")
    shown = [v for v in values(other, "BCa to") if v != ""]
    assert shown == pytest.approx((100 * gains["bca_high"].dropna()).tolist())
    laws = table(found, "Error against training samples")
    assert set(values(laws, "that K was")) == {"not run"}
    expected = (100 * results.error_laws()["error"]).tolist()
    assert values(laws, "error at K = 160, %") == pytest.approx(expected)
    best = table(found, "Best configuration per cell and arm")
    assert values(best, "cell")[0] == "samples=20"  # as declared, not by the alphabet
    assert values(best, "arm")[:4] == results.arms
    budget = table(found, "Budget and convergence")
    assert set(values(budget, "configurations")) == {4}
    claims = table(found, "The claims, contrast by contrast")
    # Made curves are straight lines: they rise to the end.
    assert values(claims, "verdict")[0] == f"{results.judge()[0].status}, undertrained"
    late = table(found, "Whether training was long enough")
    expected = (100 * results.undertraining()["rise"]).tolist()
    assert values(late, "gained in the last fifth, points") == pytest.approx(expected)
    assert set(values(late, "trained enough?")) == {"still rising"}


def test_words_lead_and_name_the_t_interval(results: Results, found: Section) -> None:
    overall = results.judge()[0].overall.paired
    assert overall is not None
    low, high = 100 * overall.t_low, 100 * overall.t_high
    said = f"(95 % interval {low:+.1f} to {high:+.1f} over replicates)"
    assert said in found.claims[0].lines[0]
    lines = {part.title: " ".join(part.lines) for part in found.parts}
    assert "which was not run" in lines["Scaling laws"]
    assert "With 12 pairs" in lines["What the replicates could find"]
    assert "of 12 searches the last third" in lines["The search"]
    assert "grow" in lines["What a gain is worth in samples"]
    assert "84 %" in " ".join(found.method)


def test_what_the_tables_do_not_support_is_not_there() -> None:
    study = made_study(factors={}, fixed={"samples": 50}, search={}, claims=())
    results = made_results(study=study)
    part = section(replace(results, curves=results.curves.iloc[:0]))
    titles = [t.title for p in part.parts for t in p.tables]
    scores = ["Scores on the test set", "Gains by other methods"]
    assert titles == [*scores, "Power", "Budget and convergence"]
    assert "declares no claims" in part.summary[0]
