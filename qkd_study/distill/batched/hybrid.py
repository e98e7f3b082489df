"""Circuits with linear heads in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from qkd_study.distill.batched.model import BatchedModel, linear
from qkd_study.models import HybridModel, Model
from qkd_study.quantum import CircuitExecution, ExecutionPlan
from qkd_study.study.circuits import HybridCircuit
from qkd_study.study.config import Config
from qkd_study.study.models import Shape

#: Beyond so many qubits a step is all arithmetic, and there is nothing to share.
MAX_QUBITS = 10


class BatchedHybrid(BatchedModel):
    """R circuits with linear heads. Circuits run one after the other, on the same device states."""

    spec = HybridCircuit

    @classmethod
    def accepts(cls, spec: HybridCircuit, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`. A trained reduction would need a gradient of the states."""
        return config.reduction != "linear" and 2 <= (config.qubits or 0) <= MAX_QUBITS

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._hybrids = [cast(HybridModel, model) for model in models]
        first = self._hybrids[0]
        for model in self._hybrids[1:]:
            model.simulator = first.simulator.twin()
            if model.circuit == first.circuit:
                model.circuit = first.circuit
        self._z = first.get_buffer("z").to(torch.float32)

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`. Angles that are no numbers give NaN."""
        first, states = self._hybrids[0], inputs[:, 0]
        self._states, self._count, found = states, count, torch.zeros_like(states)
        self._plan = first.simulator.plan(first.circuit, count)
        self._by_matrix = self._plan == "matrix"
        self._passes = [self._pass(number, states) for number in range(len(states))]
        if self._by_matrix:
            size = states.shape[2]
            parts = torch.full((len(states), size, 2 * size), torch.nan)
            for mine, passed in zip(parts, self._passes, strict=True):
                if passed is not None:
                    mine[:, :size] = torch.from_numpy(passed.final.real)
                    mine[:, size:] = torch.from_numpy(passed.final.imag)
            self._products = torch.bmm(states, parts)
            real, imaginary = self._products[..., :size], self._products[..., size:]
            torch.mul(real, real, out=found).addcmul_(imaginary, imaginary)
        else:
            for mine, passed in zip(found, self._passes, strict=True):
                mine[:count] = (
                    torch.nan if passed is None else torch.from_numpy(passed.probabilities)
                )
        z = self._z.T.expand(len(found), -1, -1)
        self._expectations = torch.bmm(z, found.transpose(1, 2))
        values = self.parameters.values
        logits = linear(values["head.weight"], values["head.bias"], self._expectations)
        return logits, self._expectations[..., None]

    def _pass(self, number: int, states: Tensor) -> CircuitExecution | None:
        """The circuit of one model on its states, or on all basis states for its matrix."""
        theta, model = self.parameters.values["theta"][number], self._hybrids[number]
        if not theta.isfinite().all():
            return None
        model.simulator.plans.add(self._plan)
        rows = np.eye(states.shape[2]) if self._by_matrix else states[number, : self._count].numpy()
        plan: ExecutionPlan = "register" if self._by_matrix else self._plan
        return CircuitExecution(model.simulator, model.circuit, plan, theta.numpy(), rows)

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `BatchedModel.backward`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        torch.bmm(logits, self._expectations.transpose(1, 2), out=gradients["head.weight"])
        gradients["head.bias"].copy_(logits.sum(2))
        given = torch.bmm(values["head.weight"].transpose(1, 2), logits)
        if features is not None:
            given.add_(features[..., 0], alpha=factor)
        z = self._z.T.expand(len(given), -1, -1)
        found = torch.bmm(given.transpose(1, 2), z)
        if self._by_matrix:
            size = found.shape[2]
            cotangents = (self._products.unflatten(2, (2, size)) * found[:, :, None]).flatten(2)
            parts = torch.bmm(self._states.transpose(1, 2), cotangents).mul_(2).numpy()
            arrays = parts[..., :size] + 1j * parts[..., size:]
        else:
            arrays = found[:, : self._count].numpy()
        rows = zip(gradients["theta"], self._passes, arrays, strict=True)
        for mine, passed, array in rows:
            if passed is not None:
                gradient, _, _ = passed.gradient(array, squared=not self._by_matrix)
                mine.copy_(torch.from_numpy(gradient))
