"""Optimisers of a study's own, in the training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.study.config import Config


@dataclass(frozen=True)
class OwnMaker:
    """Makes an optimiser by a function of the study's own.

    Attributes:
        build: the function of the list of parameters and the configuration.
        config: the configuration.
    """

    build: Callable[[Any, Any], Any]
    config: Config

    def make(self, parameters: Sequence[nn.Parameter]) -> OwnOptimizer:
        """Make the optimiser.

        Raises:
            InputError: the function returns something else, or leaves parameters out.
        """
        made = self.build(list(parameters), self.config)
        # Not an isinstance: importing torch.optim takes a second in every worker.
        if not all(callable(getattr(made, name, None)) for name in ("step", "zero_grad")):
            raise InputError(
                f"optimizer must return a torch.optim.Optimizer, but "
                f"{getattr(self.build, '__name__', 'the function')} returned {safe_repr(made)}."
            )
        return OwnOptimizer(made)


class OwnOptimizer:
    """A torch optimiser whose steps get the loss as a closure.

    Args:
        optimizer: of a class of the study's own, or of torch.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._groups = list(getattr(optimizer, "param_groups", ()))
        self._rates = [group.get("lr") for group in self._groups]

    def step(self, loss: Callable[[], Tensor], share: float) -> None:
        """Make one step.

        Args:
            loss: computes the loss of the batch at the present parameters.
            share: of the first step size of every group that this epoch has.

        Raises:
            ValueError: the optimiser does not compute the loss.
        """
        for group, rate in zip(self._groups, self._rates, strict=True):
            if rate is not None and share != 1:
                group["lr"] = share * rate
        calls = 0

        def closure() -> Tensor:
            nonlocal calls
            calls += 1
            self._optimizer.zero_grad()
            value = loss()
            # Without gradients an optimiser wants the value alone.
            if torch.is_grad_enabled() and value.requires_grad:
                value.backward()
            return value.detach()

        self._optimizer.step(closure)
        if not calls:
            raise ValueError(
                f"step of {type(self._optimizer).__name__} did not call its closure, which "
                f"computes the loss: call closure() in it"
            )
