"""As many teachers are trained as were counted."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from qkd_study import (
    Arm,
    ClassicalToHybrid,
    ClassicalToQuantum,
    Ensemble,
    Float,
    Int,
    LogFloat,
    Mlp,
    QuantumToClassical,
    QuantumToQuantum,
    Replicates,
    SelfDistillation,
    Study,
)
from qkd_study.data import load
from qkd_study.distill import TeacherSpec, TeacherStore
from qkd_study.planning.plan import make_plan
from tests.planning.refusals import images

pytestmark = pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")


SMALL = images(4, 4)
PER_TEACHER = 1 + 2


def small(setting: Any, *arms: Arm | str, **changes: Any) -> Study:
    """A study of one search replicate and two of the confirmation."""
    fixed: dict[str, Any] = {
        "samples": 6,
        "teacher_samples": 8,
        "validation_samples": 10,
        "epochs": 1,
        "teacher_epochs": 1,
    }
    elsewhere = {*changes.get("factors", {}), *changes.get("search", {})}
    fixed = {**fixed, **changes.pop("fixed", {})}
    return Study(
        question="?",
        setting=setting,
        datasets=(SMALL,),
        arms=arms,
        fixed={name: value for name, value in fixed.items() if name not in elsewhere},
        replicates=Replicates(search=1, confirm=2),
        **changes,
    )


#: What is declared, and how many teachers there are by hand, per replicate.
COUNTED: dict[str, tuple[Study, int]] = {
    "no teacher": (small(ClassicalToHybrid(), "scratch", "label-smoothing"), 0),
    "one": (small(ClassicalToHybrid(), "scratch", "soft"), 1),
    "arms of one teacher": (
        small(ClassicalToHybrid(), "soft", "decoupled", "relational", "shuffled-labels"),
        1,
    ),
    "arms of different teachers": (
        small(QuantumToClassical(), "soft", "classical-teacher", "random-teacher", "self-teacher"),
        # The convolution is the classical counterpart and the student itself: one teacher.
        3,
    ),
    "a classical teacher of circuits of many sizes": (
        small(ClassicalToHybrid(), "soft", factors={"qubits": (4, 5), "depth": (1, 2)}),
        1,
    ),
    "a quantum teacher of many sizes": (
        small(QuantumToClassical(), "soft", factors={"qubits": (2, 4), "depth": (1, 2)}),
        4,
    ),
    "students of many sizes and one larger teacher": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"qubits": (2, 3), "depth": (1, 2)},
            fixed={"teacher_qubits": 4, "teacher_depth": 2, "reduction": "max"},
        ),
        1,
    ),
    "teachers of many sizes": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"teacher_qubits": (3, 4), "teacher_depth": (1, 2, 3)},
            fixed={"qubits": 2, "reduction": "max"},
        ),
        6,
    ),
    "teachers of several reductions, students of one": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"teacher_reduction": ("pca", "max", "linear")},
            fixed={"teacher_qubits": 4, "qubits": 2, "reduction": "max"},
        ),
        3,
    ),
    "students of several reductions and one teacher": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"reduction": ("pca", "max", "linear")},
            fixed={"teacher_qubits": 4, "qubits": 2, "teacher_reduction": "max"},
        ),
        1,
    ),
    "teachers as large as their students": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"qubits": (2, 3)},
            fixed={"reduction": "max"},
        ),
        2,
    ),
    "teachers as deep as their students": (
        small(QuantumToQuantum(), "soft", factors={"depth": (1, 2)}),
        2,
    ),
    "the student's own size, said and not said": (
        small(QuantumToQuantum(), "soft", factors={"teacher_depth": (1, 2)}, fixed={"depth": 1}),
        2,
    ),
    "a circuit and one of its own size": (
        small(
            QuantumToQuantum(),
            "soft",
            "self-teacher",
            fixed={"teacher_qubits": 4, "teacher_depth": 1},
        ),
        1,
    ),
    "controls of circuits of many sizes": (
        small(
            QuantumToQuantum(),
            "soft",
            "self-teacher",
            "classical-teacher",
            factors={"qubits": (2, 3)},
            fixed={"teacher_qubits": 4, "reduction": "max"},
        ),
        1 + 2 + 1,
    ),
    "generations": (small(SelfDistillation(), "soft", fixed={"generations": 3}), 3),
    "numbers of generations": (
        # The first of two generations is the only one of one.
        small(SelfDistillation(), "soft", factors={"generations": (1, 2, 3)}),
        3,
    ),
    "self-distillation, where the teacher is the student anyway": (
        small(SelfDistillation(), "soft", "self-teacher"),
        1,
    ),
    "an ensemble": (small(ClassicalToHybrid(Ensemble(Mlp((3,)), members=4)), "soft"), 4),
    "an ensemble and a control": (
        small(ClassicalToHybrid(Ensemble(Mlp((3,)), members=4)), "soft", "self-teacher"),
        4 + 1,
    ),
    "generations of an ensemble": (
        small(ClassicalToHybrid(Ensemble(Mlp((3,)), members=2)), "soft", fixed={"generations": 2}),
        4,
    ),
    "data of teachers": (
        small(
            ClassicalToHybrid(),
            "soft",
            factors={"teacher_samples": (8, 16), "samples": (4, 6), "label_noise": (0.0, 0.5)},
        ),
        4,
    ),
    "students of many lessons": (
        small(ClassicalToHybrid(), "soft", factors={"epochs": (1, 2), "temperature": (1.0, 4.0)}),
        1,
    ),
    "devices of a classical teacher": (
        small(ClassicalToQuantum(), "soft", factors={"plan": ("matrix", "register")}),
        1,
    ),
}
NAMED = pytest.mark.parametrize(("study", "teachers"), COUNTED.values(), ids=COUNTED.keys())


def orders(study: Study) -> list[TeacherSpec]:
    """What every run of a study that searches nothing asks the store for."""
    dataset = load(SMALL)
    replicates = [*study.replicates.of_search, *study.replicates.of_confirm]
    return [
        TeacherSpec.of(
            study.setting, arm, study.config(cell, arm, {}, dataset.name), dataset, replicate
        )
        for cell, arm, replicate in itertools.product(study.cells(), study.all_arms, replicates)
        if arm.needs_teacher
    ]


@NAMED
def test_teachers_are_counted(study: Study, teachers: int) -> None:
    assert make_plan(study, load(SMALL)).teachers == teachers * PER_TEACHER


@NAMED
def test_as_many_teachers_are_trained_as_are_planned(
    study: Study, teachers: int, tmp_path: Path
) -> None:
    store = TeacherStore(tmp_path)
    for order in orders(study):
        store.get(order)
    trained = 0
    for path in tmp_path.glob("*.json"):  # one beside every teacher that was kept
        trained += json.loads(path.read_text())["model"].get("members", 1)
    assert trained == make_plan(study, load(SMALL)).teachers


def test_a_search_that_changes_the_teacher_counts_every_configuration() -> None:
    def teachers(setting: Any, **search: Any) -> int:
        study = small(setting, "soft", search=search, trials=5)
        return make_plan(study, load(SMALL)).teachers

    of_each, of_one = 5 * 1 + 2, PER_TEACHER
    learning = LogFloat(1e-3, 1e-1)
    assert teachers(ClassicalToHybrid(), learning_rate=learning) == of_one
    assert teachers(ClassicalToHybrid(), depth=Int(1, 3)) == of_one
    assert teachers(ClassicalToHybrid(), teacher_learning_rate=learning) == of_each
    assert teachers(QuantumToClassical(), depth=Int(1, 3)) == of_each
    assert teachers(QuantumToQuantum(), teacher_depth=Int(1, 3)) == of_each
    # The teacher is as deep as the student where nothing else is said.
    assert teachers(QuantumToQuantum(), depth=Int(1, 3)) == of_each


def test_a_searched_temperature_changes_the_teachers_that_were_taught() -> None:
    def teachers(**changes: Any) -> int:
        study = small(
            SelfDistillation(), "soft", search={"temperature": Float(1, 9)}, trials=5, **changes
        )
        return make_plan(study, load(SMALL)).teachers

    assert teachers() == PER_TEACHER
    assert teachers(fixed={"generations": 2}) == PER_TEACHER + 5 * 1 + 2
    assert teachers(factors={"generations": (1, 2)}) == PER_TEACHER + 5 * 1 + 2


def test_searched_generations_are_counted_at_most() -> None:
    study = small(SelfDistillation(), "soft", search={"generations": Int(1, 3)}, trials=1)
    # Every run may want three teachers in a row, and each replicate has its own.
    assert make_plan(study, load(SMALL)).teachers >= 3 * PER_TEACHER


def test_a_searched_teacher_is_shared_by_nobody_but_counted_per_arm() -> None:
    study = small(
        ClassicalToHybrid(), "soft", "decoupled", search={"teacher_epochs": Int(1, 9)}, trials=4
    )
    assert make_plan(study, load(SMALL)).teachers == 2 * (4 * 1 + 2)
