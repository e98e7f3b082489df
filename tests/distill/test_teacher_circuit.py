"""A quantum teacher with an ansatz and an embedding of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch

from qkd_study.common.errors import InputError, StudyWarning
from qkd_study.data import Arrays, load
from qkd_study.distill import TeacherSpec, TeacherStore, run
from qkd_study.models import build_model
from qkd_study.study import (
    ClassicalToHybrid,
    Mlp,
    QuantumToQuantum,
    SelfDistillation,
    Study,
)
from qkd_study.study.config import Config
from qkd_study.study.identity import fingerprint
from qkd_study.study.setting import Setting

PIXELS = np.random.default_rng(0).random((60, 4, 4))
IMAGES = load(Arrays("made", PIXELS, np.arange(60) % 3, test_share=0.2))
QUICK: dict[str, Any] = {
    "samples": 6,
    "validation_samples": 10,
    "epochs": 1,
    "teacher_epochs": 1,
    "qubits": 2,
    "reduction": "average",
}
OWN: dict[str, Any] = {"teacher_ansatz": "strongly-entangling", "teacher_embedding": "angle"}


def study_of(setting: Setting, *arms: str, **fixed: Any) -> Study:
    return Study(question="?", setting=setting, arms=arms, fixed={**QUICK, **fixed}, name="x")


def config_of(study: Study, arm: str) -> Config:
    return study.config(study.cells()[0], study.arm(arm), {}, "made")


def teacher_of(study: Study, arm: str = "soft") -> TeacherSpec:
    return TeacherSpec.of(study.setting, study.arm(arm), config_of(study, arm), IMAGES, 0)


def test_each_has_its_own_ansatz_and_embedding(tmp_path: Path) -> None:
    study = study_of(QuantumToQuantum(), "soft", **OWN, teacher_depth=2)
    config = config_of(study, "soft")
    assert (config.ansatz, config.embedding) == ("hardware-efficient", "amplitude")
    assert (config.teacher_ansatz, config.teacher_embedding) == ("strongly-entangling", "angle")
    result = run(
        study.setting, study.arm("soft"), config, IMAGES, TeacherStore(tmp_path), replicate=0,
        test=True,
    )  # fmt: skip
    assert result.costs["parameters"] == 2 * 2 * 1 + (2 + 1) * 3
    assert result.costs["teacher_parameters"] == 3 * 2 * 2 + (2 + 1) * 3


def test_the_teachers_circuit_gives_what_default_qubit_does() -> None:
    spec = teacher_of(study_of(QuantumToQuantum(), "soft", **OWN))
    teacher: Any = spec.build()
    images = torch.from_numpy(IMAGES.test_inputs())
    found = teacher(teacher.prepare(images)).features.detach().numpy()
    (angles,) = (p for name, p in teacher.named_parameters() if "head" not in name)

    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(features: Any, weights: Any) -> Any:
        for wire, feature in enumerate(features):
            qml.RY(feature * math.pi / 2, wires=wire)
        qml.StronglyEntanglingLayers(weights, wires=range(2))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

    weights = angles.detach().double().numpy().reshape(1, 2, 3)
    halves = images.double().unflatten(2, (2, 2)).mean((1, 3)).numpy()
    expected = np.array([circuit(one, weights) for one in halves])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_students_are_the_default() -> None:
    unset = study_of(QuantumToQuantum(), "soft", embedding="angle", ansatz="brickwork")
    said = {"teacher_embedding": "angle", "teacher_ansatz": "brickwork"}
    same = study_of(QuantumToQuantum(), "soft", embedding="angle", ansatz="brickwork", **said)
    assert config_of(unset, "soft") == config_of(same, "soft")
    assert teacher_of(unset).name() == teacher_of(same).name()
    other = study_of(QuantumToQuantum(), "soft", embedding="angle", **said)
    assert teacher_of(other).name() == teacher_of(same).name()  # the student's ansatz is not its


def test_runs_that_do_not_set_them_go_on() -> None:
    """The fingerprints are those of the version before there were these parameters."""
    before = {
        QuantumToQuantum(): "8a92b60bcab15531ea7678673859833a2d3278e7da47285159c60360db2f70a2",
        ClassicalToHybrid(): "98a4a9a821f226d28a763d0a73e9e81dce8261cdb0ca1323da0a2b380c9849e6",
    }
    for setting, known in before.items():
        made = Study(question="?", setting=setting, name="x")
        assert fingerprint(made, "digest") == known
        assert fingerprint(made.with_fixed("teacher_ansatz", "random"), "digest") != known


@pytest.mark.parametrize(
    ("setting", "arm"),
    [
        (ClassicalToHybrid(Mlp((4,))), "soft"),
        (QuantumToQuantum(), "scratch"),
        (QuantumToQuantum(), "classical-teacher"),
        (QuantumToQuantum(), "self-teacher"),
        (SelfDistillation(), "soft"),
    ],
)
def test_they_are_null_where_no_teacher_reads_them(setting: Setting, arm: str) -> None:
    config = config_of(study_of(setting, arm, embedding="amplitude", **OWN), arm)
    assert (config.teacher_ansatz, config.teacher_embedding) == (None, None)
    assert config.angle_range is None


@pytest.mark.parametrize(
    ("embedding", "teachers", "read"),
    [
        ("amplitude", "amplitude", False),
        ("amplitude", "angle", True),
        ("angle", "amplitude", True),
        ("basis", "amplitude", False),
    ],
)
def test_the_angle_range_is_read_if_either_embeds_angles(
    embedding: str, teachers: str, read: bool
) -> None:
    study = study_of(QuantumToQuantum(), "soft", embedding=embedding, teacher_embedding=teachers)
    assert (config_of(study, "soft").angle_range is not None) == read
    student: Any = build_model(
        study.setting.student_model, config_of(study, "soft"), IMAGES.shape, 3, seed=0
    )
    assert student is not None
    assert teacher_of(study).build() is not None


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        (
            {"teacher_ansatz": "ring"},
            "teacher_ansatz must be one of 'hardware-efficient', .*, but got",
        ),
        ({"teacher_embedding": "iqp"}, "teacher_embedding must be one of 'auto', .*, but got"),
        (
            {"teacher_ansatz": "arbitrary", "teacher_qubits": 4},
            "ansatz='arbitrary' needs qubits <= 3 .* This is about HybridCircuit, the teacher of "
            "arm 'soft', whose circuit teacher_qubits, .*teacher_ansatz, teacher_embedding set",
        ),
        (
            {"teacher_embedding": "basis", "teacher_reduction": "linear"},
            "passes no gradient to reduction='linear'.* the teacher of arm 'soft'",
        ),
    ],
)
def test_what_a_teacher_cannot_have_is_refused(fixed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        study_of(QuantumToQuantum(), "soft", **fixed)


def test_a_factor_that_no_teacher_reads_is_named() -> None:
    with pytest.warns(StudyWarning, match="no arm of this study reads teacher_ansatz"):
        Study(
            question="?",
            setting=SelfDistillation(),
            factors={"teacher_ansatz": ("brickwork", "random")},
        )
