"""Shots: frequencies and gradients against exact ones, the formula of the variance, PennyLane."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor

from qkd_study.quantum import (
    Circuit,
    Gate,
    Reuploaded,
    Sampler,
    Simulator,
    angle_embedding,
    class_groups,
    data_reuploading,
    hardware_efficient,
    mean_z,
    measured,
    on_angles,
    on_reuploaded,
    on_states,
    parameter_shift,
    spsa,
    strongly_entangling,
    z_values,
)
from qkd_study.quantum.circuit import GATES
from qkd_study.quantum.parameter_shift import SPSA_STEP, ShiftedCircuit
from qkd_study.quantum.shots import Floats

ESTIMATES = 10_000
READOUTS = {
    "z": z_values(2) @ torch.tensor([1.0, -0.7], dtype=torch.float64),
    "mean z": mean_z(2),
    "groups": class_groups(2, 3) @ torch.tensor([1.0, -0.5, 0.2], dtype=torch.float64),
}
ROTATIONS = [name for name, (_, angled) in GATES.items() if angled]


def around(name: str) -> Circuit:
    """A gate twice, with one parameter, in a circuit in which it changes every readout."""
    wires = (0, 1)[: GATES[name][0]]
    return Circuit(
        2,
        (
            Gate("RY", (0,), angle=0.4),
            Gate("RX", (1,), angle=0.9),
            Gate("CNOT", (1, 0)),
            Gate(name, wires, parameter=0, factor=1.5),
            Gate("Hadamard", (0,)),
            Gate("CZ", (0, 1)),
            Gate("RY", (1,), parameter=1),
            Gate(name, wires, parameter=0),
            Gate("RX", (0,), angle=-0.8),
        ),
    )


def ground(batch: int, qubits: int = 2) -> Tensor:
    states = torch.zeros(batch, 1 << qubits, dtype=torch.float64)
    states[:, 0] = 1
    return states


def given_by(readout: Tensor, batch: int) -> np.ndarray[Any, Any]:
    return readout.expand(batch, -1).numpy()


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("gate", ROTATIONS)
def test_the_gradient_of_every_gate_is_unbiased(gate: str, readout: str) -> None:
    circuit, simulator = around(gate), Simulator()
    theta = torch.tensor([0.6, -1.1], dtype=torch.float64, requires_grad=True)
    exact = simulator.probabilities(circuit, theta, ground(1)) @ READOUTS[readout]
    (expected,) = torch.autograd.grad(exact.sum(), theta)
    assert expected.abs().min() > 0.005
    shifted, none = on_states(simulator, circuit, ground(ESTIMATES))
    numbers, given = theta.detach().numpy(), given_by(READOUTS[readout], ESTIMATES)
    sampler = Sampler(20, seed=1)
    found, _ = parameter_shift(shifted, numbers, none.numpy(), given, sampler)
    error = found.std(0, ddof=1) / math.sqrt(ESTIMATES)
    assert (np.abs(found.mean(0) - expected.numpy()) < 3 * error).all()
    assert error.max() < 0.02  # else the line above would say little
    evaluations = 2 + 2 * (4 if gate[0] == "C" else 2)
    assert sampler.fired == 20 * ESTIMATES * evaluations


class Exact(Sampler):
    """Measures without an error, as with infinitely many shots."""

    def draw(self, probabilities: Floats) -> np.ndarray[Any, np.dtype[np.float64]]:
        return probabilities.astype(np.float64)


@pytest.mark.parametrize("gate", ROTATIONS)
def test_shift_rules_are_exact_in_expectation(gate: str) -> None:
    circuit = around(gate)
    theta = torch.tensor([0.6, -1.1], dtype=torch.float64, requires_grad=True)
    exact = Simulator().probabilities(circuit, theta, ground(1)) @ READOUTS["z"]
    (expected,) = torch.autograd.grad(exact.sum(), theta)
    shifted, none = on_states(Simulator(), circuit, ground(1))
    given = given_by(READOUTS["z"], 1)
    found, _ = parameter_shift(shifted, theta.detach().numpy(), none.numpy(), given, Exact(1))
    assert np.abs(found[0] - expected.numpy()).max() < 1e-14


def embedded(simulator: Simulator, angles: Tensor) -> tuple[ShiftedCircuit, Tensor]:
    return on_angles(simulator, hardware_efficient(2), angles)


def reuploaded(simulator: Simulator, angles: Tensor) -> tuple[ShiftedCircuit, Tensor]:
    return on_reuploaded(simulator, Reuploaded([hardware_efficient(2)] * 2, 2), angles)


def exact_reuploaded(theta: Tensor, angles: Tensor) -> Tensor:
    final = Reuploaded([hardware_efficient(2)] * 2, 2).evolve(Simulator(), theta, angles)
    return final.real**2 + final.imag**2


def exact_embedded(theta: Tensor, angles: Tensor) -> Tensor:
    states = angle_embedding(angles, 2)
    return Simulator().probabilities(hardware_efficient(2), theta, states)


INPUTS = {
    "angle embedding": (embedded, exact_embedded, 4),
    "re-uploading": (reuploaded, exact_reuploaded, 8),
}


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("kind", INPUTS)
def test_the_gradient_of_the_inputs_is_unbiased(kind: str, readout: str) -> None:
    shots, exact_of, count = INPUTS[kind]
    theta = torch.linspace(-1, 2, count, dtype=torch.float64, requires_grad=True)
    angles = torch.tensor([[0.7, -0.4]], dtype=torch.float64, requires_grad=True)
    value = exact_of(theta, angles) @ READOUTS[readout]
    wanted = torch.autograd.grad(value.sum(), (theta, angles))
    circuit, inputs = shots(Simulator(), angles.detach().expand(ESTIMATES, 2))
    given = given_by(READOUTS[readout], ESTIMATES)
    numbers = theta.detach().numpy(), inputs.numpy()
    found = parameter_shift(circuit, *numbers, given, Sampler(20, seed=1), data=True)
    for mine, exact in zip(found, wanted, strict=True):
        error = mine.std(0, ddof=1) / math.sqrt(ESTIMATES)
        difference = np.abs(mine.mean(0) - exact.numpy().reshape(-1))
        # Six or ten numbers each: three standard errors, as everywhere here, at this seed.
        assert (difference <= 3 * error + 1e-12).all()


def test_the_variance_falls_as_one_over_the_shots() -> None:
    circuit, inputs = embedded(Simulator(), torch.tensor([[0.7, -0.4]]).double().expand(5_000, 2))
    theta, given = np.linspace(-1, 2, 4), given_by(READOUTS["z"], 5_000)
    counts = np.array([10, 100, 1_000, 10_000])
    variances = []
    for shots in counts.tolist():
        sampler = Sampler(shots, seed=shots)
        both = parameter_shift(circuit, theta, inputs.numpy(), given, sampler, data=True)
        variances.append([found.var(0).sum() for found in both])
    for of in np.transpose(variances):
        slope = np.polyfit(np.log(counts), np.log(of), 1)[0]
        assert slope == pytest.approx(-1, abs=0.05)


@pytest.mark.parametrize("gate", ["RY", "CRX"])
def test_the_variance_is_that_of_pennylane(gate: str) -> None:
    circuit, shots, copies = around(gate), 50, 4_000
    numbers = np.array([0.6, -1.1])
    varied = [gate for gate in circuit.gates if gate.parameter is not None]
    chain = np.array([[gate.factor * (gate.parameter == p) for p in (0, 1)] for gate in varied])
    tape = qml.tape.QuantumScript(
        circuit.operators(numbers),
        [qml.expval(qml.Z(0) - 0.7 * qml.Z(1))],
        shots=shots * copies,
        trainable_params=circuit.varied,
    )
    tapes, combine = qml.gradients.param_shift(tape)
    tapes = [one.copy(measurements=[qml.sample(wires=[0, 1])]) for one in tapes]
    outcomes = qml.device("default.qubit", seed=8).execute(tapes)
    values = [READOUTS["z"].numpy()[of @ [2, 1]].reshape(copies, shots).mean(1) for of in outcomes]
    theirs = np.array(combine(values)).T @ chain
    shifted, none = on_states(Simulator(), circuit, ground(copies))
    given = given_by(READOUTS["z"], copies)
    mine, _ = parameter_shift(shifted, numbers, none.numpy(), given, Sampler(shots, seed=9))
    assert mine.var(0) == pytest.approx(theirs.var(0), rel=0.1)
    assert mine.mean(0) == pytest.approx(theirs.mean(0), abs=0.03)


def test_spsa_has_the_mean_of_its_formula() -> None:
    shots, exact_of, count = INPUTS["angle embedding"]
    theta = torch.linspace(-1, 2, count, dtype=torch.float64)
    angles = torch.tensor([[0.7, -0.4]], dtype=torch.float64)
    readout, every = READOUTS["z"], list(itertools.product((1.0, -1.0), repeat=count + 2))
    expected = np.zeros(count + 2)
    for signs in torch.tensor(every, dtype=torch.float64)[: len(every) // 2]:  # others mirror them
        sides = [
            exact_of(theta + side * signs[:count], angles + side * signs[count:]) @ readout
            for side in (SPSA_STEP, -SPSA_STEP)
        ]
        expected += ((sides[0] - sides[1]) / (2 * SPSA_STEP) * signs).numpy()
    expected /= len(every) // 2
    circuit, inputs = shots(Simulator(), angles)
    found, sampler = [], Sampler(20, seed=11)
    for _ in range(600):
        given = given_by(readout, 1), sampler
        for_theta, for_inputs = spsa(circuit, theta.numpy(), inputs.numpy(), *given, data=True)
        found.append(np.concatenate((for_theta[0], for_inputs[0])))
    error = np.std(found, 0, ddof=1) / math.sqrt(len(found))
    assert (np.abs(np.mean(found, 0) - expected) < 3 * error).all()
    assert sampler.fired == 600 * 2 * 20


@pytest.mark.parametrize("gradient", ["parameter-shift", "spsa"])
def test_frequencies_and_gradients_as_a_torch_function(gradient: Any) -> None:
    sampler = Sampler(100_000, gradient, seed=1)
    theta = torch.linspace(-1, 2, 4, dtype=torch.float64, requires_grad=True)
    angles = torch.rand(6, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    circuit, inputs = embedded(Simulator(), angles)
    found = measured(circuit, theta, inputs, sampler)
    exact = exact_embedded(theta, angles.double())
    assert found.dtype == torch.float32
    assert (found * 100_000).detach().numpy() == pytest.approx(
        (found * 100_000).detach().round().numpy(), abs=0.02
    )
    assert torch.allclose(found.double(), exact, rtol=0, atol=0.01)
    mine = torch.autograd.grad((found @ READOUTS["z"].float()).square().sum(), (theta, angles))
    assert [g.dtype for g in mine] == [torch.float64, torch.float32]
    gates = 2 * (4 + 2) if gradient == "parameter-shift" else 2
    assert sampler.fired == 6 * 100_000 * (1 + gates)
    if gradient == "parameter-shift":
        value = (exact @ READOUTS["z"]).square().sum()
        for of_shots, wanted in zip(mine, torch.autograd.grad(value, (theta, angles)), strict=True):
            assert torch.allclose(of_shots, wanted, rtol=0, atol=0.05)


def test_only_what_needs_a_gradient_is_shifted() -> None:
    sampler = Sampler(10)
    theta = torch.linspace(-1, 2, 4, dtype=torch.float64, requires_grad=True)
    circuit, inputs = embedded(Simulator(), torch.ones(3, 2))
    measured(circuit, theta, inputs, sampler).sum().backward()
    assert sampler.fired == 3 * 10 * (1 + 2 * 4)


@pytest.mark.parametrize("plan", ["register", "matrix"])
def test_the_same_seed_gives_the_same_bits(plan: Any) -> None:
    def once(seed: int) -> list[Tensor]:
        theta = torch.linspace(-1, 1, 18, dtype=torch.float64, requires_grad=True)
        simulator, ansatz = Simulator(forced=plan), strongly_entangling(3, 2)
        circuit, none = on_states(simulator, ansatz, ground(4, 3))
        found = measured(circuit, theta, none, Sampler(50, seed=seed))
        return [found, *torch.autograd.grad((found * torch.arange(8)).sum(), theta)]

    first, again, other = once(1), once(1), once(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])


def test_a_circuit_with_features_runs_sample_by_sample() -> None:
    circuit = data_reuploading(2, 2, features=2)
    theta = torch.linspace(-1, 2, 8, dtype=torch.float64, requires_grad=True)
    angles = torch.tensor([[0.7, -0.4], [0.1, 2.0]], dtype=torch.float64, requires_grad=True)
    one, _ = on_states(Simulator(), circuit, ground(2), angles)
    two, _ = reuploaded(Simulator(), angles)
    results = []
    for kind in (one, two):
        found = measured(kind, theta, angles, Sampler(1_000, seed=2))
        weighed = (found * torch.arange(4.0)).sum()
        results.append([found, *torch.autograd.grad(weighed, (theta, angles))])
    for mine, other in zip(*results, strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shots", [0, -5, 1.5, True, None])
def test_shots_are_a_positive_integer(shots: Any) -> None:
    with pytest.raises(ValueError, match=f"positive integer, but got {shots!r}"):
        Sampler(shots)


def test_unknown_gradients_and_gradients_of_amplitudes_are_refused() -> None:
    with pytest.raises(ValueError, match="got 'adjoint'"):
        Sampler(10, "adjoint")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no gradient with respect to amplitudes"):
        on_states(Simulator(), hardware_efficient(2), ground(1).requires_grad_())
