"""Randomised Pauli measurements of states, and what they estimate: classical shadows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Amplitudes = NDArray[np.complex128]
#: Amplitudes of the outcomes +1 and -1 of X, Y and Z: row of the basis, then of the outcome.
_OUTCOMES = np.array(
    [[[1, 1], [1, -1]], [[1, -1j], [1, 1j]], [[2**0.5, 0], [0, 2**0.5]]], dtype=np.complex128
) / np.sqrt(2)


def measure(
    state: NDArray[Any], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Measure every qubit of `count` copies of a state, each in a random one of X, Y and Z.

    Outcomes are drawn from the state exactly: qubit by qubit, each from its distribution given the
    outcomes before it. Copies with the same bases and outcomes so far share their state.

    Args:
        state: amplitudes (2^n,) of norm 1; qubit 0 is the most significant bit.
        count: of the copies.
        rng: draws bases and outcomes.

    Returns:
        Bases, 0, 1, 2 for X, Y, Z, and outcomes, 1 or -1, both (count, n).
    """
    qubits = int(state.size).bit_length() - 1
    bases = rng.integers(0, 3, (count, qubits), dtype=np.int8)
    draws = rng.random((count, qubits))
    outcomes = np.empty((count, qubits), np.int8)
    branches: Amplitudes = state.astype(np.complex128)[None]
    branch = np.zeros(count, np.int64)
    for qubit in range(qubits):
        pairs, pair = np.unique(3 * branch + bases[:, qubit], return_inverse=True)
        halves = branches[pairs // 3].reshape(len(pairs), 2, -1)
        after = np.einsum("poi,pij->poj", _OUTCOMES[pairs % 3], halves)
        weights = (after.real**2 + after.imag**2).sum(axis=2)
        up = weights[:, 0] / weights.sum(axis=1)
        down = (draws[:, qubit] >= up[pair]).astype(np.int64)
        outcomes[:, qubit] = 1 - 2 * down
        kept, branch = np.unique(2 * pair + down, return_inverse=True)
        norms = np.sqrt(weights[kept // 2, kept % 2])
        branches = after[kept // 2, kept % 2] / norms[:, None]
    return bases, outcomes


def local_paulis(qubits: int, order: int) -> list[tuple[int, ...]]:
    """The Pauli strings that span at most `order` neighbouring qubits.

    Returns:
        Of each string, 3 * qubit + (0, 1, 2 for X, Y, Z) of its factors, by first qubit, then by
        span. With n qubits there are 3 n of order 1, 9 (n - 1) more of order 2, and 36 (n - 2) more
        of order 3.
    """
    found = []
    for first in range(qubits):
        for span in range(1, min(order, qubits - first) + 1):
            # Both ends are no identity; 3 stands for the identity between them.
            inner = itertools.product(range(4), repeat=max(span - 2, 0))
            ends = itertools.product(range(3), repeat=min(span, 2))
            for end, between in itertools.product(ends, inner):
                string = (end[0], *between, *end[1:])
                found.append(
                    tuple(3 * (first + i) + pauli for i, pauli in enumerate(string) if pauli < 3)
                )
    return found


def signs(bases: NDArray[np.int8], outcomes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Outcomes in the column of their basis, 0 in the others: (count, 3 n)."""
    count, qubits = bases.shape
    found = np.zeros((count, qubits, 3), np.int8)
    np.put_along_axis(found, bases[:, :, None].astype(np.int64), outcomes[:, :, None], axis=2)
    return found.reshape(count, 3 * qubits)


def shadow_estimates(
    bases: NDArray[np.int8], outcomes: NDArray[np.int8], paulis: list[tuple[int, ...]]
) -> NDArray[np.float64]:
    """Estimates of the expectations of Pauli strings.

    The mean of 3^k times the product of the outcomes, where all k bases are those of the string,
    and 0 elsewhere: unbiased, with the variance (3^k - <P>^2) / count (Huang, Kueng and Preskill,
    Nat. Phys. 16:1050, 2020, doi:10.1038/s41567-020-0932-7).

    Args:
        bases, outcomes: see `measure`.
        paulis: see `local_paulis`.

    Returns:
        (strings,).
    """
    count, columns = len(bases), np.ascontiguousarray(signs(bases, outcomes).T)
    found = np.empty(len(paulis))
    widths = np.array([len(string) for string in paulis])
    for width in np.unique(widths):
        at = np.flatnonzero(widths == width)
        index = np.array([paulis[i] for i in at])
        products = columns[index[:, 0]]
        for factor in range(1, int(width)):
            products = products * columns[index[:, factor]]
        found[at] = 3.0**width * products.sum(axis=1, dtype=np.int64) / count
    return found
