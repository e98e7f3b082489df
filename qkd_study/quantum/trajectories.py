"""`TrajectoryCircuit`: a circuit with noise by trajectories of pure states, for more qubits.

A trajectory draws, after every gate, what the noise does: a Pauli error with its probability, or a
decay with the probability that the state has at that moment (quantum jumps: Dalibard, Castin and
Molmer 1992, doi:10.1103/PhysRevLett.68.580). The mean of its probabilities is that of the density
matrix, of which a trajectory needs 2^n instead of 4^n numbers. A phase damping of l is an error Z
with probability (1 - sqrt(1 - l)) / 2.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_study.common.memory import check_allocation
from qkd_study.quantum._transfer import PAULIS
from qkd_study.quantum.circuit import Circuit, Gate
from qkd_study.quantum.noise import CircuitNoise, QubitNoise
from qkd_study.quantum.parameter_shift import Floats, ShiftedCircuit, unshared

#: Amplitudes of a chunk of trajectories.
CHUNK = 2**18
_AXES = {"X": 1, "Y": 2, "Z": 3}


def unitary(name: str, angle: float | None) -> NDArray[np.complex128]:
    """The matrix of a gate, (2^k, 2^k).

    Args:
        name: one of `GATES`.
        angle: in radians, of a gate that takes one.
    """
    axis = PAULIS[_AXES[name[-1]]] if name != "Hadamard" and name != "CNOT" else PAULIS[1]
    if name == "Hadamard":
        single = (PAULIS[1] + PAULIS[3]) / math.sqrt(2)
    elif angle is None:
        single = axis
    else:
        single = math.cos(angle / 2) * PAULIS[0] - 1j * math.sin(angle / 2) * axis
    if name[0] != "C":
        return np.asarray(single, dtype=np.complex128)
    out = np.eye(4, dtype=np.complex128)
    out[2:, 2:] = single
    return out


class TrajectoryCircuit:
    """A circuit with noise after its gates and in its measurement.

    Args:
        circuit: n qubits, P parameters, no features.
        noise: of its qubits, and of the pairs that it couples.
        trajectories: T, of every sample.
        precision: complex64 computes in single precision.

    Raises:
        ValueError: data enters between the gates, there are fewer than two trajectories, or the
            noise has no numbers for a qubit or pair.
    """

    def __init__(
        self,
        circuit: Circuit,
        noise: CircuitNoise,
        trajectories: int,
        precision: str = "complex128",
    ) -> None:
        if circuit.features:
            raise ValueError("noise needs one circuit for all samples, but data enters in between")
        if trajectories < 2:
            raise ValueError(f"there must be at least 2 trajectories, but got {trajectories}")
        self.circuit, self.noise, self.trajectories = circuit, noise, trajectories
        self.precision = precision
        self.dtype = torch.complex64 if precision == "complex64" else torch.complex128
        self._after = [_errors(noise, gate) for gate in circuit.gates]
        paulis = torch.from_numpy(PAULIS).to(self.dtype)
        self._paulis = paulis
        self._pairs = torch.stack([torch.kron(a, b) for a in paulis for b in paulis])

    @torch.no_grad()
    def probabilities(
        self, theta: Tensor, states: Tensor, *, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Estimates of the probabilities with which the basis states are read.

        Args:
            theta: angles in radians, (P,).
            states: amplitudes before the circuit, real or complex, (B, 2^n).
            rng: draws the errors.

        Returns:
            The means over trajectories and their standard errors, (B, 2^n) each, in the precision
            of `states`.

        Raises:
            ValueError: a shape does not fit the circuit, an angle is not finite, or memory does not
                hold the trajectories of a sample.
        """
        qubits, times = self.circuit.qubits, self.trajectories
        if states.ndim != 2 or states.shape[1] != 1 << qubits:
            raise ValueError(
                f"states of {qubits} qubits have the shape (batch, {2**qubits}), but got "
                f"{tuple(states.shape)}"
            )
        if theta.shape != (self.circuit.parameters,) or not bool(theta.isfinite().all()):
            raise ValueError(
                f"theta must be {self.circuit.parameters} finite angles, but is {theta.tolist()}"
            )
        check_allocation(
            4 * times * self.dtype.itemsize << qubits, f"trajectories of {qubits} qubits"
        )
        matrices = self._matrices(theta.tolist())
        means, errors = [], []
        for part in states.split(max(CHUNK // times >> qubits, 1)):
            found = self._run(matrices, part.to(self.dtype).repeat_interleave(times, 0), rng)
            by_sample = found.unflatten(0, (len(part), times))
            means.append(by_sample.mean(1))
            errors.append(by_sample.std(1) / math.sqrt(times))
        empty = [states.real.new_empty(0, 1 << qubits)]
        out, spread = torch.cat(means or empty), torch.cat(errors or empty)
        return out.to(states.real.dtype), spread.to(states.real.dtype)

    def shifted(self, states: Tensor, rng: torch.Generator) -> tuple[ShiftedCircuit, Tensor]:
        """For `parameter_shift` and `measured`: every evaluation draws trajectories anew.

        A shift rule is linear in probabilities, so that its estimates of a gradient are unbiased. A
        derivative along drawn trajectories would not be: their probabilities depend on the angles.

        Returns:
            The circuit, and its samples' numbers, none.
        """
        single, trained, data = unshared(self.circuit)
        own = TrajectoryCircuit(single, self.noise, self.trajectories, self.precision)

        def probabilities(angles: Floats, _: Floats) -> Floats:
            found, _errors = own.probabilities(torch.from_numpy(angles), states, rng=rng)
            out: Floats = found.numpy()
            return out

        return ShiftedCircuit(trained, data, probabilities), states.real.new_zeros(len(states), 0)

    def _matrices(self, theta: list[float]) -> list[Tensor]:
        turn, out = 1 + self.noise.over_rotation, []
        for gate in self.circuit.gates:
            angle = gate.angle if gate.parameter is None else gate.factor * theta[gate.parameter]
            matrix = unitary(gate.name, None if angle is None else angle * turn)
            out.append(torch.from_numpy(matrix).to(self.dtype))
        return out

    def _run(self, matrices: list[Tensor], states: Tensor, rng: torch.Generator) -> Tensor:
        """Probabilities (M, 2^n) that are read at the end of M trajectories."""
        for gate, matrix, after in zip(self.circuit.gates, matrices, self._after, strict=True):
            states = _apply(states, self._with_errors(matrix, after, len(states), rng), gate.wires)
            for wire, of in zip(gate.wires, after.wires, strict=True):
                if of.amplitude_damping:
                    states = _damped(states, wire, of.amplitude_damping, rng)
        found = states.real**2 + states.imag**2
        for wire, (zero_as_one, one_as_zero) in enumerate(self.noise.readout):
            confusion = [[1 - zero_as_one, one_as_zero], [zero_as_one, 1 - one_as_zero]]
            found = _apply(found, torch.tensor(confusion, dtype=found.dtype), (wire,))
        return found

    def _with_errors(
        self, matrix: Tensor, after: _After, count: int, rng: torch.Generator
    ) -> Tensor:
        """A gate (d, d), or one for each trajectory with the Pauli errors after it, (M, d, d)."""
        table = self._paulis if len(after.wires) == 1 else self._pairs
        if after.depolarising:
            matrix = table[_drawn(after.depolarising, len(table), count, rng)] @ matrix
        for place, of in enumerate(after.wires):
            step = 4 ** (len(after.wires) - 1 - place)  # of this wire's Paulis in the table
            if of.depolarising:
                matrix = table[step * _drawn(of.depolarising, 4, count, rng)] @ matrix
            if of.phase_damping:
                flips = torch.rand(count, generator=rng) < (1 - math.sqrt(1 - of.phase_damping)) / 2
                matrix = table[step * 3 * flips.long()] @ matrix
        return matrix


class _After:
    """What follows a gate: a Pauli error of both wires, then errors of each, in their order."""

    def __init__(self, depolarising: float, wires: tuple[QubitNoise, ...]) -> None:
        self.depolarising, self.wires = depolarising, wires


def _errors(noise: CircuitNoise, gate: Gate) -> _After:
    if max(gate.wires) >= len(noise.qubits):
        raise ValueError(
            f"the noise has numbers of {len(noise.qubits)} qubits, none of {gate.wires}"
        )
    if len(gate.wires) == 1:
        of = noise.qubits[gate.wires[0]]
        return _After(0.0, (of,))
    a, b = gate.wires
    pair = noise.pairs.get((min(a, b), max(a, b)))
    if pair is None:
        raise ValueError(f"the noise has no numbers of the pair {gate.wires}, which a gate couples")
    both = (pair.first, pair.second) if a < b else (pair.second, pair.first)
    return _After(pair.depolarising, both)


def _drawn(probability: float, paulis: int, count: int, rng: torch.Generator) -> Tensor:
    """Errors (count,), from 1 to `paulis` - 1 with this probability in all, or else 0."""
    hit = torch.rand(count, generator=rng) < probability
    kinds = torch.randint(1, paulis, (count,), generator=rng)
    return torch.where(hit, kinds, torch.zeros_like(kinds))


def _apply(states: Tensor, matrix: Tensor, wires: tuple[int, ...]) -> Tensor:
    """A matrix (d, d) on some wires, or one for each state, (M, d, d); states (M, 2^n)."""
    count, size = states.shape
    qubits = size.bit_length() - 1
    axes = [1 + wire for wire in wires]
    front = list(range(1, 1 + len(wires)))
    by_wire = states.view(count, *[2] * qubits).movedim(axes, front)
    moved = matrix @ by_wire.reshape(count, 1 << len(wires), -1)
    return moved.view(by_wire.shape).movedim(front, axes).reshape(count, size)


def _damped(states: Tensor, wire: int, gamma: float, rng: torch.Generator) -> Tensor:
    """Trajectories (M, 2^n) after a qubit decays, or does not: by the probability of either."""
    parts = states.view(len(states), 1 << wire, 2, -1)
    excited = (parts[:, :, 1].real ** 2 + parts[:, :, 1].imag ** 2).sum((1, 2))
    jumps = torch.rand(len(states), generator=rng, dtype=excited.dtype) < gamma * excited
    norm = torch.where(jumps, excited, 1 - gamma * excited).sqrt()
    kraus = torch.zeros(len(states), 2, 2, dtype=states.dtype)
    stays = (~jumps) / norm
    kraus[:, 0, 0], kraus[:, 1, 1] = stays, stays * math.sqrt(1 - gamma)
    kraus[:, 0, 1] = jumps / norm
    return _apply(states, kraus, (wire,))
