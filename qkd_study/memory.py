"""How much memory something takes, checked before anything is allocated."""

from __future__ import annotations

import psutil

from qkd_study.errors import InputError

#: Complex matrices of 2^n x 2^n alive at once in a gradient: the circuit's unitary, the identity it
#: comes from, their gradients, and products with the observable.
MATRICES = 6
#: Images whose patches are embedded at once when many are predicted.
PREDICTED_IMAGES = 1000


#: Below this many bytes nobody asks what is free.
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


def quanvolution_bytes(qubits: int, patches: int, images: int) -> int:
    """Bytes that training a quanvolution takes at its peak, roughly.

    Args:
        qubits: n of a circuit: its matrix has 4^n complex128 entries.
        patches: of an image; each is a state of 2^n float32 amplitudes, and a temporary of it.
        images: in the training and validation draws together.
    """
    matrices = MATRICES * 16 << 2 * qubits
    return matrices + (2 * 4 << qubits) * patches * max(images, PREDICTED_IMAGES)


def check_memory(qubits: int, patches: int, images: int) -> None:
    """Check that a quanvolution fits into this machine's memory; see `quanvolution_bytes`.

    Raises:
        InputError: it does not; the message has the number of bytes.
    """
    there = int(psutil.virtual_memory().total)
    needed = quanvolution_bytes(qubits, patches, images)
    if needed > there:
        fits = [n for n in range(1, 64) if quanvolution_bytes(n, patches, images) <= there]
        raise InputError(
            f"qubits={qubits} needs {needed:,} bytes (matrices of 2^{qubits} x 2^{qubits} complex "
            f"numbers, and a state of 2^{qubits} amplitudes for each patch), but this machine has "
            f"{there:,}. Allowed here: up to {max(fits, default=0)} qubits."
        )
