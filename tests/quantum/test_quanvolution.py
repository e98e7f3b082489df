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

from qkd_study.quantum import Quanvolution, _bilinear, quanvolution_filter
from qkd_study.quantum._bilinear import BilinearForms
from qkd_study.quantum._filters import pauli_expectations


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
    ("embedding", "qubits", "kernel"),
    [
        ("angle", 4, 2),
        ("amplitude", 2, 2),
        ("angle", 5, 2),
        ("amplitude", 3, 2),
        ("angle", 1, 1),
        ("amplitude", 4, 3),
    ],
)
@given(st.integers(1, 2), st.sampled_from([1, 2]), st.integers(0, 10**6))
@settings(max_examples=5, deadline=None, derandomize=True)
def test_feature_maps_and_gradients(
    embedding: Literal["angle", "amplitude"],
    qubits: int,
    kernel: int,
    depth: int,
    stride: int,
    seed: int,
) -> None:
    layer = Quanvolution(
        filters=2,
        kernel=kernel,
        stride=stride,
        qubits=qubits,
        depth=depth,
        embedding=embedding,
        seed=seed,
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


@pytest.mark.parametrize(("embedding", "qubits"), [("angle", 4), ("amplitude", 2)])
def test_every_channel_of_a_colour_image_goes_through_the_same_circuits(
    embedding: Literal["angle", "amplitude"], qubits: int
) -> None:
    layer = Quanvolution(filters=2, qubits=qubits, embedding=embedding, stride=1, seed=3)
    images = torch.from_numpy(np.random.default_rng(0).uniform(0.05, 1, (2, 3, 3, 4)))
    ours = layer(layer.embed(images))
    assert ours.shape == (2, 2, 3 * 2, 3)
    theirs = torch.stack(
        [
            torch.stack([torch.cat([patch_by_patch(layer, c, f) for c in x]) for f in (0, 1)])
            for x in images
        ]
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(x.pow(2).sum(), layer.theta)[0] for x in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-8)


def test_a_patch_of_three_by_three_pixels_as_angles() -> None:
    layer = Quanvolution(filters=1, kernel=3, stride=1, qubits=9, seed=1)
    image = torch.rand(1, 3, 3, dtype=torch.float64)
    ours = layer(layer.embed(image)).sum()
    theirs = patch_by_patch(layer, image[0], 0).sum()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(value, layer.theta)[0] for value in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-8)


def test_expectations_of_pauli_strings() -> None:
    angles = torch.rand(1, 3, dtype=torch.float64) * 6
    qubits = [torch.stack((torch.cos(a / 2), torch.sin(a / 2))) for a in angles[0]]
    state = torch.kron(torch.kron(qubits[0], qubits[1]), qubits[2])
    paulis = [
        torch.tensor(m).double() for m in ([[1, 0], [0, 1]], [[1, 0], [0, -1]], [[0, 1], [1, 0]])
    ]
    expected = [
        state @ torch.kron(torch.kron(a, b), c) @ state
        for a in paulis
        for b in paulis
        for c in paulis
    ]
    torch.testing.assert_close(
        pauli_expectations(angles)[0], torch.stack(expected), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize(("channels", "p", "q"), [(5, 3, 2), (4, 4, 4)])
def test_gradients_of_bilinear_forms(
    channels: int, p: int, q: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the batch takes several pieces and the last one is smaller."""
    features = torch.rand(5, channels, 6, dtype=torch.float64, requires_grad=True)
    forms = torch.rand(2, p, q, dtype=torch.float64, requires_grad=True)
    whole = BilinearForms.apply(features, forms)
    expected = torch.einsum("bpn,fpq,bqn->bfn", features[:, :p], forms, features[:, -q:])
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-13)
    monkeypatch.setattr(_bilinear, "PIECE", 2 * (channels + 2 * q) * 6 * 8)  # two images
    assert torch.equal(BilinearForms.apply(features, forms), whole)
    assert torch.autograd.gradcheck(BilinearForms.apply, (features, forms))


@pytest.mark.parametrize("side", [8, 28])
def test_the_maps_of_an_image_do_not_depend_on_the_others(side: int) -> None:
    """Bit for bit, in the precision that is trained in."""
    layer = Quanvolution(seed=0)
    features = layer.embed(torch.rand(70, side, side))
    together = layer(features)
    for batch in ([3], [69, 3], list(range(3, 40))):
        assert torch.equal(layer(features[batch]), together[batch])


def test_a_patch_has_to_fit_into_the_qubits() -> None:
    with pytest.raises(ValueError, match="takes up to 3 pixels, but a patch of 2x2 has 4"):
        Quanvolution(qubits=3, seed=0)


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
    out = layer(layer.embed(torch.rand(16, 28, 28)))
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
