"""Ground states: energies and transitions that are known, and what is drawn."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import pytest

from qkd_study import InputError
from qkd_study.data import GroundStates, load, source
from qkd_study.data.spin_chains import CHAINS, Solver, annni_boundary, term_matrix

QUBITS = (4, 6, 8, 10, 12)
solver = functools.cache(Solver)


def momenta(qubits: int) -> np.ndarray:
    """Those of free fermions on an antiperiodic ring: the even sector of a closed chain."""
    return (2 * np.arange(qubits) + 1) * np.pi / qubits


@pytest.mark.parametrize("qubits", QUBITS)
@pytest.mark.parametrize("field", [0.0, 0.3, 1.0, 1.7])
def test_ising_energies_are_those_of_free_fermions(qubits: int, field: float) -> None:
    """Pfeuty, Ann. Phys. 57:79 (1970)."""
    exact = -np.sqrt(1 + field**2 - 2 * field * np.cos(momenta(qubits))).sum()
    assert solver("ising", qubits).ground_state(0, field)[0] == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("qubits", QUBITS)
@pytest.mark.parametrize("strength", [0.2, 1.0, 1.6])
def test_cluster_ising_energies_are_those_of_free_fermions(qubits: int, strength: float) -> None:
    """Smacchia et al., Phys. Rev. A 84:022304 (2011), whose fermions have momenta 3 k."""
    exact = -np.sqrt(1 + strength**2 + 2 * strength * np.cos(3 * momenta(qubits))).sum()
    found = solver("cluster-ising", qubits).ground_state(0, strength)[0]
    assert found == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(
    ("qubits", "exact"), [(4, -2.0), (6, -2.8027756377), (8, -3.6510934089), (10, -4.5154463545)]
)
def test_heisenberg_energies(qubits: int, exact: float) -> None:
    """Of S S on closed chains: -2 by hand, others by Bonner and Fisher, Phys. Rev. 135:A640."""
    assert solver("xxz", qubits).ground_state(0, 1)[0] / 4 == pytest.approx(exact, abs=1e-8)


def test_xxz_where_it_is_free_and_where_it_is_ferromagnetic() -> None:
    # d = 0: free fermions hop on an antiperiodic ring when half of 8 sites are filled.
    free = 4 * np.sort(np.cos(momenta(8)))[:4].sum()
    assert solver("xxz", 8).ground_state(0, 0)[0] == pytest.approx(free, abs=1e-8)
    # d = -1: turned about Z on every other site, all states of largest spin have energy -n.
    assert solver("xxz", 8).ground_state(0, -1)[0] == pytest.approx(-8, abs=1e-8)


@pytest.mark.parametrize("name", CHAINS)
def test_a_state_is_the_ground_state_of_the_whole_chain(name: str) -> None:
    """By dense diagonalisation, of a Hamiltonian that PennyLane builds from its words."""
    qubits, chain = 6, CHAINS[name]
    for second, control in ((0.2, 0.6), (0.4, 1.5)):
        words = {
            "ising": [(-1, "ZZ"), (-control, "X")],
            "xxz": [(1, "XX"), (1, "YY"), (control, "ZZ")],
            "cluster-ising": [(-1, "ZXZ"), (control, "YY")],
            "annni": [(-1, "ZZ"), (second, "ZIZ"), (-control, "X")],
        }[name]
        whole = np.zeros((2**qubits, 2**qubits), complex)
        for weight, word in words:
            for site in range(qubits):
                full = ["I"] * qubits
                for distance, pauli in enumerate(word):
                    full[(site + distance) % qubits] = pauli
                whole += weight * qml.pauli.string_to_pauli_word("".join(full)).matrix(
                    wire_order=range(qubits)
                )
        energies, vectors = np.linalg.eigh(whole)
        energy, state = solver(name, qubits).ground_state(second, control)
        assert energy == pytest.approx(energies[0], abs=1e-9)
        assert state.shape == (64,)
        assert np.linalg.norm(whole @ state - energy * state) < 1e-8
        assert abs(vectors[:, 0] @ state) == pytest.approx(1, abs=1e-8)
        assert state[np.argmax(np.abs(state) > (1 - 1e-6) * np.abs(state).max())] > 0
    assert sum(len(paulis) for paulis, _ in chain.terms) == sum(
        len(word.replace("I", "")) for _, word in words
    )


def peak(name: str, second: float, around: float) -> float:
    """Where neighbouring ground states of 10 sites differ most."""
    controls = around * np.linspace(0.6, 1.4, 41)
    states = np.array([solver(name, 10).ground_state(second, c)[1] for c in controls])
    overlaps = np.abs((states[1:] * states[:-1]).sum(axis=1))
    return float(controls[np.argmin(overlaps)] / around)


@pytest.mark.parametrize(
    ("name", "second"), [("ising", 0.0), ("cluster-ising", 0.0), ("annni", 0.15), ("annni", 0.3)]
)
def test_the_overlap_of_neighbours_finds_the_transition(name: str, second: float) -> None:
    """No label is used; on 10 sites the peak is off by some percent, which fall as 1 / n^2."""
    assert peak(name, second, CHAINS[name].boundary(second)) == pytest.approx(1, abs=0.1)


def test_correlations_cross_where_xxz_has_its_transition() -> None:
    along, across = term_matrix(((0, "Z"), (1, "Z")), 8), term_matrix(((0, "X"), (1, "X")), 8)
    ahead = []
    for delta in (0.9, 1.0, 1.1):
        state = solver("xxz", 8).ground_state(0, delta)[1]
        ahead.append(state @ (across @ state) - state @ (along @ state))
    assert ahead[0] < -0.1
    assert ahead[1] == pytest.approx(0, abs=1e-8)
    assert ahead[2] > 0.1


def test_the_known_boundary_of_annni() -> None:
    assert annni_boundary(0) == 1
    assert annni_boundary(1e-6) == pytest.approx(1, abs=1e-5)
    assert annni_boundary(0.49999) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_drawn(chain: str, folders: Path) -> None:
    declared = GroundStates(chain, qubits=4, states=80, margin=(0.2, 0.5), seed=3)
    data = load(declared)
    assert (data.name, data.shape, data.classes) == (f"{chain}-4-0.2-0.5", (16,), 2)
    assert data.class_names == CHAINS[chain].phases
    assert (len(data.pool_labels), len(data.test_labels)) == (60, 20)
    assert np.bincount(data.pool_labels).tolist() == [30, 30]
    states = data.pool_inputs(np.arange(60))
    assert np.linalg.norm(states, axis=1) == pytest.approx(1, abs=1e-6)
    control, second = declared.parameters().T
    distance = np.abs(control / [CHAINS[chain].boundary(value) for value in second] - 1)
    assert distance.min() >= 0.2 - 1e-12
    assert distance.max() <= 0.5 + 1e-12
    assert np.ptp(distance) > 0.25
    assert (control > 0).all()


def test_states_come_from_the_cache_until_it_is_damaged(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = GroundStates("ising", qubits=4, states=8)
    first = declared.load().digest
    (file,) = (folders / "cache" / "qkd-study").glob("states-*")
    with monkeypatch.context() as patch:
        patch.setattr(GroundStates, "_computed", lambda *_: pytest.fail("computed again"))
        assert declared.load().digest == first
        assert GroundStates("ising", qubits=4, states=8, name="other").load().name == "other"
    file.write_bytes(file.read_bytes()[:-1])
    assert declared.load().digest == first
    assert GroundStates("ising", qubits=4, states=8, seed=1).load().digest != first
    assert source(declared) is declared


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"chain": "izing"}, "unknown chain 'izing'"),
        ({"qubits": 7}, "must be even, but got 7"),
        ({"qubits": 14}, "qubits of GroundStates must be an integer from 4 to 12, but got 14"),
        ({"qubits": 8.0}, "but got 8.0"),
        ({"states": 2}, "states of GroundStates must be an integer from 8 to 100,000, but got 2"),
        ({"seed": -1}, "seed of GroundStates must be an integer from 0"),
        ({"margin": (0.5, 0.1)}, "margin of GroundStates must be two increasing numbers from 0"),
        ({"margin": 0.1}, "but got 0.1"),
        ({"margin": (0.1, float("nan"))}, "but got"),
        ({"name": "digits"}, "must not be that of a known dataset"),
    ],
)
def test_what_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GroundStates(**given)
