"""Checks of the memory that quantum models need, before it is allocated."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from qkd_study.common.errors import InputError

#: Complex matrices of 2^n x 2^n in memory during a gradient: the circuit's unitary, the identity it
#: is computed from, their gradients, and products with the observable.
GRADIENT_MATRICES = 6
#: States in memory if the circuit's matrix is not needed: those of a sweep and of a batch.
GRADIENT_STATES = 5 + 3 * 32
#: Samples that are embedded at once when many are predicted.
PREDICTED_SAMPLES = 1000


#: Allocations of fewer bytes are not checked.
_SMALL = 2**26


def check_allocation(needed: int, what: str) -> None:
    """Check that `needed` bytes are free.

    Raises:
        ValueError: they are not; the message has both numbers.
    """
    if needed < _SMALL:
        return
    free = int(psutil.virtual_memory().available)
    if needed > free:
        raise ValueError(f"{what} needs {needed:,} bytes of memory, but {free:,} are free")


def circuit_bytes(qubits: int, numbers: int, samples: int, *, matrices: bool) -> int:
    """Estimate the peak memory of training a quantum model, in bytes.

    Args:
        qubits: n of a circuit.
        numbers: float32 numbers in memory for each sample while it is embedded.
        samples: in the training and validation draws together.
        matrices: whether the model needs the circuit's matrix of 4^n complex128 entries.
    """
    held = GRADIENT_MATRICES * 16 << 2 * qubits if matrices else GRADIENT_STATES * 16 << qubits
    return held + 4 * numbers * max(samples, PREDICTED_SAMPLES)


def check_memory(
    qubits: int, numbers: Callable[[int], int], samples: int, *, matrices: bool
) -> None:
    """Check that a quantum model fits into this machine's memory; see `circuit_bytes`.

    Args:
        qubits, samples, matrices: see there.
        numbers: as there, for a number of qubits.

    Raises:
        InputError: it does not; the message has the number of bytes.
    """
    there = int(psutil.virtual_memory().total)

    def needed(n: int) -> int:
        return circuit_bytes(n, numbers(n), samples, matrices=matrices)

    if needed(qubits) > there:
        fits = [n for n in range(1, 64) if needed(n) <= there]
        of = f"matrices of 2^{qubits} x 2^{qubits} complex numbers, and " if matrices else ""
        held = "the features of each patch" if matrices else f"2^{qubits} amplitudes of each sample"
        raise InputError(
            f"qubits={qubits} needs {needed(qubits):,} bytes ({of}{held}), but this machine has "
            f"{there:,}. Allowed here: up to {max(fits, default=0)} qubits."
        )
