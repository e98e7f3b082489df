"""Every cell and every value of a search is checked; messages name the cell."""

from __future__ import annotations

from typing import Any

import pytest

from qkd_study import (
    Arm,
    Choice,
    ClassicalToClassical,
    ClassicalToHybrid,
    Int,
    Own,
    QuantumToQuantum,
    SelfDistillation,
    Study,
)
from qkd_study.data import load
from qkd_study.planning.plan import make_plan
from tests.planning.refusals import raises, refused, vector

pytestmark = pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")


# The cell in the message


@pytest.mark.parametrize(
    ("setting", "arm", "factors", "message", "cell"),
    [
        (
            ClassicalToHybrid(),
            "soft",
            {"qubits": (6, 5)},
            "qubits=5 takes 32 features",
            "qubits=5",
        ),
        (
            QuantumToQuantum(),
            "features",
            {"qubits": (6, 2), "reduction": ("average",)},
            "compares feature maps",
            "qubits=2,reduction=average",
        ),
        (
            ClassicalToClassical(student=Own(raises)),
            "scratch",
            {"epochs": (1, 2)},
            "no such thing",
            "epochs=1",
        ),
        (
            ClassicalToClassical(),
            Arm("mine", (vector,)),
            {"epochs": (1, 2)},
            "must give one finite number",
            "epochs=1",
        ),
    ],
    ids=["circuit", "features", "own model", "own term"],
)
def test_messages_name_the_cell(
    setting: Any, arm: Any, factors: dict[str, Any], message: str, cell: str
) -> None:
    fixed = {"teacher_qubits": 6}
    refused(message, setting, arm, factors=factors, fixed=fixed)
    refused(f"(cell {cell})", setting, arm, factors=factors, fixed=fixed)


# Every value that a search may suggest


@pytest.mark.parametrize(
    ("search", "fixed", "message"),
    [
        ({"qubits": Int(5, 6)}, {}, "qubits=5 takes 32 features"),
        (
            {"reduction": Choice("average", "none")},
            {"qubits": 4},
            "takes 16 features, but the samples have 64",
        ),
        (
            {"reduction": Choice("average", "linear")},
            {"qubits": 6, "embedding": "basis"},
            "embedding='basis' passes no gradient",
        ),
        (
            {"ansatz": Choice("brickwork", "arbitrary")},
            {"qubits": 4, "reduction": "average"},
            "ansatz='arbitrary' needs qubits <= 3",
        ),
        (
            {"depth": Int(1, 2)},
            {"qubits": 2, "reduction": "average", "ansatz": "arbitrary"},
            "ansatz='arbitrary' needs qubits <= 3 and depth=1, but got qubits=2, depth=2",
        ),
    ],
)
def test_every_value_of_a_search_is_checked(
    search: dict[str, Any], fixed: dict[str, Any], message: str
) -> None:
    refused(message, SelfDistillation(), "scratch", search=search, fixed=fixed)


def test_a_search_over_reductions_that_all_fit_is_accepted() -> None:
    study = Study(
        question="?",
        setting=ClassicalToHybrid(),
        arms=("soft",),
        search={"reduction": Choice("average", "max")},
        fixed={"qubits": 4, "samples": 20, "validation_samples": 50},
    )
    assert make_plan(study, load("digits")).trials == study.trials


def test_a_searched_teacher_of_other_qubits_has_no_fidelity() -> None:
    refused(
        "they must be equal",
        QuantumToQuantum(),
        "fidelity",
        search={"teacher_qubits": Int(4, 5)},
        fixed={"qubits": 4, "reduction": "average"},
    )
