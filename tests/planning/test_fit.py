"""Samples, circuits and memory that do not fit together are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from qkd_study import (
    AlexNet,
    Arrays,
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
    LeNet,
    Mlp,
    QuantumToClassical,
    QuantumToQuantum,
    Quanvolution,
    SelfDistillation,
    Study,
    Subset,
)
from qkd_study.common.memory import circuit_bytes
from qkd_study.data import DataSource, load
from qkd_study.models import build_model
from qkd_study.planning.checks import check_study
from qkd_study.planning.plan import make_plan
from tests.planning.refusals import images, refused

pytestmark = pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")


# Circuits that samples do not fit into


@pytest.mark.parametrize("setting", [SelfDistillation(), ClassicalToQuantum()])
@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        (
            {"qubits": 5},
            "amplitude embedding on qubits=5 takes 32 features, but the samples have 64: choose "
            "another number of qubits, or a reduction ('linear', 'average', 'max', 'crop', 'pca').",
        ),
        ({"qubits": 10, "embedding": "angle"}, "takes 10 features, but the samples have 64"),
        ({"qubits": 10, "embedding": "basis"}, "basis embedding on qubits=10 takes 10 features"),
        (
            {"qubits": 7, "reduction": "linear"},
            "takes 128 features: a reduction to 128 features of samples that have 64. Choose other",
        ),
        ({"qubits": 7, "reduction": "pca"}, "a reduction to 128 features of samples that have 64"),
        (
            {"qubits": 11, "embedding": "angle", "reduction": "max"},
            "no grid of 11 cells fits into 8x8 pixels; the nearest numbers that do are 10 and 12",
        ),
        (
            {"qubits": 6, "embedding": "basis", "reduction": "linear"},
            "embedding='basis' passes no gradient to reduction='linear'",
        ),
        (
            {"qubits": 4, "ansatz": "arbitrary", "reduction": "average"},
            "ansatz='arbitrary' needs qubits <= 3 and depth=1, but got qubits=4, depth=1",
        ),
        (
            {"qubits": 2, "depth": 2, "ansatz": "arbitrary", "reduction": "average"},
            "needs qubits <= 3 and depth=1, but got qubits=2, depth=2",
        ),
        (
            {"qubits": 1, "ansatz": "brickwork", "reduction": "average"},
            "ansatz='brickwork' needs qubits >= 2, but got 1",
        ),
    ],
)
def test_samples_and_circuits_that_do_not_fit(
    setting: Any, fixed: dict[str, Any], message: str
) -> None:
    refused(message, setting, "scratch", fixed=fixed)


def test_basis_embedding_needs_a_bit_for_every_qubit() -> None:
    rng = np.random.default_rng(0)
    bits = Arrays("bits", rng.integers(0, 2, (200, 5)), np.arange(200) % 2)
    fixed = {"embedding": "basis"}
    message = "basis embedding on qubits=6 takes 6 features, but the samples have 5"
    refused(message, SelfDistillation(), data=bits, fixed={**fixed, "qubits": 6})
    study = Study(
        question="?",
        setting=SelfDistillation(),
        arms=("scratch",),
        fixed={**fixed, "qubits": 5, "samples": 20, "validation_samples": 50},
    )
    assert make_plan(study, load(bits)).runs > 0


def test_a_hybrid_for_images_embeds_by_angle() -> None:
    refused(
        "HybridImage embeds by angle, but got embedding='amplitude'",
        ClassicalToHybrid(student=HybridImage()),
        fixed={"embedding": "amplitude"},
    )


@pytest.mark.parametrize(
    ("of", "fixed", "message"),
    [
        (
            FullyQuantum(),
            {"qubits": 3, "reduction": "average"},
            "qubits=3 has 8 basis states, too few for 10 classes: each needs one of its own. "
            "Allowed: qubits >= 4.",
        ),
        (
            FullyQuantum(assignment=tuple(range(10))),
            {"qubits": 6},
            "assignment of FullyQuantum has 10 entries, but qubits=6 has 64 basis states",
        ),
        (
            FullyQuantum(assignment=tuple(i % 9 for i in range(64))),
            {"qubits": 6},
            "has no basis state for class 9: it needs every class from 0 to 9",
        ),
        (
            FullyQuantum(assignment=tuple(i % 11 for i in range(64))),
            {"qubits": 6},
            "has a class too many",
        ),
    ],
)
def test_classes_and_basis_states(of: Any, fixed: dict[str, Any], message: str) -> None:
    refused(message, ClassicalToQuantum(student=of), fixed=fixed)
    refused(message, SelfDistillation(of), "scratch", fixed=fixed)


@pytest.mark.parametrize("arm", ["soft", "random-teacher"])
def test_a_teacher_is_checked_with_the_embedding_it_gets(arm: str) -> None:
    # `auto` is angle for the student, and two qubits hold no four pixels by angle.
    setting = ClassicalToHybrid(Quanvolution(), HybridImage())
    refused("needs qubits >= 4, but got qubits=2", setting, arm, fixed={"qubits": 2})


def test_one_basis_state_for_each_class_is_enough() -> None:
    study = Study(
        question="?",
        setting=ClassicalToQuantum(student=FullyQuantum(assignment=(0, 1))),
        arms=("soft",),
        fixed={"qubits": 1, "reduction": "pca", "samples": 20, "validation_samples": 50},
    )
    assert make_plan(study, load(Subset("digits", (3, 8)))).teachers > 0


# Images


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            ClassicalToHybrid(teacher=LeNet()),
            "LeNet needs images of at least 12x12 pixels, but the samples are of shape (64,)",
        ),
        (ClassicalToHybrid(teacher=AlexNet()), "AlexNet needs images of at least 15x15"),
        (ClassicalToHybrid(teacher=ConvNet()), "ConvNet needs images of at least 4x4"),
        (ClassicalToHybrid(teacher=Ensemble(LeNet())), "LeNet needs images of at least 12x12"),
        (ClassicalToHybrid(student=HybridImage()), "HybridImage needs images of at least 4x4"),
        (
            QuantumToClassical(),
            "Convolution needs images, (height, width) or (channels, height, width), but the",
        ),
        (ClassicalToClassical(Quanvolution(), Mlp(())), "Quanvolution needs images"),
    ],
)
def test_vectors_where_images_are_needed(setting: Any, message: str) -> None:
    refused(message, setting, data="xor4", fixed={"qubits": 6})


@pytest.mark.parametrize(
    ("setting", "data", "message"),
    [
        (ClassicalToClassical(teacher=LeNet()), "digits", "at least 12x12 pixels, but the samples"),
        (ClassicalToClassical(teacher=AlexNet()), "digits", "at least 15x15 pixels"),
        (ClassicalToClassical(LeNet(), LeNet()), images(12, 11), "are of shape (12, 11)"),
        (ClassicalToClassical(AlexNet()), images(3, 14, 30), "are of shape (3, 14, 30)"),
        (ClassicalToClassical(ConvNet()), images(30, 3), "at least 4x4 pixels"),
        (ClassicalToHybrid(student=HybridImage()), images(3, 3), "HybridImage needs images"),
        (
            ClassicalToClassical(Mlp(), Convolution(kernel=9)),
            "digits",
            "kernel=9 is larger than the images of (8, 8) pixels",
        ),
        (
            ClassicalToClassical(Mlp(), Convolution(kernel=9)),
            images(3, 8, 10),
            "kernel=9 is larger than the images of (3, 8, 10) pixels",
        ),
    ],
)
def test_images_that_are_too_small(setting: Any, data: DataSource, message: str) -> None:
    refused(message, setting, data=data)


def test_an_ensemble_cannot_learn() -> None:
    of = Ensemble(Mlp())
    for build in (
        lambda: ClassicalToClassical(student=of),
        lambda: ClassicalToHybrid(student=of),
        lambda: ClassicalToQuantum(student=of),
        lambda: SelfDistillation(of),
        lambda: QuantumToQuantum(of),
        lambda: QuantumToQuantum(Ensemble(HybridCircuit())),
    ):
        with pytest.raises(InputError, match="an Ensemble can only teach, but stands as "):
            build()


# Memory


def too_many(numbers: Callable[[int], int], *, matrices: bool) -> int:
    """The first number of qubits that this machine cannot hold."""
    total = psutil.virtual_memory().total
    return next(
        n for n in range(1, 65) if circuit_bytes(n, numbers(n), 100, matrices=matrices) > total
    )


@pytest.mark.parametrize(
    ("setting", "numbers", "matrices"),
    [
        (QuantumToClassical(), lambda n: 16 * 60, True),
        (ClassicalToClassical(Quanvolution(), Mlp(())), lambda n: 16 * 60, True),
        (ClassicalToClassical(Ensemble(Quanvolution()), Mlp(())), lambda n: 16 * 60, True),
        (ClassicalToHybrid(student=HybridImage()), lambda n: 2 << n, False),
    ],
)
def test_more_qubits_than_memory(
    setting: Any, numbers: Callable[[int], int], matrices: bool
) -> None:
    qubits = too_many(numbers, matrices=matrices)
    refused(f"qubits={qubits} needs ", setting, fixed={"qubits": qubits})


def test_more_qubits_of_the_teacher_than_memory() -> None:
    # Twice as wide as angle embedding needs: the student fits, the teacher does not.
    data = images(64)
    fixed = {"qubits": 4, "teacher_qubits": 60, "embedding": "angle", "reduction": "average"}
    refused("qubits=60 needs ", QuantumToQuantum(), data=data, fixed=fixed)


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"features": 4}, "features=4 says what a reduction returns, but reduction='none'"),
        ({"features": 9, "reduction": "pca"}, "takes 8 features, but got features=9. Allowed: 0"),
        (
            {"features": 2, "reduction": "pca", "embedding": "basis"},
            "takes 3 features, but got features=2. Allowed: 0, or exactly 3.",
        ),
    ],
)
def test_features_that_do_not_fit(fixed: dict[str, Any], message: str) -> None:
    setting = ClassicalToHybrid(teacher=Mlp(()))
    made = Study(question="?", setting=setting, fixed={"qubits": 3, **fixed}, arms=("soft",))
    with pytest.raises(InputError, match=re.escape(message)):
        check_study(made, load(Arrays("made", np.eye(9)[np.arange(900) % 9], np.arange(900) % 3)))


def test_a_reduction_returns_as_many_features_as_are_asked_for() -> None:
    setting = ClassicalToHybrid(teacher=Mlp(()))
    fixed: dict[str, Any] = {
        "qubits": 3,
        "features": 2,
        "reduction": "pca",
        "embedding": "amplitude",
    }
    made = Study(question="?", setting=setting, fixed=fixed, arms=("scratch",))
    config = made.config(made.cells()[0], made.all_arms[0], {}, "digits")
    model = build_model(HybridCircuit(), config, (8, 8), 3, seed=0)
    samples = torch.rand(40, 8, 8)
    model.fit(samples)
    states = model.prepare(samples)
    assert states.shape == (40, 8)
    assert (states[:, :2] != 0).all()
    assert (states[:, 2:] == 0).all()
