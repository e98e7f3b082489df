"""Mitigation: folding and extrapolation by formula, readouts inverted, and from shots."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from qkd_study.quantum import (
    Circuit,
    CircuitNoise,
    Gate,
    NoisyCircuit,
    PairNoise,
    QubitNoise,
    Sampler,
    measured,
    on_states,
)
from qkd_study.quantum.mitigation import (
    FOLDS,
    Mitigation,
    extrapolation_weights,
    folded,
    nearest_probabilities,
    unread_matrix,
)
from qkd_study.quantum.simulator import Simulator

GATES = (
    Gate("RY", (0,), parameter=0),
    Gate("Hadamard", (1,)),
    Gate("CRX", (0, 1), parameter=1),
    Gate("RZ", (1,), parameter=0, factor=-0.5),
    Gate("CNOT", (1, 2)),
    Gate("RX", (2,), angle=0.7),
    Gate("CZ", (0, 2)),
)
CIRCUIT = Circuit(3, GATES)
THETA = torch.tensor([0.4, -1.3], dtype=torch.float64)


def noise_of(
    strength: float, readout: tuple[float, float] = (0.0, 0.0), *, damping: bool = True
) -> CircuitNoise:
    of_pair = QubitNoise(0.0, 2 * strength, strength) if damping else QubitNoise()
    one = QubitNoise(strength, of_pair.amplitude_damping, of_pair.phase_damping)
    pair = PairNoise(2 * strength, of_pair, of_pair)
    pairs = dict.fromkeys(((0, 1), (1, 2), (0, 2)), pair)
    return CircuitNoise((one,) * 3, pairs, 0.0, (readout,) * 3)


def states(samples: int = 4) -> torch.Tensor:
    found = torch.randn(samples, 8, dtype=torch.float64)
    out: torch.Tensor = found / found.norm(dim=1, keepdim=True)
    return out


def exact(of: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = Simulator().probabilities(CIRCUIT, THETA, of)
    return found


@pytest.mark.parametrize("times", FOLDS)
def test_a_folded_circuit_is_the_circuit(times: int) -> None:
    torch.manual_seed(1)
    given = states()
    made = folded(CIRCUIT, times)
    assert len(made.gates) == times * len(GATES)
    found = Simulator().probabilities(made, THETA, given)
    np.testing.assert_allclose(found, exact(given), atol=1e-12)
    assert folded(CIRCUIT, 1) == CIRCUIT


def test_the_extrapolation_is_exact_for_polynomials() -> None:
    scales = np.array(FOLDS)
    weights = extrapolation_weights(FOLDS)
    np.testing.assert_allclose(weights, [15 / 8, -10 / 8, 3 / 8], atol=1e-14)
    for degree in range(len(FOLDS)):
        assert weights @ scales**degree == pytest.approx(float(degree == 0), abs=1e-12)


def test_depolarised_rotations_follow_the_formula() -> None:
    # After k gates with depolarising p, <Z> of RY(a)|0> is cos(a) (1 - 4 p / 3)^k.
    p, angle = 0.05, 0.9
    noise = CircuitNoise((QubitNoise(p, 0.0, 0.0),), {}, 0.0, ())
    circuit = Circuit(1, (Gate("RY", (0,), parameter=0),))
    ground = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    theta = torch.tensor([angle], dtype=torch.float64)
    made = Mitigation.of(circuit, noise, "complex128", readout=False, zne=True)
    found = made.estimate(lambda of: of.probabilities(theta, ground))
    keeps = 1 - 4 * p / 3
    by_hand = math.cos(angle) * (15 * keeps - 10 * keeps**3 + 3 * keeps**5) / 8
    assert float(found[0, 0] - found[0, 1]) == pytest.approx(by_hand, abs=1e-12)
    assert abs(by_hand - math.cos(angle)) < abs(keeps * math.cos(angle) - math.cos(angle)) / 20


def test_readouts_are_inverted_exactly() -> None:
    torch.manual_seed(2)
    given = states()
    clean, misread = noise_of(0.01), noise_of(0.01, (0.03, 0.1))
    expected = NoisyCircuit(CIRCUIT, clean).probabilities(THETA, given)
    as_read = NoisyCircuit(CIRCUIT, misread).probabilities(THETA, given)
    made = Mitigation.of(CIRCUIT, misread, "complex128", readout=True, zne=False)
    found = made.estimate(lambda of: of.probabilities(THETA, given))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (as_read - expected).abs().max() > 0.02
    # By Bayes' rule on a single qubit: P(read) = M P(true).
    single = unread_matrix(CircuitNoise((QubitNoise(),), {}, 0.0, ((0.03, 0.1),)), 1)
    np.testing.assert_allclose(single @ [[0.97, 0.1], [0.03, 0.9]], np.eye(2), atol=1e-14)


def test_the_error_falls_with_the_third_power_of_depolarising_noise() -> None:
    # It commutes with the gates, so that folding by 3 and 5 amplifies it so many times.
    torch.manual_seed(3)
    given = states()
    errors = []
    for strength in (0.002, 0.004):
        made = Mitigation.of(
            CIRCUIT, noise_of(strength, damping=False), "complex128", readout=False, zne=True
        )
        found = made.estimate(lambda of: of.probabilities(THETA, given))
        errors.append(float((found - exact(given)).abs().max()))
    assert errors[1] / errors[0] == pytest.approx(8, rel=0.15)


def test_estimates_of_shots_are_unbiased() -> None:
    torch.manual_seed(4)
    given = states(2)
    noise = noise_of(0.01, (0.02, 0.05))
    made = Mitigation.of(CIRCUIT, noise, "complex128", readout=True, zne=True)
    expected = made.estimate(lambda of: of.probabilities(THETA, given))
    sampler, simulator = Sampler(200), Simulator()

    def measure(of: NoisyCircuit) -> torch.Tensor:
        circuit, numbers = on_states(simulator, of.circuit, given, noisy=of)
        return measured(circuit, THETA, numbers, sampler)

    drawn = torch.stack([made.estimate(measure) for _ in range(1000)])
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert ((drawn.mean(0) - expected).abs() < 4.5 * error).all()
    assert sampler.fired == 1000 * 3 * 2 * 200
    repaired = nearest_probabilities(drawn[0])
    assert (drawn < 0).any()
    assert (repaired >= 0).all()
    np.testing.assert_allclose(repaired.sum(-1), 1, atol=1e-12)


def test_what_cannot_be_mitigated_is_refused() -> None:
    with pytest.raises(ValueError, match="odd and positive, but got 2"):
        folded(CIRCUIT, 2)
    entered = Circuit(1, (Gate("RX", (0,), feature=0),))
    with pytest.raises(ValueError, match="cannot be folded"):
        folded(entered, 3)
    with pytest.raises(ValueError, match=r"qubit 0 is read as 1 with probability 0\.4 if it is 0"):
        unread_matrix(noise_of(0.0, (0.4, 0.6)), 3)
