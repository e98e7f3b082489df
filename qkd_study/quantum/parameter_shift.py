"""Gradients that hardware can measure: from the outcomes of circuits with shifted angles.

Both are of a scalar whose derivatives with respect to the frequencies of outcomes are given, such
as those that backpropagation finds at the measured frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.quantum.circuit import Circuit, Gate
from qkd_study.quantum.shots import Sampler

Floats = NDArray[np.floating[Any]]
#: Weights and shifts: a derivative is the sum of weight * f(angle + shift).
Rule = tuple[tuple[float, float], ...]

#: Of a rotation exp(-i a P / 2), whose generator has two eigenvalues (Mitarai et al. 2018,
#: arXiv:1803.00745; Schuld et al. 2019, arXiv:1811.11184).
TWO_TERMS: Rule = ((0.5, math.pi / 2), (-0.5, -math.pi / 2))
_SUM, _DIFFERENCE = ((math.sqrt(2) + sign) / (4 * math.sqrt(2)) for sign in (1, -1))
#: Of a controlled rotation, whose generator has the eigenvalues -1/2, 0 and 1/2 (Anselmetti et al.
#: 2021, arXiv:2104.05695).
FOUR_TERMS: Rule = (
    (_SUM, math.pi / 2),
    (-_SUM, -math.pi / 2),
    (-_DIFFERENCE, 3 * math.pi / 2),
    (_DIFFERENCE, -3 * math.pi / 2),
)
#: By how much SPSA shifts every angle, in radians: the bias grows with its square, the variance
#: with its inverse square.
SPSA_STEP = 0.2


def shift_rule(gate: str) -> Rule:
    """The shift rule of a gate with an angle, by its name."""
    return FOUR_TERMS if gate[0] == "C" else TWO_TERMS


@dataclass(frozen=True)
class GateAngles:
    """The angles of some gates, each a multiple of one of some numbers.

    Attributes:
        names: of the gates, G.
        places: which number an angle is a multiple of.
        factors: of the numbers.
        count: how many numbers there are.
    """

    names: tuple[str, ...]
    places: tuple[int, ...]
    factors: tuple[float, ...]
    count: int

    @classmethod
    def of(cls, gates: Sequence[Gate], places: Sequence[int], count: int) -> GateAngles:
        """Of gates whose angles are their factors times the numbers at `places`."""
        return cls(
            tuple(g.name for g in gates), tuple(places), tuple(g.factor for g in gates), count
        )

    @property
    def evaluations(self) -> int:
        """Circuits of a parameter-shift gradient, per sample."""
        return sum(len(shift_rule(name)) for name in self.names)

    def angles(self, numbers: Floats) -> NDArray[np.float64]:
        """Angles (..., G) of numbers (..., count)."""
        chosen = numbers.astype(np.float64)[..., list(self.places)]
        angles: NDArray[np.float64] = chosen * np.array(self.factors)
        return angles

    def gathered(self, of_angles: Floats) -> NDArray[np.float64]:
        """Derivatives (..., count) in the numbers, of those in the angles (..., G)."""
        out = np.zeros((*of_angles.shape[:-1], self.count))
        for gate, (place, factor) in enumerate(zip(self.places, self.factors, strict=True)):
            out[..., place] += factor * of_angles[..., gate]
        return out


@dataclass(frozen=True)
class ShiftedCircuit:
    """A circuit as a function from the angle of every single gate to the outcomes' probabilities.

    Attributes:
        trained: gates whose angles are trained, the same for all samples.
        data: gates whose angles are a sample's.
        probabilities: from the angles of the first (G,) and of the second (B, D) to (B, K).
    """

    trained: GateAngles
    data: GateAngles
    probabilities: Callable[[Floats, Floats], Floats]


def unshared(circuit: Circuit) -> tuple[Circuit, GateAngles, GateAngles]:
    """A circuit in which every gate has a number of its own, and the gates that have one.

    Returns:
        The circuit, its gates with a parameter, and those with a feature.
    """
    gates: list[Gate] = []
    trained: list[Gate] = []
    data: list[Gate] = []
    for gate in circuit.gates:
        number = gate
        if gate.parameter is not None:
            number = Gate(gate.name, gate.wires, parameter=len(trained))
            trained.append(gate)
        elif gate.feature is not None:
            number = Gate(gate.name, gate.wires, feature=len(data))
            data.append(gate)
        gates.append(number)
    return (
        Circuit(circuit.qubits, tuple(gates)),
        GateAngles.of(trained, [g.parameter or 0 for g in trained], circuit.parameters),
        GateAngles.of(data, [g.feature or 0 for g in data], circuit.features),
    )


def parameter_shift(
    circuit: ShiftedCircuit,
    theta: Floats,
    inputs: Floats,
    given: Floats,
    sampler: Sampler,
    *,
    trained: bool = True,
    data: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unbiased estimates by shift rules; every gate is shifted on its own.

    Args:
        circuit: with P trained numbers and F of each sample.
        theta: the trained numbers, (P,).
        inputs: those of the samples, (B, F).
        given: derivatives with respect to the frequencies of outcomes, (B, K).
        sampler: draws the shots of every shifted circuit anew.
        trained, data: which gradients to estimate; others are 0.

    Returns:
        By sample, with respect to `theta`, (B, P), and to `inputs`, (B, F).
    """
    shared, own = circuit.trained.angles(theta), circuit.data.angles(inputs)
    samples = len(inputs)
    of_shared, of_own = np.zeros((samples, len(shared))), np.zeros(own.shape)

    def derivative(rule: Rule, angle: Floats) -> NDArray[np.float64]:
        exact, before = [], angle.copy()
        for _, shift in rule:
            angle[...] = before + shift
            exact.append(circuit.probabilities(shared, own))
        angle[...] = before
        measured = np.einsum("tbk,bk->tb", sampler.draw(np.stack(exact)), given)
        total: NDArray[np.float64] = np.array([weight for weight, _ in rule]) @ measured
        return total

    for gate, name in enumerate(circuit.trained.names if trained else ()):
        of_shared[:, gate] = derivative(shift_rule(name), shared[gate, ...])
    for gate, name in enumerate(circuit.data.names if data else ()):
        of_own[:, gate] = derivative(shift_rule(name), own[:, gate])
    return circuit.trained.gathered(of_shared), circuit.data.gathered(of_own)


def spsa(
    circuit: ShiftedCircuit,
    theta: Floats,
    inputs: Floats,
    given: Floats,
    sampler: Sampler,
    *,
    trained: bool = True,
    data: bool = False,
    step: float = SPSA_STEP,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `parameter_shift`, from two circuits: all numbers are shifted at once, at random.

    Simultaneous perturbation (Spall 1992, doi:10.1109/9.119632): with random signs d, the
    derivative in number i is estimated by (f(x + step d) - f(x - step d)) / (2 step d_i). Its bias
    is of the order of step^2.
    """
    samples, P, F = len(inputs), circuit.trained.count, circuit.data.count
    signs = 1.0 - 2.0 * sampler.rng.integers(2, size=P) if trained else np.zeros(P)
    own_signs = 1.0 - 2.0 * sampler.rng.integers(2, size=(samples, F))
    own_signs *= data
    exact = [
        circuit.probabilities(
            circuit.trained.angles(theta + sign * step * signs),
            circuit.data.angles(inputs + sign * step * own_signs),
        )
        for sign in (1.0, -1.0)
    ]
    more, less = np.einsum("tbk,bk->tb", sampler.draw(np.stack(exact)), given)
    slope = ((more - less) / (2 * step))[:, None]
    return slope * signs, slope * own_signs
