"""`GroundStates`: ground states of a spin chain on both sides of a transition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError
from qkd_study.common.names import unknown
from qkd_study.data.dataset import Floats, Ints
from qkd_study.data.spin_chains import CHAINS, Solver
from qkd_study.data.state_sets import StateSet, checked_range


@dataclass(frozen=True)
class GroundStates(StateSet):
    """Ground states of closed spin chains; the class is the phase.

    The control parameter, such as the field of the Ising chain, is drawn at random: half of the
    states below the transition, half above. All states are real: (2^qubits,) amplitudes.

    Attributes:
        chain: `ising`, `xxz`, `cluster-ising` or `annni`; see docs/quantum_data.md.
        qubits: sites, an even number from 4 to 12.
        states: how many, of which a quarter is the test set.
        margin: the least and the largest distance of the control parameter from the transition,
            as a share of its value there, at most 1; (0.3, 0.9) is far from it, (0.02, 0.2) near.
        seed: of the parameters.
        name: for rows and reports; the default is like `ising-8`, with the margin if it is not the
            default.

    Raises:
        InputError: an argument is not as above.
    """

    chain: str = "ising"
    qubits: int = 8
    states: int = 1000
    margin: tuple[float, float] = (0.1, 0.9)
    seed: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        if self.chain not in CHAINS:
            raise InputError(unknown("chain", str(self.chain), CHAINS))
        low, high = checked_range("GroundStates", "margin", self.margin, 0, 1)
        object.__setattr__(self, "margin", (low, high))
        if not self.name:
            near = "" if self.margin == (0.1, 0.9) else f"-{low:g}-{high:g}"
            object.__setattr__(self, "name", f"{self.chain}-{self.qubits}{near}")
        self._check(fewest=4)
        if self.qubits % 2:
            raise InputError(
                f"qubits of GroundStates must be even, but got {self.qubits}: closed chains of an "
                f"odd number of sites have no antiferromagnetic order."
            )

    def _class_names(self) -> tuple[str, ...]:
        return CHAINS[self.chain].phases

    def _drawn(self, rng: np.random.RandomState) -> tuple[NDArray[np.float64], Ints]:
        chain, (low, high) = CHAINS[self.chain], self.margin
        labels = rng.permutation(np.arange(self.states) % 2).astype(np.int64)
        distance = low + (high - low) * rng.random_sample(self.states)
        start, end = chain.second
        second = start + (end - start) * rng.random_sample(self.states)
        boundary = np.array([chain.boundary(value) for value in second])
        control = boundary * (1 + np.where(labels == 1, distance, -distance))
        return np.stack((control, second), axis=1), labels

    def _computed(self, drawn: NDArray[np.float64], labels: Ints) -> Floats:
        solver = Solver(self.chain, self.qubits)
        states = [solver.ground_state(second, control)[1] for control, second in drawn]
        return np.array(states, dtype=np.float32)
