"""Trajectories: means are those of density matrices, their errors, and unbiased gradients."""

from __future__ import annotations

import math

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_study.quantum import (
    Circuit,
    CircuitNoise,
    Gate,
    NoisyCircuit,
    PairNoise,
    QubitNoise,
    Sampler,
    Simulator,
    brickwork,
    parameter_shift,
)
from qkd_study.quantum.circuit import GATES
from qkd_study.quantum.trajectories import TrajectoryCircuit, unitary

CIRCUIT = Circuit(
    3,
    (
        Gate("RY", (0,), parameter=0),
        Gate("Hadamard", (1,)),
        Gate("CRX", (1, 0), parameter=1),
        Gate("CNOT", (1, 2)),
        Gate("RX", (2,), angle=0.7),
        Gate("RZ", (1,), parameter=0, factor=-0.5),
        Gate("CZ", (2, 0)),
        Gate("RX", (1,), parameter=2),
    ),
)
THETA = torch.tensor([0.4, -1.3, 0.8], dtype=torch.float64)


def noise_of(strength: float, *, readout: bool = True) -> CircuitNoise:
    one = QubitNoise(strength, 2 * strength, 3 * strength)
    pair = PairNoise(
        2 * strength, QubitNoise(strength, strength, 0.0), QubitNoise(0.0, 0.0, strength)
    )
    pairs = dict.fromkeys(((0, 1), (1, 2), (0, 2)), pair)
    return CircuitNoise((one,) * 3, pairs, 0.1, ((0.02, 0.05),) * 3 if readout else ())


def states(samples: int, seed: int = 1) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    found = torch.randn(samples, 8, dtype=torch.complex128, generator=rng)
    out: torch.Tensor = found / found.norm(dim=1, keepdim=True)
    return out


@pytest.mark.parametrize("name", GATES)
def test_matrices_are_those_of_pennylane(name: str) -> None:
    wires, rotates = GATES[name]
    angle = 0.83 if rotates else None
    given = () if angle is None else (angle,)
    expected = qml.matrix(getattr(qml, name)(*given, wires=range(wires)))
    np.testing.assert_allclose(unitary(name, angle), expected, atol=1e-14)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.02, 0.2), st.integers(0, 2**31))
def test_means_are_those_of_the_density_matrix(strength: float, seed: int) -> None:
    noise, before = noise_of(strength), states(2, seed)
    exact = NoisyCircuit(CIRCUIT, noise).probabilities(THETA, before)
    rng = torch.Generator().manual_seed(seed)
    found, error = TrajectoryCircuit(CIRCUIT, noise, 3000).probabilities(THETA, before, rng=rng)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-10)
    # 16 numbers in 8 examples: beyond 5 standard errors once in 14,000 runs of this test.
    assert ((found - exact).abs() <= 5 * error + 1e-10).all()


def test_without_noise_it_is_the_circuit() -> None:
    quiet = CircuitNoise((QubitNoise(),) * 3, dict.fromkeys(((0, 1), (1, 2), (0, 2)), PairNoise()))
    rng = torch.Generator().manual_seed(1)
    found, error = TrajectoryCircuit(CIRCUIT, quiet, 2).probabilities(THETA, states(5), rng=rng)
    expected = Simulator().probabilities(CIRCUIT, THETA, states(5))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert float(error.max()) < 1e-12


def test_the_error_falls_with_the_square_root_of_the_trajectories() -> None:
    noise, before = noise_of(0.1), states(4)
    exact = NoisyCircuit(CIRCUIT, noise).probabilities(THETA, before)
    squares, said = [], []
    for trajectories in (50, 800):
        made = TrajectoryCircuit(CIRCUIT, noise, trajectories)
        drawn = [
            made.probabilities(THETA, before, rng=torch.Generator().manual_seed(seed))
            for seed in range(40)
        ]
        squares.append(np.mean([float(((found - exact) ** 2).mean()) for found, _ in drawn]))
        said.append(np.mean([float((error**2).mean()) for _, error in drawn]))
    assert squares[0] / squares[1] == pytest.approx(16, rel=0.2)
    np.testing.assert_allclose(said, squares, rtol=0.15)


def test_gradients_by_parameter_shift_are_unbiased() -> None:
    noise, before = noise_of(0.05), states(2)
    weights = torch.rand(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    # Nominal shifts are exact where rotations are.
    noise = CircuitNoise(noise.qubits, noise.pairs, 0.0, noise.readout)
    theta = THETA.clone().requires_grad_()
    value = (NoisyCircuit(CIRCUIT, noise).probabilities(theta, before) * weights).sum()
    (exact,) = torch.autograd.grad(value, theta)
    rng = torch.Generator().manual_seed(4)
    circuit, numbers = TrajectoryCircuit(CIRCUIT, noise, 20).shifted(before, rng)
    sampler = Sampler(50)
    drawn = np.stack(
        [
            parameter_shift(circuit, THETA.numpy(), numbers.numpy(), weights.numpy(), sampler)[
                0
            ].sum(0)
            for _ in range(150)
        ]
    )
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert (np.abs(drawn.mean(0) - exact.numpy()) < 4 * error).all()
    assert (np.abs(exact.numpy()) > 8 * error).any()


def test_ten_qubits_and_a_seed() -> None:
    circuit = brickwork(10, 2)
    one = QubitNoise(0.01, 0.02, 0.0)
    pairs = {(wire, wire + 1): PairNoise(0.02) for wire in range(9)}
    made = TrajectoryCircuit(circuit, CircuitNoise((one,) * 10, pairs), 10, "complex64")
    before = torch.zeros(2, 1024)
    before[:, 0] = 1
    theta = torch.zeros(circuit.parameters, dtype=torch.float64)

    def drawn(seed: int) -> torch.Tensor:
        return made.probabilities(theta, before, rng=torch.Generator().manual_seed(seed))[0]

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert drawn(1).dtype == torch.float32


def test_bad_input_is_refused() -> None:
    noise = noise_of(0.1)
    with pytest.raises(ValueError, match="at least 2 trajectories, but got 1"):
        TrajectoryCircuit(CIRCUIT, noise, 1)
    with pytest.raises(ValueError, match=r"no numbers of the pair \(1, 2\)"):
        TrajectoryCircuit(CIRCUIT, CircuitNoise(noise.qubits, {(0, 1): PairNoise()}), 2)
    with pytest.raises(ValueError, match="numbers of 1 qubits"):
        TrajectoryCircuit(CIRCUIT, CircuitNoise((QubitNoise(),), {}), 2)
    made, rng = TrajectoryCircuit(CIRCUIT, noise, 2), torch.Generator()
    with pytest.raises(ValueError, match=r"shape \(batch, 8\), but got \(1, 4\)"):
        made.probabilities(THETA, torch.ones(1, 4), rng=rng)
    with pytest.raises(ValueError, match="3 finite angles"):
        made.probabilities(THETA * math.nan, states(1), rng=rng)
