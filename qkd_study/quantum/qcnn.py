"""The quantum convolutional network (Cong et al. 2019, doi:10.1038/s41567-019-0648-8)."""

from __future__ import annotations

from qkd_study.quantum.ansatze import brickwork
from qkd_study.quantum.circuit import Circuit, Gate

#: One universal block on two wires, with 15 angles.
_BLOCK = brickwork(2).gates


def qcnn(qubits: int, depth: int = 1) -> Circuit:
    """Convolutions and pooling in turn, until one qubit is left.

    A convolution is the same two-qubit block on all even and then on all odd pairs of neighbours
    among the qubits that are left, `depth` times with angles of its own. Pooling leaves every
    second qubit, and the last one if their number is odd: each of the others turns the next one by
    CRZ and CRX, which is the same as to measure it and to turn the next one if the outcome is 1. At
    the end the qubit that is left, the last one, is turned by RZ and RY. With the L levels that it
    takes to halve n qubits to one, rounding up, there are L (15 depth + 2) + 2 parameters: their
    number grows as the logarithm of n.

    Args:
        qubits: n >= 2.
        depth: of a convolution.

    Raises:
        ValueError: `qubits` is below 2 or `depth` below 1.
    """
    if qubits < 2 or depth < 1:
        raise ValueError(
            f"qcnn needs qubits >= 2 and depth >= 1, but got qubits={qubits}, depth={depth}"
        )
    gates: list[Gate] = []
    left, parameters = list(range(qubits)), 0
    while len(left) > 1:
        for _ in range(depth):
            for first in (0, 1):
                for pair in zip(left[first::2], left[first + 1 :: 2], strict=False):
                    gates += [_placed(gate, pair, parameters) for gate in _BLOCK]
            parameters += 15
        for pair in zip(left[::2], left[1::2], strict=False):
            gates.append(Gate("CRZ", pair, parameter=parameters))
            gates.append(Gate("CRX", pair, parameter=parameters + 1))
        parameters += 2
        left = left[1::2] + left[len(left) - len(left) % 2 :]
    gates.append(Gate("RZ", (left[0],), parameter=parameters))
    gates.append(Gate("RY", (left[0],), parameter=parameters + 1))
    return Circuit(qubits, tuple(gates))


def _placed(gate: Gate, pair: tuple[int, int], first: int) -> Gate:
    """A gate of the block on two wires, with angles numbered from `first`."""
    number = None if gate.parameter is None else first + gate.parameter
    return Gate(gate.name, tuple(pair[wire] for wire in gate.wires), parameter=number)
