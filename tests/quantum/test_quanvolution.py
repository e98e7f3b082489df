"""Quanvolution and embeddings against circuits that PennyLane builds patch by patch."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qkd_study.quantum import (
    Quanvolution,
    quanvolution_filter,
)


def patch_by_patch(layer: Quanvolution, image: Tensor, filter_index: int) -> Tensor:
    """One filter over one image, one default.qubit circuit per patch."""
    n = layer.circuit.qubits

    @qml.qnode(qml.device("default.qubit"), interface="torch", diff_method="backprop")
    def node(theta: Tensor, pixels: Tensor) -> object:
        if layer.embedding == "angle":
            qml.AngleEmbedding(pixels * layer.angle_range, wires=range(len(pixels)), rotation="Y")
            qml.Identity(n - 1)
        else:
            qml.AmplitudeEmbedding(pixels, wires=range(n), normalize=True, pad_with=0)
        for gate in layer.circuit.gates:
            getattr(qml, gate.name)(theta[gate.parameter], wires=gate.wires)
        return [qml.expval(qml.Z(i)) for i in range(n)]

    k, s = layer.kernel, layer.stride
    rows = range(0, image.shape[0] - k + 1, s)
    columns = range(0, image.shape[1] - k + 1, s)
    return torch.stack(
        [
            torch.stack(
                [
                    torch.stack(
                        node(layer.theta[filter_index], image[r : r + k, c : c + k].flatten())
                    ).mean()
                    for c in columns
                ]
            )
            for r in rows
        ]
    )


@pytest.mark.parametrize(
    ("embedding", "qubits"), [("angle", 4), ("amplitude", 2), ("angle", 5), ("amplitude", 3)]
)
@given(st.integers(1, 2), st.sampled_from([1, 2]), st.integers(0, 10**6))
@settings(max_examples=5, deadline=None, derandomize=True)
def test_feature_maps_and_gradients(
    embedding: Literal["angle", "amplitude"], qubits: int, depth: int, stride: int, seed: int
) -> None:
    layer = Quanvolution(
        filters=2, stride=stride, qubits=qubits, depth=depth, embedding=embedding, seed=seed
    )
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.uniform(0.05, 1, (2, 4, 6)))
    weights = torch.from_numpy(rng.normal(size=layer(layer.embed(images)).shape))

    ours = layer(layer.embed(images))
    (ours * weights).sum().backward()
    gradient, layer.theta.grad = layer.theta.grad, None
    theirs = torch.stack(
        [torch.stack([patch_by_patch(layer, x, f) for f in (0, 1)]) for x in images]
    )
    (theirs * weights).sum().backward()

    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    torch.testing.assert_close(gradient, layer.theta.grad, rtol=0, atol=1e-8)


def test_every_angle_of_a_filter_matters() -> None:
    layer = Quanvolution(seed=3)
    layer(layer.embed(torch.rand(8, 6, 6, dtype=torch.float64))).pow(2).sum().backward()
    assert layer.theta.grad is not None
    assert (layer.theta.grad.abs() > 1e-4).all()


@pytest.mark.parametrize(("qubits", "depth"), [(1, 1), (2, 1), (4, 1), (4, 3), (6, 2)])
def test_parameter_count(qubits: int, depth: int) -> None:
    circuit = quanvolution_filter(qubits, depth)
    assert circuit.parameters == depth * (3 * qubits - 1) == len(circuit.gates)
    assert sum(len(gate.wires) == 2 for gate in circuit.gates) == depth * (qubits - 1)


def test_one_execution_per_filter_forward_and_one_backward() -> None:
    layer = Quanvolution(seed=0)
    states = layer.embed(torch.rand(16, 28, 28))
    out = layer(states)
    assert out.shape == (16, 3, 14, 14)
    assert out.dtype == torch.float32
    assert layer.simulator.executions == 3
    out.sum().backward()
    assert layer.simulator.executions == 6


def test_same_seed_same_layer() -> None:
    torch.testing.assert_close(
        Quanvolution(seed=5).theta, Quanvolution(seed=5).theta, rtol=0, atol=0
    )
    assert not torch.equal(Quanvolution(seed=5).theta, Quanvolution(seed=6).theta)


def test_black_patches_do_no_harm() -> None:
    layer = Quanvolution(qubits=2, embedding="amplitude", seed=0)
    out = layer(layer.embed(torch.zeros(1, 4, 4)))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert layer.theta.grad is not None
    assert torch.isfinite(layer.theta.grad).all()
