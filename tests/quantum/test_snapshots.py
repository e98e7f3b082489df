"""Randomised Pauli measurements: exact samples, unbiased estimates, the variance of theory."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pennylane as qml
import pytest

from qkd_study.quantum import local_paulis, measure, shadow_estimates, signs

RNG = np.random.default_rng(11)
STATE = RNG.normal(size=8) + 1j * RNG.normal(size=8)
STATE /= np.linalg.norm(STATE)
MATRICES = [qml.X(0).matrix(), qml.Y(0).matrix(), qml.Z(0).matrix()]


def matrix(string: tuple[int, ...], qubits: int = 3) -> np.ndarray:
    factors = [np.eye(2)] * qubits
    for at in string:
        factors[at // 3] = MATRICES[at % 3]
    return functools.reduce(np.kron, factors)


def exact(string: tuple[int, ...]) -> float:
    return float((STATE.conj() @ matrix(string) @ STATE).real)


def test_bases_are_uniform_and_outcomes_have_born_s_probabilities() -> None:
    """Of all 27 bases and 8 outcomes, by a chi-squared statistic."""
    count = 60_000
    bases, outcomes = measure(STATE, count, np.random.default_rng(1))
    assert set(np.unique(outcomes)) == {-1, 1}
    index = bases.astype(int) @ [9, 3, 1] * 8 + (outcomes < 0).astype(int) @ [4, 2, 1]
    found = np.bincount(index, minlength=27 * 8)
    eigenstates = [np.linalg.eigh(one)[1][:, ::-1] for one in MATRICES]  # +1 first
    expected = []
    for chosen in itertools.product(range(3), repeat=3):
        rotation = functools.reduce(np.kron, [eigenstates[basis] for basis in chosen])
        expected += (np.abs(rotation.conj().T @ STATE) ** 2 * count / 27).tolist()
    statistic = ((found - np.array(expected)) ** 2 / expected).sum()
    assert statistic < 215 + 5 * (2 * 215) ** 0.5


def test_estimates_are_unbiased_with_the_variance_of_theory() -> None:
    """Of the mean of n snapshots: (3^k - <P>^2) / n (Huang, Kueng and Preskill 2020)."""
    paulis, snapshots, repeats = local_paulis(3, 3), 20, 4000
    rng = np.random.default_rng(2)
    bases, outcomes = measure(STATE, snapshots * repeats, rng)
    every = np.array(
        [shadow_estimates(bases[i::repeats], outcomes[i::repeats], paulis) for i in range(repeats)]
    )
    for number, string in enumerate(paulis):
        variance = (3 ** len(string) - exact(string) ** 2) / snapshots
        error = (variance / repeats) ** 0.5
        # 63 strings: 3 standard errors in all but one, 4.5 in that one.
        assert abs(every[:, number].mean() - exact(string)) < 4.5 * error
        assert every[:, number].var() == pytest.approx(variance, rel=0.15)
    off = np.abs(every.mean(0) - [exact(string) for string in paulis])
    limits = [3 * ((3 ** len(s) - exact(s) ** 2) / snapshots / repeats) ** 0.5 for s in paulis]
    assert (off > limits).sum() <= 1


def test_estimates_of_a_known_state_by_hand() -> None:
    """|000>: Z is measured as 1, always; three snapshots, one of which is all Z."""
    ground = np.eye(8)[0]
    bases, outcomes = measure(ground, 500, np.random.default_rng(0))
    assert (outcomes[bases == 2] == 1).all()
    assert abs(outcomes[bases == 0].mean()) < 0.2
    bases = np.array([[2, 2, 2], [0, 2, 1], [2, 0, 2]], np.int8)
    outcomes = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1]], np.int8)
    found = shadow_estimates(bases, outcomes, [(2,), (0,), (2, 5), (2, 8), (0, 5, 7)])
    assert found.tolist() == [3 * 2 / 3, -3 / 3, 9 / 3, 9 * 2 / 3, -27 / 3]
    assert signs(bases, outcomes)[1].tolist() == [-1, 0, 0, 0, 0, 1, 0, 1, 0]


def test_the_strings_are_all_that_span_so_many_neighbours() -> None:
    assert local_paulis(2, 1) == [(0,), (1,), (2,), (3,), (4,), (5,)]
    for qubits, order in ((5, 1), (5, 2), (5, 3), (2, 3), (1, 2)):
        expected = set()
        for chosen in itertools.product(range(4), repeat=qubits):
            at = [site for site, pauli in enumerate(chosen) if pauli < 3]
            if at and at[-1] - at[0] < order:
                expected.add(tuple(3 * site + chosen[site] for site in at))
        found = local_paulis(qubits, order)
        assert set(found) == expected
        assert len(found) == len(expected)
