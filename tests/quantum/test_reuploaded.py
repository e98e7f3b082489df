"""Data re-uploading in batches: against one circuit per sample, default.qubit, and differences."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor

from qkd_study.quantum import (
    Circuit,
    Reuploaded,
    Simulator,
    data_reuploading,
    hardware_efficient,
    strongly_entangling,
)

LAYERS = {
    "hardware-efficient": [hardware_efficient(3)] * 3,
    "strongly-entangling": [strongly_entangling(3)] * 2,
    "different": [hardware_efficient(3), strongly_entangling(3), hardware_efficient(3)],
}


def inputs(circuit: Circuit, features: int, batch: int = 5) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(features)
    theta = torch.from_numpy(rng.normal(size=circuit.parameters)).requires_grad_()
    return theta, torch.from_numpy(rng.normal(size=(batch, features))).requires_grad_()


def squared(state: Tensor) -> Tensor:
    return state.real**2 + state.imag**2


@pytest.mark.parametrize("plan", [None, "register", "matrix", "plain"])
@pytest.mark.parametrize("features", [1, 2, 3])
@pytest.mark.parametrize("layers", LAYERS)
def test_a_batch_is_as_one_circuit_per_sample(layers: str, features: int, plan: object) -> None:
    batched = Reuploaded(LAYERS[layers], features)
    theta, angles = inputs(batched.circuit, features)
    simulator = Simulator(forced=plan)  # type: ignore[arg-type]
    found = squared(batched.evolve(simulator, theta, angles))
    ground = torch.zeros(5, 8, dtype=torch.float64)
    ground[:, 0] = 1
    expected = Simulator().probabilities(batched.circuit, theta, ground, features=angles)
    assert torch.allclose(found, expected, rtol=0, atol=1e-13)
    weigh = torch.linspace(-1, 1, 40, dtype=torch.float64).reshape(5, 8)
    for mine, other in zip(
        *(torch.autograd.grad((p * weigh).sum(), (theta, angles)) for p in (found, expected)),
        strict=True,
    ):
        assert torch.allclose(mine, other, rtol=0, atol=1e-12)
        assert mine.abs().max() > 0.01
    # Forward, adjoint and inverse: per layer, not per sample.
    if plan != "plain":
        assert simulator.executions <= 3 * len(LAYERS[layers])


def test_it_is_what_default_qubit_computes() -> None:
    batched = Reuploaded([hardware_efficient(3)] * 2, 2)
    assert batched.circuit == data_reuploading(3, 2, features=2)
    theta, angles = inputs(batched.circuit, 2)

    @qml.qnode(qml.device("default.qubit"), interface="torch", diff_method="backprop")
    def node() -> object:
        for layer in theta.reshape(2, 3, 2):
            qml.RX(angles[:, 0], wires=0)
            qml.RX(angles[:, 1], wires=1)
            for wire in range(3):
                qml.RY(layer[wire, 0], wires=wire)
                qml.RZ(layer[wire, 1], wires=wire)
            for wire in range(3):
                qml.CNOT(wires=(wire, (wire + 1) % 3))
        return qml.probs(wires=range(3))

    both = squared(batched.evolve(Simulator(), theta, angles)), node()
    assert torch.allclose(*both, rtol=0, atol=1e-13)
    one, other = (torch.autograd.grad(p.square().sum(), (theta, angles)) for p in both)
    assert torch.allclose(one[0], other[0], rtol=0, atol=1e-12)
    assert torch.allclose(one[1], other[1], rtol=0, atol=1e-12)


def test_gradients_are_finite_differences() -> None:
    batched = Reuploaded([hardware_efficient(2)] * 2, 2)
    given = inputs(batched.circuit, 2, batch=3)

    def probabilities(theta: Tensor, angles: Tensor) -> Tensor:
        return squared(batched.evolve(Simulator(), theta, angles))

    assert torch.autograd.gradcheck(probabilities, given)


@pytest.mark.parametrize("features", [0, 4])
def test_features_must_fit_the_wires(features: int) -> None:
    with pytest.raises(ValueError, match="features must be from 1 to qubits=3"):
        Reuploaded([hardware_efficient(3)], features)
