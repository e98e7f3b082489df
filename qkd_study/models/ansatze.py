"""Builds the trainable circuit of a configuration: an ansatz by name, or a study's own function."""

from __future__ import annotations

import functools
from typing import cast

from qkd_study.common.errors import InputError, format_error, safe_repr
from qkd_study.models.circuits import Ansatz
from qkd_study.quantum import (
    Circuit,
    arbitrary_unitary,
    brickwork,
    brickwork_minimal,
    hardware_efficient,
    hardware_efficient_minimal,
    random_layers,
    strongly_entangling,
    strongly_entangling_minimal,
)
from qkd_study.study.ansatze import is_quantum_function, quantum_function
from qkd_study.study.config import Config
from qkd_study.study.own_ansatz import circuit_of


def build_ansatz(config: Config, own: Ansatz | None, seed: int) -> Circuit:
    """The circuit of a configuration, or of the study's own function.

    Raises:
        InputError: the study's function did not return a circuit of that many qubits, or is a
            PennyLane function that cannot be one.
    """
    qubits, depth = cast(int, config.qubits), cast(int, config.depth)
    if own is not None and is_quantum_function(own):
        return recorded(own, qubits, depth)
    if own is not None:
        made = circuit_of(own, vars(config))
        if not isinstance(made, Circuit) or made.qubits != qubits or made.features:
            raise InputError(
                f"ansatz({qubits}, {depth}) must give a Circuit on {qubits} qubits without "
                f"features, but gave {safe_repr(made)}."
            )
        return made
    match config.ansatz:
        case "hardware-efficient":
            return hardware_efficient(qubits, depth)
        case "hardware-efficient-chain":
            return hardware_efficient(qubits, depth, entangler="chain")
        case "hardware-efficient-minimal":
            return hardware_efficient_minimal(qubits, depth)
        case "strongly-entangling":
            return strongly_entangling(qubits, depth)
        case "strongly-entangling-minimal":
            return strongly_entangling_minimal(qubits, depth)
        case "brickwork":
            return brickwork(qubits, depth)
        case "brickwork-minimal":
            return brickwork_minimal(qubits, depth)
        case "arbitrary":
            return arbitrary_unitary(qubits)
    return random_layers(qubits, depth, seed=seed)


@functools.lru_cache(maxsize=64)
def recorded(ansatz: Ansatz, qubits: int, depth: int) -> Circuit:
    """The circuit of a PennyLane function of weights and wires.

    Raises:
        InputError: there is none; the message says why.
    """
    from qkd_study.quantum.from_pennylane import circuit_of  # imports PennyLane

    call = quantum_function(ansatz, qubits, depth)
    try:
        return circuit_of(
            call.function, call.shapes, qubits, weights=call.weights, layers=call.layers
        )
    except Exception as error:
        what = str(error) if type(error) is ValueError else format_error(error)
        raise InputError(
            f"ansatz={safe_repr(ansatz)} cannot be used with qubits={qubits}, depth={depth}: {what}"
        ) from None
