"""`Measurement`: how often a model's circuits are measured in training, and after it."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from qkd_study.common.seeds import derive
from qkd_study.quantum import Sampler, ShotGradient


class Measurement(nn.Module):
    """The shots of a model's circuits; it has nothing to train.

    Args:
        shots: of a circuit for one sample in training; `None`: exact values.
        test_shots: the same in evaluation.
        gradient: how gradients are estimated from shots.
    """

    def __init__(
        self,
        shots: int | None = None,
        test_shots: int | None = None,
        gradient: ShotGradient = "parameter-shift",
    ) -> None:
        super().__init__()
        self._samplers = {
            training: None if count is None else Sampler(count, gradient)
            for training, count in ((True, shots), (False, test_shots))
        }

    @property
    def sampler(self) -> Sampler | None:
        """What draws the shots in the present mode; `None`: values are exact."""
        return self._samplers[self.training]

    @property
    def is_exact(self) -> bool:
        """Whether there are no shots in any mode."""
        return all(sampler is None for sampler in self._samplers.values())

    def reseed(self, seed: int, *, training: bool) -> None:
        """Seed the draws of one mode."""
        sampler = self._samplers[training]
        if sampler is not None:
            sampler.reseed(seed)

    def fired(self, *, training: bool) -> int:
        """Shots of one mode so far."""
        sampler = self._samplers[training]
        return 0 if sampler is None else sampler.fired


class Shots(NamedTuple):
    """Numbers of shots: in training, those of gradients included, and in evaluations."""

    training: int = 0
    test: int = 0

    def plus(self, other: Shots) -> Shots:
        """The sums."""
        return Shots(self.training + other.training, self.test + other.test)

    def minus(self, other: Shots) -> Shots:
        """The differences."""
        return Shots(self.training - other.training, self.test - other.test)


def seed_shots(model: nn.Module, seed: int, *, training: bool) -> None:
    """Seed the shots of a model for a training, or for an evaluation."""
    for number, measurement in enumerate(_measurements(model)):
        measurement.reseed(derive(seed, number, "shots"), training=training)


def shots_of(model: nn.Module) -> Shots:
    """The shots of a model's circuits so far."""
    found = _measurements(model)
    return Shots(*(sum(one.fired(training=mode) for one in found) for mode in (True, False)))


def _measurements(model: nn.Module) -> list[Measurement]:
    return [module for module in model.modules() if isinstance(module, Measurement)]
