"""Arms that compare what cannot be compared are refused; the default arms can be."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from qkd_study import (
    Arrays,
    Choice,
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    ConvNet,
    Convolution,
    Ensemble,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    InputError,
    Mlp,
    Own,
    QuantumToClassical,
    QuantumToQuantum,
    Quanvolution,
    SelfDistillation,
    Study,
)
from qkd_study.data import load
from qkd_study.planning.plan import make_plan
from qkd_study.study.setting import Setting
from tests.planning.refusals import refused

pytestmark = pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")


# Teachers and students that cannot be compared


@pytest.mark.parametrize("arm", ["features", "soft+features", "shuffled-features"])
@pytest.mark.parametrize(
    ("setting", "student", "teacher"),
    [
        (ClassicalToClassical(Mlp((6,)), Mlp((5,))), "(5,)", "(6,)"),
        (ClassicalToHybrid(), "(6,)", "(18,)"),
        (ClassicalToQuantum(), "(64,)", "(18,)"),
        (ClassicalToHybrid(student=HybridImage()), "(6,)", "(18,)"),
        (ClassicalToClassical(ConvNet(), Convolution()), "(3, 4, 4)", "(16, 2, 2)"),
        (
            ClassicalToClassical(Ensemble(Mlp((6,))), Mlp((5,))),
            "Mlp, are of shape (5,)",
            "Ensemble, of shape (6,)",
        ),
    ],
)
def test_features_of_different_shapes(setting: Any, student: str, teacher: str, arm: str) -> None:
    for shape in (student, teacher):
        refused(shape, setting, arm, fixed={"qubits": 6})
    refused(f"arm '{arm}' compares feature maps", setting, arm, fixed={"qubits": 6})


def test_features_of_circuits_of_different_sizes() -> None:
    refused(
        "student, HybridCircuit, are of shape (3,) and those of the teacher, HybridCircuit, of "
        "shape (6,)",
        QuantumToQuantum(),
        "features",
        fixed={"qubits": 3, "teacher_qubits": 6, "reduction": "average"},
    )


@pytest.mark.parametrize(
    ("setting", "fixed", "message"),
    [
        (
            QuantumToQuantum(),
            {"qubits": 4, "teacher_qubits": 6, "reduction": "average"},
            "the student has qubits=4 and the teacher qubits=6: they must be equal",
        ),
        (ClassicalToHybrid(), {"qubits": 6}, "compares quantum states, but Mlp has no final"),
        (QuantumToClassical(), {}, "compares quantum states, but Convolution has no final"),
        (SelfDistillation(Quanvolution()), {}, "but Quanvolution has no final state"),
        (
            ClassicalToHybrid(Ensemble(HybridCircuit())),
            {"qubits": 6},
            "but Ensemble has no final state",
        ),
    ],
)
def test_fidelity_of_what_has_no_states_of_one_size(
    setting: Any, fixed: dict[str, Any], message: str
) -> None:
    refused(message, setting, "fidelity", fixed=fixed)


@pytest.mark.parametrize(
    "setting",
    [
        ClassicalToHybrid(),
        ClassicalToQuantum(),
        ClassicalToClassical(),
        SelfDistillation(),
        QuantumToQuantum(classical=None),
    ],
)
def test_no_classical_teacher_without_a_counterpart(setting: Any) -> None:
    refused(
        f"arm 'classical-teacher' asks for a classical teacher in place of the quantum one, but "
        f"the setting ({setting.kind}) has none",
        setting,
        "classical-teacher",
        fixed={"qubits": 6},
    )


@pytest.mark.parametrize(
    ("setting", "arm", "fixed", "message"),
    [
        (
            ClassicalToHybrid(),
            "kernel-teacher",
            {"qubits": 6},
            "asks for another teacher in place of the quantum one, but the setting (classical to "
            "hybrid) has none: its teacher is classical already. Arms with another teacher that it "
            "has: random-teacher, self-teacher.",
        ),
        (
            QuantumToQuantum(HybridImage(), None),
            "quadratic-teacher",
            {},
            "has none: there is none for HybridImage. Arms with another teacher that it has: "
            "separable-teacher, matched-teacher, kernel-teacher, random-teacher, self-teacher.",
        ),
        (
            QuantumToQuantum(),
            "surrogate-teacher",
            {"qubits": 6},
            "but here embedding='amplitude', of which a circuit computes a quadratic form. Take "
            "quadratic-teacher or quadratic-student, or embedding='angle'.",
        ),
        (
            QuantumToQuantum(),
            "quadratic-teacher",
            {"reduction": "linear"},
            "a reduction that is not trained, but got embedding='amplitude', reduction='linear'",
        ),
        (
            QuantumToQuantum(),
            "surrogate-teacher",
            {"qubits": 9, "reduction": "average", "embedding": "angle"},
            "Polynomial would have 19,682 products of features, more than 10,000",
        ),
        (
            QuantumToQuantum(),
            "separable-teacher",
            {"qubits": 1, "reduction": "average", "embedding": "angle"},
            "needs qubits >= 2, but got qubits=1",
        ),
        (
            QuantumToQuantum(FullyQuantum(), None),
            "matched-teacher",
            {"qubits": 4, "reduction": "average"},
            "no classical model has the 8 parameters of the quantum one within 5%, as "
            "matched-teacher or matched-student needs it",
        ),
        (
            QuantumToClassical(),
            "separable-student",
            {},
            "asks for a separable student in place of the quantum one, but the setting (quantum to "
            "classical) has none: its student is classical already. Arms with another student that "
            "it has: none.",
        ),
        (
            ClassicalToHybrid(student=HybridImage()),
            "quadratic-student",
            {},
            "has none: there is none for HybridImage. Arms with another student that it has: "
            "separable-student, matched-student.",
        ),
    ],
)
def test_a_stand_in_without_a_meaning(
    setting: Any, arm: str, fixed: dict[str, Any], message: str
) -> None:
    refused(message, setting, arm, fixed=fixed)


def test_every_activation_that_is_searched_needs_a_network_of_that_size() -> None:
    rng = np.random.default_rng(0)
    data = Arrays("eight", rng.random((900, 8)), np.arange(900) % 2)

    def plan(*activations: str) -> int:
        study = Study(
            question="?",
            setting=ClassicalToHybrid(),
            datasets=(data,),
            arms=("scratch", "effective-student"),
            fixed={"qubits": 3, "depth": 2},
            search={"activation": Choice(*activations)},
        )
        return make_plan(study, load(data)).runs

    assert plan("tanh", "relu") > 0
    with pytest.raises(InputError, match="effective-student with activation='identity' needs it"):
        plan("tanh", "identity")


# Defaults


def settings_there_are(of: type[Setting] = Setting) -> list[type[Setting]]:
    """Every setting that can be declared."""
    found = [kind for below in of.__subclasses__() for kind in settings_there_are(below)]
    return [*([] if inspect.isabstract(of) or of.__name__.startswith("_") else [of]), *found]


@pytest.mark.parametrize("kind", settings_there_are())
def test_a_study_of_any_setting_works_with_nothing_but_data(kind: type[Setting]) -> None:
    data = "digits" if kind is QuantumToClassical else "spirals"  # images; 16 features, 4 qubits
    study = Study(question="?", setting=kind(), datasets=(data,))
    assert make_plan(study, load(data)).runs == 23 * len(study.all_arms)
    names = ["scratch", "scaled-ce", "soft"]
    if kind in (QuantumToClassical, QuantumToQuantum, SelfDistillation):
        names.append("soft+features")
    assert [arm.name for arm in study.all_arms] == names


@pytest.mark.parametrize(
    ("setting", "fixed", "features"),
    [
        (QuantumToQuantum(), {"teacher_qubits": 5}, False),
        (QuantumToQuantum(), {"teacher_depth": 5}, True),
        (ClassicalToHybrid(teacher=Mlp((4,))), {}, True),
        (ClassicalToClassical(ConvNet(), Ensemble(ConvNet()).of), {}, True),
        (ClassicalToClassical(ConvNet(), Convolution()), {}, False),
        (ClassicalToClassical(Mlp(), Own(lambda *_: None)), {}, False),
        (ClassicalToClassical(Mlp(()), Mlp((64,))), {}, False),  # alike for 64 features alone
    ],
)
def test_feature_maps_are_compared_by_default_where_they_can_be(
    setting: Any, fixed: dict[str, Any], features: bool
) -> None:
    study = Study(question="?", setting=setting, fixed=fixed)
    assert ("soft+features" in [arm.name for arm in study.all_arms]) == features
