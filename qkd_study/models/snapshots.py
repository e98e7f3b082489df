"""A classical model of randomised Pauli measurements of states."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qkd_study.models.outputs import Model, Outputs
from qkd_study.quantum import local_paulis, measure, shadow_estimates, signs


class SnapshotModel(Model):
    """Measures states, and hands what it finds to a classical model.

    Args:
        of: the model of what is found.
        qubits: of a state.
        count: snapshots of a state.
        observables: the largest span of the Pauli strings that are estimated, or `outcomes`.
        seed: of the measurements; each state has its own, derived from this one and the state.
    """

    seed: Tensor

    def __init__(
        self, of: Model, qubits: int, count: int, observables: int | Literal["outcomes"], seed: int
    ) -> None:
        super().__init__()
        self.of, self.count, self.observables = of, count, observables
        self.paulis = [] if observables == "outcomes" else local_paulis(qubits, observables)
        # A buffer, so that a student that is loaded again measures as before.
        self.register_buffer("seed", torch.tensor(seed, dtype=torch.int64))

    def fit(self, samples: Tensor) -> None:
        """Fit the model of the measurements, if it has anything to fit."""
        self.of.fit(self.measured(samples))

    def prepare(self, samples: Tensor) -> Tensor:
        """The measurements, as the model of them takes them."""
        return self.of.prepare(self.measured(samples))

    def forward(self, inputs: Tensor) -> Outputs:
        """As of the model of the measurements."""
        outputs: Outputs = self.of(inputs)
        return outputs

    def head_parameters(self) -> list[nn.Parameter]:
        """As of the model of the measurements."""
        return self.of.head_parameters()

    def measured(self, samples: Tensor) -> Tensor:
        """What is found of states.

        Args:
            samples: (batch, 2^n), or real and imaginary parts (batch, 2, 2^n); those whose norm is
                not 1 are normalised.

        Returns:
            float32 (batch, numbers).

        Raises:
            ValueError: a sample is zero, or not finite.
        """
        arrays = samples.detach().to(torch.float32).numpy()
        found = [self._of_state(one) for one in arrays]
        return torch.from_numpy(np.array(found, dtype=np.float32))

    def _of_state(self, sample: NDArray[np.float32]) -> NDArray[np.float64] | NDArray[np.int8]:
        key = hashlib.sha256(f"{int(self.seed)} ".encode() + sample.tobytes()).digest()
        rng = np.random.default_rng(int.from_bytes(key[:16], "big"))
        wide = sample.astype(np.float64)
        state = wide if wide.ndim == 1 else wide[0] + 1j * wide[1]
        norm = float(np.linalg.norm(state))
        if not 0 < norm < np.inf:
            raise ValueError(f"a state has the norm 1, but a sample has {norm}")
        bases, outcomes = measure(state / norm, self.count, rng)
        if self.observables == "outcomes":
            return signs(bases, outcomes).reshape(-1)
        return shadow_estimates(bases, outcomes, self.paulis)
