"""The filters of a quanvolution as bilinear forms of a patch's features."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qkd_study.quantum._first_order import first_derivatives_only
from qkd_study.quantum.circuit import Circuit
from qkd_study.quantum.simulator import Simulator, matrix_executions

Floats = NDArray[np.floating[Any]]


def halves(wires: int) -> tuple[int, int]:
    """The numbers of a product state's wires for a form's rows and for its columns."""
    return wires - wires // 2, wires // 2


def pauli_expectations(angles: Tensor) -> Tensor:
    """Expectations of all strings of I, Z and X in the product state of RY(a_i) on wire i.

    They are the products of 1, cos(a_i) and sin(a_i).

    Args:
        angles: in radians, (B, wires, ...).

    Returns:
        (B, 3^wires, ...); the first wire is the most significant digit.
    """
    out = angles.new_ones(len(angles), 1, *angles.shape[2:])
    for angle in angles.unbind(1):
        factors = torch.stack((torch.ones_like(angle), torch.cos(angle), torch.sin(angle)), dim=1)
        out = (out[:, :, None] * factors[:, None]).flatten(1, 2)
    return out


@functools.cache
def _pauli_coefficients(wires: int) -> Floats:
    """Of a matrix (2^wires, 2^wires), flattened: its coefficients of strings of I, Z and X.

    A product of real states x of RY(a) has x x^T = (I + cos(a) Z + sin(a) X) / 2 on each wire.

    Returns:
        (3^wires, 4^wires).
    """
    one = np.array([[[1, 0], [0, 1]], [[1, 0], [0, -1]], [[0, 1], [1, 0]]]) / 2
    strings: Floats = np.ones((1, 1, 1))
    for _ in range(wires):
        strings = np.kron(strings, one)
    return strings.reshape(len(strings), -1)


class FilterForms:
    """F filters of one circuit as bilinear forms, from one execution each, with their gradient.

    A filter's output for a real patch state x is x^T A x with A = Re(W diag(z) W^dagger), where the
    rows of W are the circuit applied to the basis states. For product states, A is expanded in
    strings of I, Z and X: the output is left^T M right, with the `pauli_expectations` of the first
    and of the second half of the wires.

    Args:
        simulators: of each filter, with the same device states; they count the executions.
        circuit: n qubits, without features.
        z: the readout's value in every basis state, (2^n,).
        theta: angles in radians, (F, P).
        inputs: of a patch.
        product: whether they are the angles of a product state, with wires beyond in |0>, or the
            first amplitudes, with those beyond 0.

    Attributes:
        forms: M, (F, 3^left, 3^right), if `product`; else A, (F, inputs, inputs). float64.

    Raises:
        ValueError: an angle is not finite, or a matrix does not fit into memory.
    """

    def __init__(
        self,
        simulators: Sequence[Simulator],
        circuit: Circuit,
        z: Floats,
        theta: Floats,
        *,
        inputs: int,
        product: bool,
    ) -> None:
        self._executed = matrix_executions(simulators, circuit, theta)
        self._unitaries = self._executed.final
        self._z = z.astype(self._unitaries.real.dtype)
        self._wires = inputs if product else None
        self._states = slice(None, None, 1 << circuit.qubits - inputs) if product else slice(inputs)
        used = self._unitaries[:, self._states]
        matrices = ((used * self._z) @ used.conj().transpose(0, 2, 1)).real.astype(np.float64)
        self.forms: Floats = matrices if self._wires is None else _expand(matrices, self._wires)

    def gradient(self, forms: Floats) -> Floats:
        """Gradient (F, P) with respect to the angles, of that with respect to the forms."""
        matrices = forms if self._wires is None else _expand_transposed(forms, self._wires)
        used = self._unitaries[:, self._states]
        given = np.zeros_like(self._unitaries)
        given[:, self._states] = (matrices + matrices.transpose(0, 2, 1)) @ (used * self._z)
        return self._executed.gradient(given, squared=False, states=False)[0]


def _expand(matrices: Floats, wires: int) -> Floats:
    """Matrices (F, 2^wires, 2^wires) in strings of I, Z and X: (F, 3^left, 3^right)."""
    left, right = halves(wires)
    rows, columns = 1 << left, 1 << right
    split = matrices.reshape(-1, rows, columns, rows, columns).transpose(0, 1, 3, 2, 4)
    split = split.reshape(-1, rows * rows, columns * columns)
    expanded: Floats = _pauli_coefficients(left) @ split @ _pauli_coefficients(right).T
    return expanded


def _expand_transposed(forms: Floats, wires: int) -> Floats:
    """The transpose of `_expand`: from gradients with respect to its result to its argument's."""
    left, right = halves(wires)
    rows, columns = 1 << left, 1 << right
    split = _pauli_coefficients(left).T @ forms @ _pauli_coefficients(right)
    split = split.reshape(-1, rows, rows, columns, columns).transpose(0, 1, 3, 2, 4)
    return split.reshape(-1, rows * columns, rows * columns)


class Forms(torch.autograd.Function):
    """The forms of filters as a torch function of their angles (F, P)."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, run: Callable[[Floats], FilterForms]) -> Tensor:
        ctx.save_for_backward(theta)
        ctx.filters = run(theta.detach().numpy())
        return torch.from_numpy(ctx.filters.forms)

    @staticmethod
    @first_derivatives_only
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None]:
        (theta,) = ctx.saved_tensors
        return torch.from_numpy(ctx.filters.gradient(grads[0].numpy())).to(theta.dtype), None
