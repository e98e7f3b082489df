"""Embeddings: classical features as quantum states, differentiable in torch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from qkd_study.common.memory import check_allocation


def check_finite(x: Tensor, what: str) -> None:
    if not torch.isfinite(x).all():
        where = (~torch.isfinite(x)).nonzero()[0].tolist()
        raise ValueError(f"{what} needs finite features, but got {x[tuple(where)]} at {where}")


def _check_memory(x: Tensor, qubits: int, itemsize: int) -> None:
    samples = max(x.numel() // max(x.shape[-1], 1), 1)
    check_allocation(
        (samples * itemsize) << qubits, f"embedding {samples} samples in {qubits} qubits"
    )


def angle_embedding(x: Tensor, qubits: int, *, axis: Literal["X", "Y", "Z"] = "Y") -> Tensor:
    """A rotation of |0> about an axis by x_i on wire i; wires without a feature stay |0>.

    About Z the state only gains a phase, which no measurement shows unless gates come before it. It
    is here because PennyLane's `AngleEmbedding` has it.

    Args:
        x: angles in radians, (..., f) with 1 <= f <= qubits.
        qubits: n.
        axis: of the rotation RX, RY or RZ.

    Returns:
        Amplitudes (..., 2^n) of unit norm, real for axis Y, complex else; wire 0 is the most
        significant bit.

    Raises:
        ValueError: there are more features than qubits or none, one is not finite, or memory does
            not hold the states.
    """
    features = x.shape[-1]
    if not 1 <= features <= qubits:
        raise ValueError(
            f"angle embedding of {features} features needs as many qubits, got {qubits}"
        )
    check_finite(x, "angle embedding")
    _check_memory(x, qubits, x.element_size() * (1 if axis == "Y" else 2))
    cosine, sine = torch.cos(x / 2), torch.sin(x / 2)
    if axis == "Y":
        zero, one = cosine, sine
    elif axis == "X":
        zero, one = torch.complex(cosine, 0 * sine), torch.complex(0 * cosine, -sine)
    else:
        zero, one = torch.complex(cosine, -sine), torch.complex(0 * cosine, 0 * sine)
    pairs = torch.stack((zero, one), dim=-1)
    state = pairs[..., 0, :]
    for wire in range(1, features):
        state = (state[..., :, None] * pairs[..., wire, None, :]).flatten(-2)
    if features == qubits:
        return state
    padded = state.new_zeros(*state.shape, 2 ** (qubits - features))
    padded[..., 0] = state
    return padded.flatten(-2)


def amplitude_embedding(
    x: Tensor, qubits: int, *, zeros: Literal["error", "ground"] = "error"
) -> Tensor:
    """The features as amplitudes, padded with zeros and normalised.

    Args:
        x: (..., f) with f <= 2^qubits.
        qubits: n.
        zeros: the result for a vector of zeros, which has no direction: an error, or |0...0>.

    Returns:
        Real amplitudes (..., 2^n) of unit norm.

    Raises:
        ValueError: there are more features than amplitudes, one is not finite, or all of a vector
            are zero.
    """
    size = 2**qubits
    features = x.shape[-1]
    if features > size:
        raise ValueError(
            f"{features} features do not fit into the {size} amplitudes of {qubits} qubits"
        )
    check_finite(x, "amplitude embedding")
    _check_memory(x, qubits, 2 * x.element_size())
    padded = torch.nn.functional.pad(x, (0, size - features))
    norm = padded.norm(dim=-1, keepdim=True)
    if zeros == "error" and not (norm > 0).all():
        where = (norm[..., 0] == 0).nonzero()[0].tolist()
        raise ValueError(f"amplitude embedding of the zero vector at {where}: it has no direction")
    ground = torch.zeros_like(padded)
    ground[..., 0] = 1
    # If the norm is zero, divide by one, so that the gradient has no NaN.
    scaled = padded / torch.where(norm > 0, norm, torch.ones_like(norm))
    return torch.where(norm > 0, scaled, ground)


def basis_embedding(x: Tensor, qubits: int) -> Tensor:
    """Bits as a basis state.

    Args:
        x: zeros and ones, (..., n).
        qubits: n.

    Returns:
        One-hot amplitudes (..., 2^n), float64; there is no gradient to bits.

    Raises:
        ValueError: there is not one bit per qubit, or a value is neither 0 nor 1.
    """
    if x.shape[-1] != qubits:
        raise ValueError(f"basis embedding needs one bit per qubit, got {x.shape[-1]} for {qubits}")
    if not ((x == 0) | (x == 1)).all():
        wrong = x[(x != 0) & (x != 1)][0].item()
        raise ValueError(f"basis embedding takes bits 0 and 1, but got {wrong}")
    _check_memory(x, qubits, 16)
    weights = 2 ** torch.arange(qubits - 1, -1, -1)
    index = (x.long() * weights).sum(-1)
    return torch.nn.functional.one_hot(index, 2**qubits).to(torch.float64)
