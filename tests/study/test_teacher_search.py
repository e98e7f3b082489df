"""What is searched for a teacher, once for all that it teaches, and what cannot be."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from qkd_study import (
    Arm,
    Choice,
    ClassicalToClassical,
    InputError,
    Int,
    LogFloat,
    QuantumToClassical,
    QuantumToQuantum,
    Replicates,
    SelfDistillation,
    Study,
    StudyWarning,
)
from qkd_study.data import load
from qkd_study.distill import TeacherSpec
from qkd_study.planning.plan import make_plan
from qkd_study.study.identity import fingerprint
from qkd_study.study.teacher_search import TeacherSearches, teacher_searches

RATE = {"teacher_learning_rate": LogFloat(1e-3, 1e-1)}
DIGITS = load("digits")


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "question": "?",
        "setting": QuantumToClassical(),
        "factors": {"samples": (20, 50), "temperature": (1.0, 4.0)},
        "arms": ("scratch", "soft", "soft+features", "classical-teacher", "random-teacher"),
        "teacher_search": RATE,
        "teacher_trials": 6,
    }
    return Study(**{**base, **changes})


def test_one_search_per_kind_of_teacher_and_what_it_reads() -> None:
    keys = [search.key for search in teacher_searches(study())]
    kinds = ("own", "classical", "random")
    assert keys == [(f"samples={k}", kind) for k in (20, 50) for kind in kinds]
    fixed = study(fixed={"teacher_samples": 100})  # no longer as many as the student's
    assert [search.key for search in teacher_searches(fixed)] == [("all", kind) for kind in kinds]
    plan = make_plan(study(), DIGITS)
    replicates = study().replicates
    assert plan.runs_teacher == 6 * 6 * replicates.search
    assert plan.runs == plan.runs_teacher + plan.runs_search + plan.runs_confirm
    # The search replicates of the best teacher are trained already.
    assert plan.teachers == plan.runs_teacher + 6 * replicates.confirm
    several = Replicates(search=2, searches=2, confirm=4)
    # Where nothing is searched, there is no second search.
    once = make_plan(study(replicates=several), DIGITS)
    assert once.teachers == once.runs_teacher + 6 * 4
    searched = study(replicates=several, search={"learning_rate": LogFloat(1e-3, 1e-1)})
    twice = make_plan(searched, DIGITS)
    assert twice.teachers == twice.runs_teacher + 6 * (2 + 4)
    assert study().with_fixed("teacher_learning_rate", 0.01).teacher_search == {}


@pytest.mark.parametrize("generations", [1, 2])
def test_a_student_finds_the_teacher_that_was_searched(generations: int) -> None:
    made = study(fixed={"generations": generations, "depth": 2})
    for cell in made.cells():
        for arm in made.all_arms[1:]:
            search = TeacherSearches(made).of(cell, arm)
            assert search is not None
            chosen = {"teacher_learning_rate": 0.02}
            of_search = search.config(made, chosen, "digits")
            of_student = made.config(cell, arm, chosen, "digits")
            one, other = (
                TeacherSpec(made.setting, a, config, DIGITS, 0)
                for a, config in ((search.arm, of_search), (arm, of_student))
            )
            assert one.recipe() == other.recipe()
            assert {vars(of_search)[name] for name in ("learning_rate", "temperature")} == {None}


def test_a_circuit_of_its_own_is_searched_for_a_teacher() -> None:
    made = Study(
        question="?",
        setting=QuantumToQuantum(),
        arms=("scratch", "soft"),
        teacher_search={"teacher_depth": Choice(1, 3)},
    )
    (search,) = teacher_searches(made)
    config = search.config(made, {"teacher_depth": 3}, "digits")
    assert (config.teacher_depth, config.depth) == (3, None)
    spec = TeacherSpec(made.setting, search.arm, config, DIGITS, 0)
    assert spec.recipe()["depth"] == 3


def test_a_teacher_like_another_student_is_another_teacher() -> None:
    twins = [
        Arm(f"twin-{student}", ("soft",), "self", student=student) for student in ("own", "matched")
    ]
    made = Study(
        question="?",
        setting=QuantumToQuantum(),
        fixed={"reduction": "pca"},
        arms=("scratch", *twins),
        teacher_search=RATE,
    )
    own, matched = teacher_searches(made)
    assert (own.arm.name, matched.arm.name) == ("self", "self-matched")
    models = [made.setting.teacher_of(search.arm) for search in (own, matched)]
    assert models == [made.setting.teacher_of(arm) for arm in made.all_arms[1:]]
    assert make_plan(made, DIGITS).taught == {"self": ["twin-own"], "self-matched": [twins[1].name]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ("scratch", "scaled-ce")}, "no arm of this study has one: scratch, scaled-ce"),
        (
            {"setting": ClassicalToClassical(), "teacher_search": {"depth": Int(1, 3)},
             "arms": ("scratch", "soft")},
            "teacher_search varies depth, which no teacher of this study reads. Allowed here: "
            "teacher_samples, teacher_learning_rate, teacher_epochs",
        ),
        (
            {"setting": SelfDistillation(), "teacher_search": {"depth": Int(1, 3)},
             "arms": ("scratch", "soft")},
            "teacher_search varies depth, which students read too",
        ),
        ({"teacher_search": {"learning_rate": LogFloat(1e-3, 1)}}, "which no teacher of this"),
        ({"search": RATE}, "stands in both search and teacher_search"),
        (
            {"search": {"teacher_epochs": Int(5, 9)}},
            "search varies teacher_epochs, on which the teacher of arm 'soft' depends",
        ),
        ({"teacher_search": {"teacher_learning_rate": 0.1}}, r"teacher_search\['teacher_learn"),
        ({"teacher_search": RATE, "teacher_trials": 0}, "teacher_trials must be an integer from 1"),
        ({"fixed": {"validation_samples": 0}}, "validation_samples"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        study(**changes)


def test_a_control_that_is_not_tuned_is_named() -> None:
    with pytest.warns(StudyWarning, match="the classical teacher reads nothing of teacher_search"):
        study(teacher_search={"depth": Int(1, 2)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study()


def test_more_trials_of_teachers_are_another_run() -> None:
    """The students' rows are of the best teacher of those that were tried."""
    prints = [fingerprint(study(teacher_trials=n, trials=n), "data") for n in (5, 6)]
    assert prints[0] != prints[1]
    without = [study(teacher_search={}, teacher_trials=n) for n in (5, 6)]
    assert fingerprint(without[0], "data") == fingerprint(without[1], "data")


def test_the_page_on_tuned_teachers_counts_right() -> None:
    page = (Path(__file__).parents[2] / "docs" / "teachers.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    there: dict[str, Any] = {}
    exec(code, there)
    assert len(teacher_searches(there["study"])) == 3 * 2
    assert "here 3 kinds times 2 values of `teacher_samples`" in page
