"""Drawings of circuits show every gate, on its wires, in its order."""

from __future__ import annotations

import re

import pennylane as qml
import pytest

from qkd_study.quantum import (
    Circuit,
    Gate,
    brickwork,
    drawn,
    hardware_efficient,
    quanvolution_filter,
    random_layers,
    strongly_entangling,
)


def test_a_drawing() -> None:
    gates = (
        Gate("Hadamard", (0,)),
        Gate("RX", (1,), feature=0),
        Gate("CRY", (0, 2), parameter=0),
        Gate("RZ", (1,), parameter=1, factor=0.5),
        Gate("CZ", (2, 1)),
        Gate("RY", (0,), angle=1.25),
    )
    assert drawn(Circuit(3, gates)) == [
        "0: ─H───────●───────RY(1.25)──────",
        "1: ─RX(x0)──│───────RZ(0.5*w1)──Z─",
        "2: ─────────RY(w0)──────────────●─",
    ]


def symbols(lines: list[str]) -> list[list[str]]:
    """The names of gates, controls and crossings on each wire."""
    return [re.findall(r"[A-Z]+|[●│]", re.sub(r"\(.*?\)", "", line)) for line in lines]


@pytest.mark.parametrize(
    "circuit",
    [
        hardware_efficient(1, 2),
        hardware_efficient(5, 2),
        strongly_entangling(5, 3),
        quanvolution_filter(4, 2),
        brickwork(5, 2),
        random_layers(4, 3, seed=1),
    ],
)
def test_it_is_what_pennylane_draws(circuit: Circuit) -> None:
    """But the numbers of angles, which PennyLane cannot write."""
    tape = qml.tape.QuantumScript(circuit.operators([0.0] * circuit.parameters))
    wires = range(circuit.qubits)
    theirs = qml.drawer.tape_text(
        tape, decimals=None, wire_order=wires, show_all_wires=True, max_length=10**6
    )
    lines = drawn(circuit, width=10**6)
    assert symbols(lines) == symbols(theirs.splitlines()[: circuit.qubits])
    assert sorted(map(int, re.findall(r"w(\d+)", "".join(lines)))) == [*range(circuit.parameters)]
    assert len(set(map(len, lines))) == 1


def test_a_long_circuit_is_drawn_in_parts() -> None:
    circuit = strongly_entangling(4, 6)
    lines = drawn(circuit, width=60)
    assert max(map(len, lines)) <= 60
    parts = "\n".join(lines).split("\n\n")
    assert {len(part.splitlines()) for part in parts} == {4}
    wires = zip(*map(str.splitlines, parts), strict=True)
    joined = ["".join(line[3:] for line in wire) for wire in wires]
    assert joined == [line[3:] for line in drawn(circuit, width=10**6)]
