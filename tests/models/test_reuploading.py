"""Data re-uploading as a model: sizes, values, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch

from qkd_study.common.errors import InputError
from qkd_study.models import count_parameters
from qkd_study.quantum import Simulator, data_reuploading
from qkd_study.study import PennyLaneAnsatz, ReuploadingCircuit
from tests.models.test_circuits import built, samples

RANGE = math.pi / 2


def layer(weights: Any, wires: Any) -> None:
    for wire in wires:
        qml.RY(weights[wire], wires=wire)


def test_expectations_are_those_of_the_circuit_sample_by_sample() -> None:
    model = built(ReuploadingCircuit(), (3,), qubits=3, depth=2, reduction="none")
    assert model.circuit == data_reuploading(3, 2, features=3)
    x = samples(4, 3)
    ground = torch.zeros(4, 8, dtype=torch.float64)
    ground[:, 0] = 1
    probabilities = Simulator().probabilities(
        model.circuit, model.theta, ground, features=x.double() * RANGE
    )
    signs = 1 - 2 * (np.arange(8)[:, None] >> np.array([2, 1, 0]) & 1)
    model.keeps_state = True
    out = model(model.prepare(x))
    assert torch.allclose(out.features.double(), probabilities @ torch.tensor(signs).double())
    assert torch.allclose(out.logits, model.head(out.features))
    assert torch.allclose(out.state.abs() ** 2, probabilities, atol=1e-6)


@pytest.mark.parametrize("reduction", ["none", "linear", "pca"])
@pytest.mark.parametrize(
    ("of", "angles"),
    [
        (ReuploadingCircuit(), 3 * 6),
        (ReuploadingCircuit(entangling=False), 3 * 6),
        (ReuploadingCircuit(ansatz=PennyLaneAnsatz(layer, {"weights": ("qubits",)})), 3 * 3),
        (ReuploadingCircuit(ansatz=qml.StronglyEntanglingLayers), 3 * 9),
    ],
)
def test_its_size_follows_from_the_declaration(
    of: ReuploadingCircuit, angles: int, reduction: str
) -> None:
    shape = (3,) if reduction == "none" else (5,)
    model = built(of, shape, qubits=3, depth=3, reduction=reduction)
    x = samples(9, *shape)
    model.fit(x)
    out = model(model.prepare(x))
    assert out.logits.shape == (9, 3)
    assert model.quantum_parameters == angles
    out.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
    values = {"qubits": 3, "depth": 3, "reduction": reduction, "features": 0, "embedding": "angle"}
    counted = of.parameters({**values, "ansatz": "hardware-efficient"}, shape, 3)
    if of.entangling or of.ansatz is None:
        assert counted == count_parameters(model)


def test_effective_parameters_leave_out_angles_without_effect() -> None:
    """The RZ of the last layer change no probability: 3 of 12 angles."""
    model = built(ReuploadingCircuit(), (3,), qubits=3, depth=2, reduction="none")
    assert model.effective_parameters == 12 - 3
    minimal = built(
        ReuploadingCircuit(),
        (3,),
        qubits=3,
        depth=2,
        reduction="none",
        ansatz="hardware-efficient-minimal",
    )
    assert minimal.effective_parameters == 12


def test_other_embeddings_are_refused() -> None:
    with pytest.raises(InputError, match="enters features as angles, but got embedding='basis'"):
        ReuploadingCircuit().embedding({"embedding": "basis", "qubits": 2, "depth": 1})
