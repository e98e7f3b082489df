"""Noisy circuits against PennyLane's default.mixed, formulas and finite differences."""

from __future__ import annotations

import math

import numpy as np
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
    Simulator,
    hardware_efficient,
)
from tests.quantum.noisy_reference import noisy_reference
from tests.quantum.test_simulator import circuits, random_states

NONE = QubitNoise()


@st.composite
def noises(draw: st.DrawFn, qubits: int) -> CircuitNoise:
    chance = st.floats(0, 0.5)

    def one(depolarising: bool) -> QubitNoise:
        return QubitNoise(draw(chance) if depolarising else 0.0, draw(chance), draw(chance))

    return CircuitNoise(
        tuple(one(True) for _ in range(qubits)),
        {
            (a, b): PairNoise(draw(chance), one(False), one(False))
            for b in range(qubits)
            for a in range(b)
        },
        draw(st.floats(-0.2, 0.2)),
        tuple((draw(chance), draw(chance)) for _ in range(qubits)),
    )


def read(noise: CircuitNoise, probabilities: np.ndarray) -> np.ndarray:
    """Readout errors, by summing over what each basis state may be read as."""
    out = np.zeros_like(probabilities)
    qubits = len(noise.readout)
    for true in range(2**qubits):
        for seen in range(2**qubits):
            chance = 1.0
            for wire, (zero_as_one, one_as_zero) in enumerate(noise.readout):
                a, b = (true >> qubits - 1 - wire) & 1, (seen >> qubits - 1 - wire) & 1
                wrong = one_as_zero if a else zero_as_one
                chance *= wrong if a != b else 1 - wrong
            out[:, seen] += chance * probabilities[:, true]
    return out


@settings(max_examples=20, deadline=None)
@given(st.data(), circuits(), st.booleans(), st.sampled_from((1, 3, 20)))
def test_probabilities_are_those_of_default_mixed(
    data: st.DataObject, circuit: Circuit, real: bool, batch: int
) -> None:
    noise = data.draw(noises(circuit.qubits))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    theta = torch.from_numpy(rng.uniform(-3, 3, circuit.parameters))
    states = random_states(batch, circuit.qubits, rng, real)
    found = NoisyCircuit(circuit, noise).probabilities(theta, states)
    expected = read(noise, noisy_reference(circuit, theta.tolist(), states.numpy(), noise))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("batch", [2, 9])
def test_gradients_are_those_of_finite_differences(batch: int) -> None:
    gates = (
        Gate("RY", (0,), 0),
        Gate("CRX", (0, 1), 1),
        Gate("CRZ", (1, 2), 2, factor=0.5),
        Gate("RX", (2,), 0, factor=-1.0),
        Gate("CNOT", (2, 0)),
        Gate("CRY", (0, 1), 3),
        Gate("RZ", (1,), 4),
        Gate("Hadamard", (1,)),
    )
    one = QubitNoise(0.05, 0.1, 0.02)
    pairs = {(0, 1): PairNoise(0.1, NONE, one), (1, 2): PairNoise(0.2), (0, 2): PairNoise(0.1)}
    noisy = NoisyCircuit(Circuit(3, gates), CircuitNoise((one,) * 3, pairs, 0.1))
    rng = np.random.default_rng(1)
    theta = torch.from_numpy(rng.uniform(-3, 3, 5)).requires_grad_()
    states = random_states(batch, 3, rng, True).requires_grad_()
    assert torch.autograd.gradcheck(noisy.probabilities, (theta, states), atol=1e-8)


def test_without_noise_it_is_the_circuit() -> None:
    circuit = hardware_efficient(4, 2)
    rng = np.random.default_rng(2)
    theta = torch.from_numpy(rng.uniform(-3, 3, circuit.parameters))
    states = random_states(30, 4, rng, True)
    pairs = {(a, b): PairNoise() for b in range(4) for a in range(b)}
    noise = CircuitNoise((NONE,) * 4, pairs)
    found = NoisyCircuit(circuit, noise).probabilities(theta, states)
    exact = Simulator().probabilities(circuit, theta, states)
    torch.testing.assert_close(found, exact, atol=1e-13, rtol=0)
    single = NoisyCircuit(circuit, noise, "complex64").probabilities(theta, states.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, exact.float(), atol=1e-5, rtol=0)


def test_formulas_of_one_gate() -> None:
    """Depolarising shrinks <Z> by 1 - 4p/3; amplitude damping leaves 1 - gamma of |1>."""
    flip = Circuit(1, (Gate("RX", (0,), angle=math.pi),))
    ground, nothing = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.empty(0)

    def z(noise: QubitNoise, readout: tuple[tuple[float, float], ...] = ()) -> float:
        circuit = NoisyCircuit(flip, CircuitNoise((noise,), {}, 0.0, readout))
        zero, one = circuit.probabilities(nothing, ground)[0].tolist()
        return float(zero - one)

    assert z(QubitNoise(depolarising=0.3)) == pytest.approx(-(1 - 0.4), abs=1e-14)
    assert z(QubitNoise(amplitude_damping=0.3)) == pytest.approx(0.3 - 0.7, abs=1e-14)
    assert z(QubitNoise(phase_damping=0.3)) == pytest.approx(-1, abs=1e-14)
    assert z(NONE, ((0.5, 0.1),)) == pytest.approx(0.1 - 0.9, abs=1e-14)


def test_eight_qubits_fit() -> None:
    circuit = hardware_efficient(8, 1)
    pairs = {tuple(sorted((i, (i + 1) % 8))): PairNoise(0.01) for i in range(8)}
    noisy = NoisyCircuit(circuit, CircuitNoise((QubitNoise(0.001),) * 8, pairs))  # type: ignore[arg-type]
    rng = np.random.default_rng(3)
    theta = torch.from_numpy(rng.uniform(-3, 3, circuit.parameters))
    found = noisy.probabilities(theta, random_states(3, 8, rng, True))
    torch.testing.assert_close(found.sum(1), torch.ones(3, dtype=torch.float64))
    assert found.min() > 0


def test_bad_input_is_refused() -> None:
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=f"from 0 to 1, but is {wrong}"):
            QubitNoise(wrong)
        with pytest.raises(ValueError, match="0 read as 1 must be a probability"):
            CircuitNoise((NONE,), {}, readout=((wrong, 0.0),))
    with pytest.raises(ValueError, match="an entry for each of 2 qubits, but has 1"):
        CircuitNoise((NONE, NONE), {}, readout=((0.1, 0.1),))
    with pytest.raises(ValueError, match=r"no numbers of the pair \(1, 0\)"):
        NoisyCircuit(Circuit(2, (Gate("CZ", (1, 0)),)), CircuitNoise((NONE, NONE), {}))
    with pytest.raises(ValueError, match="numbers of 1 qubits"):
        NoisyCircuit(Circuit(2, (Gate("RX", (1,), 0),)), CircuitNoise((NONE,), {}))
    with pytest.raises(ValueError, match="up to 8 qubits, but the circuit has 9"):
        NoisyCircuit(Circuit(9, ()), CircuitNoise((NONE,) * 9, {}))
    with pytest.raises(ValueError, match="data enters in between"):
        NoisyCircuit(Circuit(1, (Gate("RX", (0,), feature=0),)), CircuitNoise((NONE,), {}))
    noisy = NoisyCircuit(Circuit(1, (Gate("RX", (0,), 0),)), CircuitNoise((NONE,), {}))
    with pytest.raises(ValueError, match=r"have the shape \(batch, 2\)"):
        noisy.probabilities(torch.zeros(1), torch.ones(1, 4))
    with pytest.raises(ValueError, match="1 finite angles"):
        noisy.probabilities(torch.tensor([math.nan]), torch.ones(1, 2))
