"""Parameter counts against formulas and the published numbers; initial weights by replicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_study import QuantumToClassical, Study
from qkd_study.data import Dataset
from qkd_study.models import build_model, count_parameters, predict


def images(height: int, width: int, classes: int) -> Dataset:
    labels = np.arange(2 * classes) % classes
    pixels = np.random.default_rng(0).integers(0, 255, (len(labels), height, width), np.uint8)
    return Dataset("made", pixels, labels, pixels, labels, classes, max_value=255)


def models(dataset: Dataset, setting: QuantumToClassical, **fixed: Any) -> tuple[Any, Any]:
    study = Study(question="?", setting=setting, fixed=fixed)
    config = study.config(study.cells()[0], study.arm("soft"), {}, dataset.name)
    shape, classes = dataset.shape, dataset.classes
    return (
        build_model(setting.teacher_model, config, shape, classes, seed=0),
        build_model(setting.student_model, config, shape, classes, seed=0),
    )


def test_published_counts() -> None:
    teacher, student = models(images(28, 28, 10), QuantumToClassical())
    assert count_parameters(teacher) == 5923
    assert count_parameters(student) == 5905
    assert teacher.quantum_parameters == 33
    assert student.quantum_parameters == 0


@given(
    st.integers(4, 9),
    st.integers(4, 9),
    st.integers(2, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([(4, "angle"), (5, "angle"), (2, "amplitude"), (3, "amplitude")]),
    st.integers(1, 2),
)
@settings(max_examples=25, deadline=None)
def test_counts_by_formula(
    height: int,
    width: int,
    classes: int,
    filters: int,
    stride: int,
    circuit: tuple[int, str],
    depth: int,
) -> None:
    qubits, embedding = circuit
    setting = QuantumToClassical(filters=filters, kernel=2, stride=stride)
    teacher, student = models(
        images(height, width, classes), setting, qubits=qubits, embedding=embedding, depth=depth
    )
    patches = ((height - 2) // stride + 1) * ((width - 2) // stride + 1)
    head = (filters * patches + 1) * classes
    assert count_parameters(student) == filters * (4 + 1) + head
    assert count_parameters(teacher) == filters * depth * (3 * qubits - 1) + head
    assert teacher.circuit_gates == depth * (3 * qubits - 1)


@pytest.mark.parametrize("qubits", [2, 4])
def test_teacher_and_student_maps_can_be_compared(qubits: int) -> None:
    dataset = images(9, 8, 3)
    teacher, student = models(dataset, QuantumToClassical(), qubits=qubits)
    x = torch.from_numpy(dataset.test_inputs())
    for model in (teacher, student):
        out = predict(model, x, chunk=4)
        assert out.logits.shape == (6, 3)
        assert out.features.shape == (6, 3, 4, 4)
        assert out.features.abs().max() <= 1 + 1e-6
        torch.testing.assert_close(out.logits, model(model.prepare(x)).logits)
