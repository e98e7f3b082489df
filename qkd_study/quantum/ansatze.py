"""Ansatze: circuits for any number of qubits and depth.

Angles are numbered in the order of the gates that take them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from qkd_study.quantum.circuit import Circuit, Gate

#: A gate without numbered parameters: its name, its wires, and its angle if that is fixed.
_Step = tuple[str, tuple[int, ...], float | None]

_ROTATIONS = ("RX", "RY", "RZ")
_TRAINED = (*_ROTATIONS, "CRX", "CRY", "CRZ")


def _check(qubits: int, depth: int = 1) -> None:
    if qubits < 1 or depth < 1:
        raise ValueError(f"qubits and depth must be >= 1, but got {qubits=}, {depth=}")


def _circuit(qubits: int, steps: Iterable[_Step]) -> Circuit:
    """Make gates of steps, and number the trainable angles."""
    counter = itertools.count()
    return Circuit(
        qubits,
        tuple(
            Gate(name, wires, next(counter) if name in _TRAINED and angle is None else None, angle)
            for name, wires, angle in steps
        ),
    )


def _pairs(qubits: int, entangler: Literal["ring", "chain"], reach: int = 1) -> list[_Step]:
    """CNOTs from each wire to the one `reach` further; a ring closes, a chain does not."""
    if entangler not in ("ring", "chain"):
        raise ValueError(f"entangler must be 'ring' or 'chain', but got {entangler!r}")
    if qubits == 1:
        return []
    count = qubits if entangler == "ring" else qubits - 1
    return [("CNOT", (wire, (wire + reach) % qubits), None) for wire in range(count)]


def without_entanglers(circuit: Circuit) -> Circuit:
    """The same circuit without its gates on two wires; the parameters left are renumbered."""
    gates = [gate for gate in circuit.gates if len(gate.wires) == 1]
    left = dict.fromkeys(gate.parameter for gate in gates if gate.parameter is not None)
    numbers = {parameter: number for number, parameter in enumerate(left)}
    return Circuit(
        circuit.qubits,
        tuple(
            g if g.parameter is None else replace(g, parameter=numbers[g.parameter]) for g in gates
        ),
    )


def quanvolution_filter(qubits: int = 4, depth: int = 1) -> Circuit:
    """The circuit of one quanvolution filter: RY on each wire, a chain of CRY, RY on each wire.

    It has `depth * (3 * qubits - 1)` parameters, as many gates, and `depth * (qubits - 1)` of them
    act on two wires. For 4 qubits there are 11 parameters: the number per filter that the 5,923
    parameters of the Q2C teacher imply (Piperno et al.); their slides print no circuit.

    Args:
        qubits: n >= 1.
        depth: repetitions of the block.

    Raises:
        ValueError: `qubits` or `depth` is below 1.
    """
    _check(qubits, depth)
    block: list[_Step] = [
        *(("RY", (wire,), None) for wire in range(qubits)),
        *(("CRY", (wire, wire + 1), None) for wire in range(qubits - 1)),
        *(("RY", (wire,), None) for wire in range(qubits)),
    ]
    return _circuit(qubits, block * depth)


def hardware_efficient(
    qubits: int, depth: int = 1, *, entangler: Literal["ring", "chain"] = "ring"
) -> Circuit:
    """RY and RZ on each wire, then CNOTs in a ring or a chain; `depth` times.

    It has `2 * qubits * depth` parameters. A layer has `qubits` CNOTs in a ring (none on one
    qubit), `qubits - 1` in a chain. After Kandala et al. 2017 (arXiv:1704.05018).

    Args:
        qubits: n >= 1.
        depth: layers.
        entangler: `ring` or `chain`.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(qubits, depth)
    block: list[_Step] = [
        *_each_wire(range(qubits), "RY", "RZ"),
        *_pairs(qubits, entangler),
    ]
    return _circuit(qubits, block * depth)


def hardware_efficient_minimal(qubits: int, depth: int = 1) -> Circuit:
    """RZ and RY on each wire, then a ring of CNOTs; `depth` times: no angle is without effect.

    It has as many angles and CNOTs as `hardware_efficient`, which has RY before RZ: its last RZ
    change only phases, and nothing that is read from probabilities. Here the Jacobian of <Z> has
    full rank, up to the dimension that the outputs allow; see `effective_parameters`.

    Args:
        qubits: n >= 1.
        depth: layers.

    Raises:
        ValueError: `qubits` or `depth` is below 1.
    """
    _check(qubits, depth)
    block = [*_each_wire(range(qubits), "RZ", "RY"), *_pairs(qubits, "ring")]
    return _circuit(qubits, block * depth)


def reuploading(layers: Sequence[Circuit], features: int) -> Circuit:
    """Before each layer, RX(feature i) on wire i; the layers' parameters are numbered on.

    Args:
        layers: circuits of n qubits, without features.
        features: of a sample, 1 to n.

    Raises:
        ValueError: there is not from 1 to n features.
    """
    qubits = layers[0].qubits
    if not 1 <= features <= qubits:
        raise ValueError(f"features must be from 1 to qubits={qubits}, but got {features=}")
    gates: list[Gate] = []
    first = 0
    for layer in layers:
        gates += [Gate("RX", (wire,), feature=wire) for wire in range(features)]
        gates += [
            g if g.parameter is None else replace(g, parameter=first + g.parameter)
            for g in layer.gates
        ]
        first += layer.parameters
    return Circuit(qubits, tuple(gates))


def data_reuploading(qubits: int, depth: int = 1, *, features: int) -> Circuit:
    """Data between trainable layers: per layer RX(feature) on the wires, then a trainable layer.

    The trainable layer is one of `hardware_efficient` with a ring; feature i turns wire i. It has
    `2 * qubits * depth` parameters. After Perez-Salinas et al. 2020 (arXiv:1907.02085).

    Args:
        qubits: n >= 1.
        depth: layers.
        features: of a sample, 1 to n.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(qubits, depth)
    return reuploading([hardware_efficient(qubits)] * depth, features)


def strongly_entangling(qubits: int, depth: int = 1) -> Circuit:
    """RZ RY RZ on each wire, then a ring of CNOTs whose reach grows with the layer.

    It has `3 * qubits * depth` parameters and `qubits * depth` CNOTs (none on one qubit). Layer l
    links wires at distance `l mod (qubits - 1) + 1`, as PennyLane's `StronglyEntanglingLayers`
    does. After Schuld et al. 2018 (arXiv:1804.00633).

    Args:
        qubits: n >= 1.
        depth: layers.

    Raises:
        ValueError: `qubits` or `depth` is below 1.
    """
    return _strongly_entangling(qubits, depth, *_ANY)


def strongly_entangling_minimal(qubits: int, depth: int = 1) -> Circuit:
    """`strongly_entangling` with RZ RY in place of RZ RY RZ: no angle is without effect.

    It has `2 * qubits * depth` parameters, and as many CNOTs. It reaches fewer functions: of the 72
    angles of `strongly_entangling(6, 4)`, 60 are effective, here all 48.

    Args:
        qubits: n >= 1.
        depth: layers.

    Raises:
        ValueError: `qubits` or `depth` is below 1.
    """
    return _strongly_entangling(qubits, depth, "RZ", "RY")


def _strongly_entangling(qubits: int, depth: int, *rotations: str) -> Circuit:
    """The rotations on each wire, then a ring of CNOTs whose reach grows with the layer."""
    _check(qubits, depth)
    steps: list[_Step] = []
    for layer in range(depth):
        steps += _each_wire(range(qubits), *rotations)
        if qubits > 1:
            steps += _pairs(qubits, "ring", reach=layer % (qubits - 1) + 1)
    return _circuit(qubits, steps)


def brickwork(qubits: int, depth: int = 1) -> Circuit:
    """Universal two-qubit blocks on neighbours, layers alternating between even and odd pairs.

    A block has 15 parameters and 3 CNOTs and reaches every two-qubit unitary up to a phase (Vatan
    and Williams 2004, arXiv:quant-ph/0308006). Layer l has `(qubits - l mod 2) // 2` blocks.

    Args:
        qubits: n >= 2.
        depth: layers.

    Raises:
        ValueError: `qubits` is below 2 or `depth` below 1.
    """
    _check(qubits, depth)
    if qubits < 2:
        raise ValueError(f"brickwork needs qubits >= 2, but got {qubits=}")
    steps: list[_Step] = []
    for a, b in _bricks(qubits, depth):
        steps += _each_wire((a, b), *_ANY)
        steps += _interaction(a, b)
        steps += _each_wire((a, b), *_ANY)
    return _circuit(qubits, steps)


def brickwork_minimal(qubits: int, depth: int = 1) -> Circuit:
    """`brickwork` without the angles that change nothing, or only what others change too.

    A wire is rotated before its first block and after every block; two rotations between blocks
    would be one. After a wire's last block a final RZ has no effect on probabilities, and where
    both wires of a block end, neither has a rotation about ZZ, so that an angle of the block is
    left out, too. On two qubits, one block is all there is, at any depth. The Jacobian of <Z> has
    full rank: of the 150 angles of `brickwork(6, 4)` 100 are left, and as many directions.

    Args:
        qubits: n >= 2.
        depth: layers.

    Raises:
        ValueError: `qubits` is below 2 or `depth` below 1.
    """
    _check(qubits, depth)
    if qubits < 2:
        raise ValueError(f"brickwork_minimal needs qubits >= 2, but got {qubits=}")
    bricks = _bricks(qubits, depth if qubits > 2 else 1)
    steps: list[_Step] = []
    for i, pair in enumerate(bricks):
        before, after = (set(itertools.chain(*part)) for part in (bricks[:i], bricks[i + 1 :]))
        steps += _each_wire([wire for wire in pair if wire not in before], *_ANY)
        core = _interaction(*pair)
        steps += core if after & set(pair) else core[:4] + core[5:]
        for wire in pair:
            steps += _each_wire([wire], *(_ANY if wire in after else _ANY[:2]))
    return _circuit(qubits, steps)


#: Three rotations that make any one: the last is applied last.
_ANY = ("RZ", "RY", "RZ")


def _each_wire(wires: Iterable[int], *names: str) -> list[_Step]:
    return [(name, (wire,), None) for wire in wires for name in names]


def _bricks(qubits: int, depth: int) -> list[tuple[int, int]]:
    """The pairs of neighbours of all layers, in order."""
    return [
        (first, first + 1) for layer in range(depth) for first in range(layer % 2, qubits - 1, 2)
    ]


def _interaction(a: int, b: int) -> list[_Step]:
    """The part of a block that acts on both wires: rotations about XX, YY and ZZ."""
    return [
        ("CNOT", (b, a), None),
        ("RZ", (a,), None),
        ("RY", (b,), None),
        ("CNOT", (a, b), None),
        ("RY", (b,), None),
        ("CNOT", (b, a), None),
    ]


def arbitrary_unitary(qubits: int) -> Circuit:
    """A rotation about every Pauli word, `4^qubits - 1` parameters: any unitary, up to a phase.

    Each rotation exp(-i theta P / 2) is a basis change, a ladder of CNOTs, RZ, and both undone. The
    words come in the order XI.., counting with I, X, Y, Z as digits.

    Args:
        qubits: 1, 2 or 3; circuits of more qubits are too large to train.

    Raises:
        ValueError: `qubits` is not 1, 2 or 3.
    """
    if qubits not in (1, 2, 3):
        raise ValueError(f"arbitrary_unitary needs 1, 2 or 3 qubits, but got {qubits=}")
    steps: list[_Step] = []
    for word in itertools.product("IXYZ", repeat=qubits):
        if set(word) != {"I"}:
            steps += _pauli_rotation(word)
    return _circuit(qubits, steps)


def _pauli_rotation(word: Sequence[str]) -> list[_Step]:
    wires = [wire for wire, letter in enumerate(word) if letter != "I"]
    into: list[_Step] = []
    back: list[_Step] = []
    for wire in wires:
        if word[wire] == "X":
            into.append(("Hadamard", (wire,), None))
            back.append(("Hadamard", (wire,), None))
        elif word[wire] == "Y":
            into.append(("RX", (wire,), math.pi / 2))
            back.append(("RX", (wire,), -math.pi / 2))
    ladder: list[_Step] = [("CNOT", pair, None) for pair in itertools.pairwise(wires)]
    return [*into, *ladder, ("RZ", (wires[-1],), None), *reversed(ladder), *back]


def random_layers(qubits: int, depth: int = 1, *, seed: int) -> Circuit:
    """Fixed random rotations, each layer closed by a ring of CNOTs: nothing to train.

    A layer rotates each wire about a random axis by a random angle, uniform in [-pi, pi).

    Args:
        qubits: n >= 1.
        depth: layers.
        seed: of axes and angles.

    Raises:
        ValueError: `qubits` or `depth` is below 1.
    """
    _check(qubits, depth)
    rng = np.random.default_rng(seed)
    steps: list[_Step] = []
    for _ in range(depth):
        for wire in range(qubits):
            axis = _ROTATIONS[int(rng.integers(3))]
            steps.append((axis, (wire,), float(rng.uniform(-math.pi, math.pi))))
        steps += _pairs(qubits, "ring")
    return _circuit(qubits, steps)
