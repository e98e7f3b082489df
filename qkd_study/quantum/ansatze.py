"""Ansatze: circuits by number of qubits and depth."""

from __future__ import annotations

from qkd_study.quantum.circuit import Circuit, Gate


def quanvolution_filter(qubits: int = 4, depth: int = 1) -> Circuit:
    """The circuit of one quanvolution filter: RY on each wire, a chain of CRY, RY on each wire.

    It has `depth * (3 * qubits - 1)` parameters, 11 for 4 qubits: the number per filter that the
    5,923 parameters of the Q2C teacher imply (Piperno et al.); their slides print no circuit.

    Args:
        qubits: n >= 1.
        depth: repetitions of the block.

    Raises:
        ValueError: `qubits` or `depth` is below 1.
    """
    if qubits < 1 or depth < 1:
        raise ValueError(f"qubits and depth must be >= 1, but got {qubits=}, {depth=}")
    wires: list[tuple[str, tuple[int, ...]]] = [
        *(("RY", (wire,)) for wire in range(qubits)),
        *(("CRY", (wire, wire + 1)) for wire in range(qubits - 1)),
        *(("RY", (wire,)) for wire in range(qubits)),
    ]
    gates = (Gate(name, where, index) for index, (name, where) in enumerate(wires * depth))
    return Circuit(qubits, tuple(gates))
