"""The teachers that were searched, in a table and in the report."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest

from qkd_study import LogFloat
from qkd_study.analysis import Results
from qkd_study.analysis.report.build import section
from qkd_study.results.schema import schema
from qkd_study.study.teacher_search import teacher_searches
from tests.analysis.made import made_results, made_study

#: Validation accuracies of the trials of the quantum and of the classical teacher.
SCORES = {"own": (0.5, 0.7, 0.6), "classical": (0.8, 0.8, 0.1)}
RATES = (0.01, 0.0011, 0.05)


def tuned() -> Results:
    """Two kinds of teachers in each of two cells; the classical one failed once."""
    study = made_study(
        teacher_search={"teacher_learning_rate": LogFloat(1e-3, 1e-1)}, teacher_trials=3
    )
    results = made_results(study=study)
    rows: list[dict[str, Any]] = []
    for search in teacher_searches(study):
        for trial, score in enumerate(SCORES[search.arm.name]):
            config = search.config(study, {"teacher_learning_rate": RATES[trial]}, "digits")
            failed = score == 0.1
            rows += [
                {
                    **dict.fromkeys(("study", "run_id"), "made"),
                    "phase": "teacher",
                    "cell": search.cell.key,
                    "arm": search.arm.name,
                    "trial": trial,
                    "replicate": replicate,
                    "status": "failed" if failed else "ok",
                    **{f"config.{name}": value for name, value in vars(config).items()},
                    "metric.val_accuracy": None if failed else score + (-0.02, 0.02)[replicate],
                    "metric.teacher_val_ece": None if failed else score / 10,
                    "cost.seconds_total": 2.0,
                }
                for replicate in range(2)
            ]
    runs = results.runs.copy()
    confirm = runs["phase"] == "confirm"
    for arm, value in (("soft", 0.65), ("classical-teacher", 0.75)):
        of = confirm & (runs["arm"] == arm)
        runs.loc[of, "metric.teacher_test_accuracy"] = value + 0.001 * (runs["replicate"] % 1000)
        runs.loc[of, "metric.teacher_entropy"] = 2 * value
    more = pd.DataFrame(rows).reindex(columns=schema("runs").names)
    plan = {
        **results.manifest["plan"],
        "teacher_searches": [
            {
                "cell": s.cell.key,
                "arm": s.arm.name,
                "values": dict(s.cell.values),
                "arms": {"own": ["soft"], "classical": ["classical-teacher"]}[s.arm.name],
            }
            for s in teacher_searches(study)
        ],
    }
    return dataclasses.replace(
        results,
        manifest={**results.manifest, "plan": plan},
        runs=pd.DataFrame([*runs.to_dict("records"), *more.to_dict("records")]),
    )


def test_the_best_configuration_of_each_teacher() -> None:
    results = tuned()
    found = results.teachers().set_index(["cell", "teacher"])
    assert list(found.index) == [
        (f"samples={k}", kind) for k in (50, 100) for kind in ("own", "classical")
    ]
    own: Any = found.loc[("samples=50", "own")]
    classical: Any = found.loc[("samples=50", "classical")]
    assert (own["trial"], own["config.teacher_learning_rate"]) == (1, 0.0011)
    assert own["val_accuracy"] == pytest.approx(0.7)
    assert own["val_ece"] == pytest.approx(0.07)
    assert own["at_edge"] == ("teacher_learning_rate",)
    assert (own["configurations"], own["complete"], own["failed"]) == (3, 3, 0)
    assert own["seconds"] == 3 * 2 * 2.0
    assert (own["test_n"], own["test_accuracy"]) == (12, pytest.approx(0.65 + 0.001 * 5.5))
    assert own["entropy"] == pytest.approx(1.3)
    assert (classical["trial"], classical["failed"]) == (0, 1)  # the first of equals
    assert classical["test_accuracy"] == pytest.approx(0.75 + 0.001 * 5.5)


def test_the_report_shows_them_and_students_are_left_alone() -> None:
    results, without = tuned(), made_results()
    part = next(p for p in section(results).parts if p.title == "The teachers")
    assert "3 configurations of 2 replicates" in part.lines[0]
    assert "somewhere: teacher_learning_rate" in part.lines[1]
    (table,) = part.tables
    names = [column.name for column in table.columns]
    assert {"failed", "test accuracy, %", "teacher_learning_rate"} <= set(names)
    assert "complete" in names
    assert [row[names.index("validation accuracy, %")].shown for row in table.rows] == [
        "70.0", "80.0", "70.0", "80.0"
    ]  # fmt: skip
    pd.testing.assert_frame_equal(results.best(), without.best(), check_like=True)
    pd.testing.assert_frame_equal(results.comparison(), without.comparison())
    assert "The teachers" not in [p.title for p in section(without).parts]
    assert without.teachers().empty


def test_before_any_confirmation_nothing_of_the_test_is_said() -> None:
    results = tuned()
    before = dataclasses.replace(results, runs=results.runs[results.runs["phase"] != "confirm"])
    assert before.teachers()["test_accuracy"].isna().all()
    empty = dataclasses.replace(results, runs=results.runs.iloc[:0])
    assert (empty.teachers()["configurations"] == 0).all()
