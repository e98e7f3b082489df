"""A floor under a training step: its bare arithmetic, or the bytes it has to move.

One forward pass applies every gate to the state; an adjoint backward pass applies it to the state
and to its cotangent: three passes. A pass reads and writes the state once per gate, and multiplies
each amplitude pair with a 2x2 matrix. Rates are measured here: memory bandwidth by copying an array
of the working set's size, arithmetic by a product of complex matrices.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np
import torch

from qkd_study.quantum import Circuit
from qkd_study.quantum.plans import CHUNK

PASSES = 3


def _fastest(step: Callable[[], object], repeats: int = 30) -> float:
    step()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return min(times)


@functools.cache
def bytes_per_second(working_set: int) -> float:
    """Bytes read and written per second when an array of this many bytes is copied."""
    source = np.ones(max(working_set // 8, 1024))
    target = np.empty_like(source)
    return 2 * source.nbytes / _fastest(lambda: np.copyto(target, source))


@functools.cache
def multiply_adds_per_second(dtype: torch.dtype) -> float:
    """Multiply-adds per second in a product of two 256x256 matrices."""
    a = torch.ones(256, 256, dtype=dtype)
    return 256**3 / _fastest(lambda: a @ a)


def gates_ms(circuit: Circuit, amplitudes: int) -> float:
    """Milliseconds of all gates on a state of so many amplitudes, forward and backward."""
    rotations = sum(gate.parameter is not None for gate in circuit.gates)
    arithmetic = PASSES * rotations * amplitudes * 2 / multiply_adds_per_second(torch.complex128)
    moved = PASSES * len(circuit.gates) * amplitudes * 16 * 2
    return 1e3 * max(arithmetic, moved / bytes_per_second(16 * min(amplitudes, CHUNK)))


def floor_ms(circuit: Circuit, batch: int, plan: str) -> float:
    """Milliseconds that a step under a plan cannot undercut."""
    size: int = 2**circuit.qubits
    if plan == "register":
        return gates_ms(circuit, batch * size)
    # Two real products forward, two backward; the batch's states and products moved once each.
    arithmetic = 4 * batch * size**2 / multiply_adds_per_second(torch.float64)
    moved = batch * size * 8 * (1 + 2 + 1) * 2 / bytes_per_second(8 * batch * size)
    return gates_ms(circuit, size**2) + 1e3 * max(arithmetic, moved)
