"""Features of sizes that a model cannot be trained on draw one warning; our own data never do."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

from qkd_study import (
    Arrays,
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    HybridImage,
    Mlp,
    Own,
    QuantumToClassical,
    SelfDistillation,
    Study,
    StudyWarning,
)
from qkd_study.data import DataSource, load
from qkd_study.data.sources import SOURCES
from qkd_study.models import MLP
from qkd_study.planning.plan import make_plan
from qkd_study.study.setting import Setting

Y = np.arange(400) % 2
BYTES = np.random.default_rng(0).integers(0, 255, (400, 16, 16), np.uint8, endpoint=True)
NORMAL = np.random.default_rng(1).normal(size=(400, 16))


def warned(setting: Setting, data: DataSource, *arms: str, **fixed: Any) -> list[str]:
    samples = {"samples": 20, "validation_samples": 50}
    study = Study(question="?", setting=setting, arms=arms or ("soft",), fixed=samples | fixed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StudyWarning)
        make_plan(study, load(data))
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("setting", "data", "fixed", "parts"),
    [
        (
            QuantumToClassical(),
            Arrays("raw", BYTES, Y, divide_by=1),
            {},
            (
                "raw: features lie between 0 and 255",
                "far too large for angle embedding with angle_range=1.57 (up to 4 on",
                "; divide them: Arrays(..., divide_by=255)",
            ),
        ),
        (
            ClassicalToClassical(),
            Arrays("flat", BYTES.reshape(400, -1), Y),
            {},
            ("too large for Mlp (up to 10 on average); divide them: Arrays(..., divide_by=255)",),
        ),
        (
            ClassicalToHybrid(student=HybridImage()),
            Arrays("twice", BYTES / 255**2, Y),
            {},
            ("the largest with an absolute value of 0.002", "is far too small for"),
        ),
        (
            SelfDistillation(),
            Arrays("one", NORMAL[:, :4] * (1, 1, 1, 900), Y),
            {"embedding": "angle"},
            ("too large for angle", "; subtract each feature's mean and divide by its standard"),
        ),
        (
            SelfDistillation(),
            Arrays("small", NORMAL[:, :4] / 1000, Y),
            {"embedding": "basis"},
            ("too small for basis embedding, which takes features above 0.5 as 1, (0.05 or more",),
        ),
    ],
)
def test_sizes_that_cannot_be_trained_on(
    setting: Setting, data: DataSource, fixed: dict[str, Any], parts: tuple[str, ...]
) -> None:
    (said,) = warned(setting, data, **fixed)
    assert "\n" not in said
    for part in parts:
        assert part in said


@pytest.mark.parametrize(
    ("setting", "data", "fixed"),
    [
        (QuantumToClassical(), Arrays("images", BYTES, Y), {}),  # divided
        (SelfDistillation(), Arrays("large", NORMAL * 1000, Y), {}),  # amplitudes
        (
            SelfDistillation(),
            Arrays("large", NORMAL * 1000, Y),
            {"embedding": "angle", "reduction": "pca"},  # which are scaled
        ),
        (
            ClassicalToClassical(student=Own(lambda _, *of: MLP(*of, hidden=()))),
            Arrays("large", NORMAL * 1000, Y),
            {},
        ),
        (SelfDistillation(Mlp()), Arrays("normal", NORMAL, Y), {}),
    ],
)
def test_other_sizes_are_not_warned_of(
    setting: Setting, data: DataSource, fixed: dict[str, Any]
) -> None:
    assert warned(setting, data, "scratch", **fixed) == []


@pytest.mark.parametrize(
    "name", [name for name in SOURCES if name not in ("fashion-mnist", "mnist", "cifar-10")]
)
def test_our_own_data_are_of_the_right_size(name: str) -> None:
    for embedding, reduction in itertools.product(("angle", "basis"), ("average", "max", "pca")):
        fixed = {"qubits": 4, "embedding": embedding, "reduction": reduction}
        assert warned(ClassicalToQuantum(), name, **fixed) == []


def test_fashion_mnist_is_of_the_right_size(fashion_mnist: Any) -> None:
    assert warned(QuantumToClassical(), "fashion-mnist") == []
