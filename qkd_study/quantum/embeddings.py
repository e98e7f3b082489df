"""Embeddings: classical features as quantum states, in torch, so that gradients pass through."""

from __future__ import annotations

import torch
from torch import Tensor


def angle_embedding(x: Tensor, qubits: int) -> Tensor:
    """A rotation RY(x_i) of |0> on wire i; wires without a feature stay |0>.

    Args:
        x: angles in radians, (..., f) with f <= qubits.
        qubits: n.

    Returns:
        Real amplitudes (..., 2^n) of unit norm; wire 0 is the most significant bit.

    Raises:
        ValueError: there are more features than qubits.
    """
    features = x.shape[-1]
    if features > qubits:
        raise ValueError(
            f"angle embedding of {features} features needs as many qubits, got {qubits}"
        )
    pairs = torch.stack((torch.cos(x / 2), torch.sin(x / 2)), dim=-1)
    state = pairs[..., 0, :]
    for wire in range(1, features):
        state = (state[..., :, None] * pairs[..., wire, None, :]).flatten(-2)
    if features == qubits:
        return state
    rest = 2 ** (qubits - features)
    padded = state.new_zeros(*state.shape, rest)
    padded[..., 0] = state
    return padded.flatten(-2)


def amplitude_embedding(x: Tensor, qubits: int) -> Tensor:
    """The features as amplitudes, padded with zeros and normalised.

    A vector of zeros has no direction; it becomes the basis state |0...0>.

    Args:
        x: (..., f) with f <= 2^qubits.
        qubits: n.

    Returns:
        Real amplitudes (..., 2^n) of unit norm.

    Raises:
        ValueError: there are more features than amplitudes.
    """
    size = 2**qubits
    if x.shape[-1] > size:
        raise ValueError(
            f"{x.shape[-1]} features do not fit into the {size} amplitudes of {qubits} qubits"
        )
    padded = torch.nn.functional.pad(x, (0, size - x.shape[-1]))
    norm = padded.norm(dim=-1, keepdim=True)
    ground = torch.zeros_like(padded)
    ground[..., 0] = 1
    return torch.where(norm > 0, padded / norm.clamp_min(torch.finfo(x.dtype).tiny), ground)
