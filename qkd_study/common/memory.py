"""Checks of the memory that quantum models need, before it is allocated."""

from __future__ import annotations

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


def circuit_bytes(qubits: int, states: int, samples: int, *, matrices: bool) -> int:
    """Estimate the peak memory of training a quantum model, in bytes.

    Args:
        qubits: n of a circuit.
        states: of a sample: its patches in a quanvolution, else 1; each has 2^n float32 amplitudes,
            and a temporary of them.
        samples: in the training and validation draws together.
        matrices: whether the model needs the circuit's matrix of 4^n complex128 entries.
    """
    held = GRADIENT_MATRICES * 16 << 2 * qubits if matrices else GRADIENT_STATES * 16 << qubits
    return held + (2 * 4 << qubits) * states * max(samples, PREDICTED_SAMPLES)


def check_memory(qubits: int, states: int, samples: int, *, matrices: bool) -> None:
    """Check that a quantum model fits into this machine's memory; see `circuit_bytes`.

    Raises:
        InputError: it does not; the message has the number of bytes.
    """
    there = int(psutil.virtual_memory().total)
    needed = circuit_bytes(qubits, states, samples, matrices=matrices)
    if needed > there:
        fits = [
            n for n in range(1, 64) if circuit_bytes(n, states, samples, matrices=matrices) <= there
        ]
        of = f"matrices of 2^{qubits} x 2^{qubits} complex numbers, and " if matrices else ""
        raise InputError(
            f"qubits={qubits} needs {needed:,} bytes ({of}a state of 2^{qubits} amplitudes for "
            f"each {'patch' if matrices else 'sample'}), but this machine has {there:,}. Allowed "
            f"here: up to {max(fits, default=0)} qubits."
        )
