"""`Sampler`: finitely many measurements of a circuit, drawn from its exact distribution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
#: How gradients are estimated from shots; see `qkd_study.quantum.parameter_shift`.
ShotGradient = Literal["parameter-shift", "spsa"]


@dataclass
class Sampler:
    """Draws the outcomes of a circuit's shots, and counts the shots.

    Attributes:
        shots: of one circuit for one sample; each measures all qubits, so that all observables that
            are diagonal in the computational basis come from the same shots.
        gradient: how gradients are estimated.
        seed: of all draws.
        fired: shots so far, those of gradients included.

    Raises:
        ValueError: the shots are not a positive integer, or the gradient is unknown.
    """

    shots: int
    gradient: ShotGradient = "parameter-shift"
    seed: int = 0
    fired: int = 0
    rng: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.shots, bool) or not isinstance(self.shots, int) or self.shots < 1:
            raise ValueError(f"shots must be a positive integer, but got {self.shots!r}")
        if self.gradient not in get_args(ShotGradient):
            raise ValueError(
                f"gradient must be one of {get_args(ShotGradient)}, but got {self.gradient!r}"
            )
        self.reseed(self.seed)

    def reseed(self, seed: int) -> None:
        """Begin the draws of another seed; the count goes on."""
        self.seed, self.rng = seed, np.random.default_rng(seed)

    def draw(self, probabilities: Floats) -> NDArray[np.float64]:
        """Relative frequencies of outcomes: multinomial counts over the shots.

        Args:
            probabilities: of K outcomes for each of any number of circuits, (..., K); rounding
                errors of their sum are divided out.

        Returns:
            Like `probabilities`, multiples of 1 / shots.
        """
        exact = np.maximum(probabilities.astype(np.float64), 0.0)
        exact /= exact.sum(-1, keepdims=True)
        self.fired += self.shots * int(np.prod(exact.shape[:-1]))
        return self.rng.multinomial(self.shots, exact) / self.shots
