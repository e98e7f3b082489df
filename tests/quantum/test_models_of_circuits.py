"""Embeddings x ansatze x readouts against default.qubit, with gradients to inputs and angles."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qkd_study.quantum import (
    Circuit,
    Simulator,
    amplitude_embedding,
    angle_embedding,
    arbitrary_unitary,
    basis_embedding,
    brickwork,
    class_groups,
    hardware_efficient,
    quanvolution_filter,
    random_layers,
    strongly_entangling,
    z_values,
)

ANSATZE: dict[str, Callable[[int, int], Circuit]] = {
    "quanvolution": quanvolution_filter,
    "hardware efficient, ring": hardware_efficient,
    "hardware efficient, chain": lambda n, d: hardware_efficient(n, d, entangler="chain"),
    "strongly entangling": strongly_entangling,
    "brickwork": brickwork,
    "arbitrary": lambda n, d: arbitrary_unitary(min(n, 2)),
    "random": lambda n, d: random_layers(n, d, seed=7),
}
EMBEDDINGS = ("amplitude", "angle X", "angle Y", "angle Z", "basis")
READOUTS = ("z", "probabilities", "classes")


def embed(kind: str, x: Tensor, n: int) -> Tensor:
    if kind == "amplitude":
        return amplitude_embedding(x, n)
    if kind == "basis":
        return basis_embedding(x, n)
    return angle_embedding(x, n, axis=kind[-1])  # type: ignore[arg-type]


def embed_by_pennylane(kind: str, x: Tensor, n: int) -> None:
    if kind == "amplitude":
        qml.AmplitudeEmbedding(x, wires=range(n), normalize=True, pad_with=0)
    elif kind == "basis":
        qml.BasisState(x.detach().numpy().astype(int), wires=range(n))
    else:
        qml.AngleEmbedding(x, wires=range(x.shape[-1]), rotation=kind[-1])


@given(
    st.sampled_from(sorted(ANSATZE)),
    st.sampled_from(EMBEDDINGS),
    st.sampled_from(READOUTS),
    st.sampled_from(["register", "matrix"]),
    st.integers(2, 4),
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(0, 10**6),
)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_values_and_gradients(
    ansatz: str, embedding: str, readout: str, plan: str, n: int, depth: int, batch: int, seed: int
) -> None:
    circuit = ANSATZE[ansatz](n, depth)
    n = circuit.qubits
    rng = np.random.default_rng(seed)
    features = {"amplitude": 2**n - 1, "basis": n}.get(embedding, max(n - 1, 1))
    raw = (
        rng.integers(0, 2, (batch, n))
        if embedding == "basis"
        else rng.normal(size=(batch, features))
    )
    x = torch.from_numpy(raw.astype(float)).requires_grad_(embedding != "basis")
    theta = torch.from_numpy(rng.uniform(-3, 3, circuit.parameters)).requires_grad_()
    wires = rng.permutation(n)[: max(n - 1, 1)].tolist()
    classes = min(3, 2**n)
    measures = {
        "z": z_values(n, wires),
        "probabilities": torch.eye(2**n, dtype=torch.float64),
        "classes": class_groups(n, classes),
    }

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def node(x: Tensor, theta: Tensor) -> object:
        embed_by_pennylane(embedding, x, n)
        for gate in circuit.gates:
            angle = theta[gate.parameter] if gate.parameter is not None else gate.angle
            getattr(qml, gate.name)(*([] if angle is None else [angle]), wires=gate.wires)
        if readout == "z":
            return [qml.expval(qml.Z(w)) for w in wires]
        return qml.probs(wires=range(n))

    def expected_row(row: Tensor) -> Tensor:
        out = node(row, theta)
        out = torch.stack(out) if readout == "z" else out
        if readout != "classes":
            return out
        sizes = [len(part) for part in np.array_split(np.arange(2**n), classes)]
        bounds = [-(-k * 2**n // classes) for k in range(classes + 1)]
        assert sorted(np.diff(bounds)) == sorted(sizes)
        return torch.stack([out[a:b].sum() for a, b in itertools.pairwise(bounds)])

    ours = Simulator().probabilities(circuit, theta, embed(embedding, x, n), plan=plan)  # type: ignore[arg-type]
    ours = ours @ measures[readout]
    theirs = torch.stack([expected_row(row) for row in x])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)

    weights = torch.from_numpy(rng.normal(size=ours.shape))
    inputs = [t for t in (theta, x) if t.requires_grad and t.numel()]
    if not inputs:  # fixed gates on bits: nothing to differentiate
        return
    gradients = [
        torch.autograd.grad(
            (out * weights).sum(), inputs, allow_unused=True, materialize_grads=True
        )
        for out in (ours, theirs)
    ]
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-8)


@pytest.mark.parametrize("plan", ["register", "matrix"])
def test_gradcheck(plan: str) -> None:
    circuit = hardware_efficient(2, 1)
    simulator = Simulator()
    theta = torch.linspace(-1, 1, 4, dtype=torch.float64).requires_grad_()
    x = torch.rand(3, 4, dtype=torch.float64).requires_grad_()

    def model(theta: Tensor, x: Tensor) -> Tensor:
        states = amplitude_embedding(x + 0.1, 2)
        return simulator.probabilities(circuit, theta, states, plan=plan)  # type: ignore[arg-type]

    assert torch.autograd.gradcheck(model, (theta, x))


@pytest.mark.parametrize(("qubits", "classes"), [(2, 3), (3, 3), (6, 3), (4, 10), (3, 8)])
def test_groups_are_a_distribution_and_even(qubits: int, classes: int) -> None:
    groups = class_groups(qubits, classes)
    assert torch.equal(groups.sum(1), torch.ones(2**qubits))
    sizes = groups.sum(0)
    assert sizes.max() - sizes.min() <= 1


def test_a_chosen_assignment() -> None:
    groups = class_groups(2, 2, [0, 1, 1, 0])
    assert groups[:, 1].tolist() == [0, 1, 1, 0]


def test_unit_norm_and_gradients_of_embeddings() -> None:
    x = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
    for build in (
        lambda x: angle_embedding(x, 4),
        lambda x: angle_embedding(x, 4, axis="X"),
        lambda x: amplitude_embedding(x + 0.1, 2),
    ):
        states = build(x)
        torch.testing.assert_close(states.norm(dim=-1), torch.ones(5, dtype=torch.float64))
        assert torch.autograd.gradcheck(build, (x,))


def test_zeros_become_the_ground_state_where_asked() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    states = amplitude_embedding(x, 2, zeros="ground")
    torch.testing.assert_close(states, torch.tensor([[1.0, 0, 0, 0], [0.6, 0.8, 0, 0]]))
    states.sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: angle_embedding(torch.zeros(1, 5), 4),
            "angle embedding of 5 features needs as many",
        ),
        (lambda: angle_embedding(torch.tensor([[0.0, float("nan")]]), 2), "got nan at [0, 1]"),
        (
            lambda: amplitude_embedding(torch.ones(1, 5), 2),
            "5 features do not fit into the 4 amplitudes",
        ),
        (lambda: amplitude_embedding(torch.eye(3)[:2] - torch.eye(3)[:1], 2), "zero vector at [0]"),
        (lambda: amplitude_embedding(torch.tensor([float("inf")]), 1), "got inf at [0]"),
        (lambda: basis_embedding(torch.tensor([0.0, 2.0]), 2), "takes bits 0 and 1, but got 2.0"),
        (lambda: basis_embedding(torch.tensor([0.0]), 2), "one bit per qubit, got 1 for 2"),
        (lambda: class_groups(1, 3), "1 qubits have 2 basis states, too few for 3 classes"),
        (lambda: class_groups(2, 3, [0, 0, 1, 1]), "classes [2] have none"),
        (lambda: class_groups(2, 2, [0, 1]), "an assignment needs 4 entries"),
        (lambda: z_values(2, [2]), "wires must be different ones of 0 to 1, but got [2]"),
        (lambda: z_values(2, [0, 0]), "wires must be different ones"),
    ],
)
def test_bad_input(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build()
