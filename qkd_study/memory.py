"""How much memory a state takes, checked before anything is allocated."""

from __future__ import annotations

import psutil

from qkd_study.errors import InputError

#: States of 2^n complex128 amplitudes alive at once in a gradient: the state, the cotangent, the
#: derivative of one gate, and the copy that torch keeps.
STATES = 4


def state_bytes(qubits: int) -> int:
    """Bytes of one complex128 state of `qubits` qubits."""
    return 16 << qubits


def check_memory(qubits: int) -> None:
    """Check that a gradient over `qubits` qubits fits into this machine's memory.

    Raises:
        InputError: it does not; the message has the number of bytes.
    """
    needed, there = STATES * state_bytes(qubits), int(psutil.virtual_memory().total)
    if needed > there:
        most = max(n for n in range(64) if STATES * state_bytes(n) <= there)
        raise InputError(
            f"qubits={qubits} needs {needed:,} bytes ({STATES} states of 2^{qubits} complex "
            f"amplitudes), but this machine has {there:,}. Allowed here: up to {most} qubits."
        )
