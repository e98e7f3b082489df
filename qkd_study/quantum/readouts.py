"""Readouts: diagonal observables of the final state, by their values on the basis states."""

from __future__ import annotations

import torch
from torch import Tensor


def z_values(qubits: int) -> Tensor:
    """Eigenvalues of Z on every wire, for every basis state: +1 for bit 0, -1 for bit 1.

    Returns:
        float64 (2^n, n); `probabilities @ z_values(n)` are the expectations <Z_0> ... <Z_n-1>.
    """
    index = torch.arange(2**qubits)
    bits = (index[:, None] >> torch.arange(qubits - 1, -1, -1)) & 1
    return (1 - 2 * bits).to(torch.float64)


def mean_z(qubits: int) -> Tensor:
    """The average of Z over the wires, for every basis state: float64 (2^n,), in [-1, 1]."""
    return z_values(qubits).mean(dim=1)
