"""Spin chains: sparse Hamiltonians, one per term, in the symmetry sector of the ground state.

All chains are closed (periodic) and real in the basis of Z; site 0 is the most significant bit.
In the sector the ground state is unique, so that a solver cannot mix it with its partner in phases
whose order breaks the symmetry.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
#: The norm of H psi - E psi that is allowed.
LARGEST_RESIDUAL = 1e-8
_MATRICES = {
    "X": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "iY": np.array([[0.0, 1.0], [-1.0, 0.0]]),  # i Y is real, and Y Y = -(i Y)(i Y)
    "Z": np.array([[1.0, 0.0], [0.0, -1.0]]),
}


@dataclass(frozen=True)
class Chain:
    """A family of Hamiltonians: a sum of terms, each with a coefficient.

    Attributes:
        about: the Hamiltonian in words.
        terms: of each, the Pauli matrices on neighbouring sites by distance from the first, such
            as ((0, "Z"), (1, "Z")), and the sign of their sum over all sites.
        coefficients: of the terms, from a second parameter and the control parameter.
        boundary: the control parameter at the transition, from the second parameter.
        second: the range of the second parameter; (0, 0) if there is none.
        phases: names of the phases below and above the boundary.
        flip: the sign of the ground state under X on all sites, from the number of sites.
        conserves: whether the ground state has as many sites up as down.
    """

    about: str
    terms: tuple[tuple[tuple[tuple[int, str], ...], float], ...]
    coefficients: Callable[[float, float], tuple[float, ...]]
    phases: tuple[str, str]
    boundary: Callable[[float], float] = lambda second: 1.0
    second: tuple[float, float] = (0.0, 0.0)
    flip: Callable[[int], int] = lambda qubits: 1
    conserves: bool = False


def annni_boundary(kappa: float) -> float:
    """The field between ferromagnet and paramagnet at 0 <= kappa < 1/2, in perturbation theory.

    Suzuki, Inoue and Chakrabarti, Quantum Ising Phases and Transitions (2013), chapter 4.
    """
    if kappa == 0:
        return 1.0
    root = np.sqrt((1 - 3 * kappa + 4 * kappa**2) / (1 - kappa))
    return float((1 - kappa) / kappa * (1 - root))


_ZZ, _X = ((0, "Z"), (1, "Z")), ((0, "X"),)
#: By name; sources are in docs/quantum_data.md.
CHAINS: Mapping[str, Chain] = MappingProxyType(
    {
        "ising": Chain(
            "-ZZ - h X on neighbours (transverse-field Ising); the transition is at h = 1",
            ((_ZZ, -1.0), (_X, -1.0)),
            lambda _, h: (1.0, h),
            ("ordered", "disordered"),
        ),
        "xxz": Chain(
            "XX + YY + d ZZ on neighbours; the transition is at d = 1",
            ((((0, "X"), (1, "X")), 1.0), (((0, "iY"), (1, "iY")), -1.0), (_ZZ, 1.0)),
            lambda _, delta: (1.0, 1.0, delta),
            ("critical", "antiferromagnetic"),
            flip=lambda qubits: (-1) ** (qubits // 2),
            conserves=True,
        ),
        "cluster-ising": Chain(
            "-ZXZ on three sites + l YY on neighbours; the transition is at l = 1",
            ((((0, "Z"), (1, "X"), (2, "Z")), -1.0), (((0, "iY"), (1, "iY")), -1.0)),
            lambda _, strength: (1.0, strength),
            ("cluster", "antiferromagnetic"),
        ),
        "annni": Chain(
            "-ZZ on neighbours + k ZZ on next neighbours - h X; k is drawn below 1/2",
            ((_ZZ, -1.0), (((0, "Z"), (2, "Z")), 1.0), (_X, -1.0)),
            lambda kappa, h: (1.0, kappa, h),
            ("ordered", "disordered"),
            boundary=annni_boundary,
            second=(0.0, 0.45),
        ),
    }
)


def term_matrix(paulis: tuple[tuple[int, str], ...], qubits: int) -> Any:
    """The sum over all sites of a product of Pauli matrices: a sparse array (2^n, 2^n)."""
    from scipy import sparse

    total: Any = sparse.csr_array((2**qubits, 2**qubits))
    for site in range(qubits):
        at = {(site + distance) % qubits: _MATRICES[name] for distance, name in paulis}
        factors = (at.get(wire, np.eye(2)) for wire in range(qubits))
        total = total + functools.reduce(
            lambda left, right: sparse.kron(left, right, format="csr"), factors
        )
    return total


def sector(chain: Chain, qubits: int) -> Any:
    """An orthonormal basis of the ground state's sector: a sparse array (2^n, dimension)."""
    from scipy import sparse

    size, sign = 2**qubits, chain.flip(qubits)
    first = np.arange(size // 2)  # the flip of all sites takes basis state i to 2^n - 1 - i
    if chain.conserves:
        up = np.array([int(index).bit_count() for index in first])
        first = first[2 * up == qubits]
    columns = np.arange(len(first))
    rows = np.concatenate((first, size - 1 - first))
    values = np.repeat([np.sqrt(0.5), sign * np.sqrt(0.5)], len(first))
    return sparse.csr_array((values, (rows, np.tile(columns, 2))), (size, len(first)))


class Solver:
    """Finds ground states of one chain; the terms are built once.

    Args:
        name: one of `CHAINS`.
        qubits: sites, even, at least 4.
    """

    def __init__(self, name: str, qubits: int) -> None:
        self.chain = CHAINS[name]
        self.basis = sector(self.chain, qubits)
        self.terms = [
            (self.basis.T @ (sign * term_matrix(paulis, qubits)) @ self.basis).tocsr()
            for paulis, sign in self.chain.terms
        ]
        # A fixed start: ARPACK's own is random.
        self.start = np.random.RandomState(4_004).random_sample(self.basis.shape[1])

    def ground_state(self, second: float, control: float) -> tuple[float, Doubles]:
        """The energy and the amplitudes (2^n,) of the ground state.

        The sign makes the largest amplitude positive, the first of equals.

        Raises:
            RuntimeError: the solver did not find an eigenvector.
        """
        from scipy.sparse import linalg

        weights = self.chain.coefficients(second, control)
        matrix = sum(weight * term for weight, term in zip(weights, self.terms, strict=True))
        if matrix.shape[0] <= 64:
            energies, vectors = np.linalg.eigh(matrix.toarray())
            energy, vector = float(energies[0]), vectors[:, 0]
        else:
            energies, vectors = linalg.eigsh(matrix, k=1, which="SA", v0=self.start)
            energy, vector = float(energies[0]), vectors[:, 0]
        residual = float(np.linalg.norm(matrix @ vector - energy * vector))
        if residual > LARGEST_RESIDUAL:
            raise RuntimeError(f"no ground state: the residual is {residual:.1e}")
        state: Doubles = self.basis @ vector
        sizes = np.abs(state)
        state = state * np.sign(state[np.argmax(sizes >= (1 - 1e-6) * sizes.max())])
        return energy, state / np.linalg.norm(state)
