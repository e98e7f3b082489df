"""Readouts: measured values of the final state. Each is a matrix that basis-state probabilities
are multiplied with, (2^n, outputs); wire 0 is the most significant bit of a basis state's index."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def _bits(qubits: int) -> Tensor:
    index = torch.arange(2**qubits)
    return (index[:, None] >> torch.arange(qubits - 1, -1, -1)) & 1


def _wires(qubits: int, wires: Sequence[int] | None) -> list[int]:
    chosen = list(range(qubits)) if wires is None else list(wires)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(qubits)):
        raise ValueError(f"wires must be different ones of 0 to {qubits - 1}, but got {chosen}")
    return chosen


def z_values(qubits: int, wires: Sequence[int] | None = None) -> Tensor:
    """Expectations <Z> of chosen wires: +1 for bit 0, -1 for bit 1.

    Args:
        qubits: n.
        wires: which, in which order; default: all.

    Returns:
        float64 (2^n, wires).

    Raises:
        ValueError: a wire does not exist or comes twice.
    """
    return (1 - 2 * _bits(qubits)[:, _wires(qubits, wires)]).to(torch.float64)


def mean_z(qubits: int) -> Tensor:
    """The average of Z over the wires, for every basis state: float64 (2^n,), in [-1, 1]."""
    return z_values(qubits).mean(dim=1)


def class_groups(qubits: int, classes: int, assignment: Sequence[int] | None = None) -> Tensor:
    """Basis states summed into one group per class: a distribution over the classes.

    Without an assignment, groups are stretches of neighbouring basis states whose sizes differ by
    at most one.

    Args:
        qubits: n.
        classes: how many.
        assignment: the class of every basis state, 2^n entries.

    Returns:
        Zeros and ones with one 1 per row, float64 (2^n, classes).

    Raises:
        ValueError: there are fewer basis states than classes, or a class is left without any.
    """
    size = 2**qubits
    if not 1 <= classes <= size:
        raise ValueError(f"{qubits} qubits have {size} basis states, too few for {classes} classes")
    if assignment is None:
        assignment = [index * classes // size for index in range(size)]
    if len(assignment) != size:
        raise ValueError(
            f"an assignment needs {size} entries, one per basis state, got {len(assignment)}"
        )
    missing = set(range(classes)) - set(assignment)
    if missing or not set(assignment) <= set(range(classes)):
        wrong = (
            f"classes {sorted(missing)} have none" if missing else f"got {sorted({*assignment})}"
        )
        raise ValueError(f"every class from 0 to {classes - 1} needs a basis state, but {wrong}")
    return torch.nn.functional.one_hot(torch.tensor(assignment), classes).to(torch.float64)
