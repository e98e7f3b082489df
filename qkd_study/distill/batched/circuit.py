"""Base class of batched models with one circuit: embedding, circuit, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from qkd_study.distill.batched.model import BatchedModel, linear
from qkd_study.models import CircuitModel, Model
from qkd_study.quantum import CircuitExecutions
from qkd_study.study.config import Config
from qkd_study.study.models import Shape

#: With more qubits a step is almost only arithmetic, and a batch saves nothing.
MAX_QUBITS = 10
#: Weights and biases of a trained reduction.
WEIGHT, BIAS = "reduction.layer.weight", "reduction.layer.bias"


class BatchedCircuit(BatchedModel):
    """R circuits on embedded samples. They run one after the other, on the same device states."""

    @classmethod
    def accepts(cls, spec: Any, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        noisy = spec.noise is not None and bool(config.noise_scale)
        return prod(shape) != 1 and 2 <= (config.qubits or 0) <= MAX_QUBITS and not noisy

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._circuits = [cast(CircuitModel, model) for model in models]
        first = self._circuits[0]
        for model in self._circuits[1:]:
            model.simulator = first.simulator.shared_copy()
            if model.circuit == first.circuit:
                model.circuit = first.circuit
        self._reduced: Tensor | None = None

    def _probabilities(self, inputs: Tensor, count: int) -> Tensor:
        """Probabilities (R, B, 2^n) of basis states, stored for `_backward_probabilities`.

        NaN for models whose angles or features are not finite; arguments as for `forward`.
        """
        first, self._count = self._circuits[0], count
        self._embed(inputs[:, 0])
        states, found = self._states, torch.zeros_like(self._states)
        self._plan = first.simulator.plan(first.circuit, count)
        self._by_matrix = self._plan == "matrix"
        self._execute(states)
        executed, running = self._executed, self._running
        if self._by_matrix:
            size = states.shape[2]
            self._parts = torch.full((len(states), size, 2 * size), torch.nan)
            if executed is not None:
                final = torch.from_numpy(executed.final)
                self._parts[running, :, :size] = final.real.to(torch.float32)
                self._parts[running, :, size:] = final.imag.to(torch.float32)
            self._products = torch.bmm(states, self._parts)
            real, imaginary = self._products[..., :size], self._products[..., size:]
            torch.mul(real, real, out=found).addcmul_(imaginary, imaginary)
        else:
            found[:, :count] = torch.nan
            if executed is not None:
                found[running, :count] = torch.from_numpy(executed.probabilities).to(found.dtype)
        return found

    def _embed(self, inputs: Tensor) -> None:
        """Set the states (R, B, 2^n): the inputs, or embedded features of a trained reduction."""
        self._failed = [False] * len(inputs)
        reduced = self._features(inputs)
        if reduced is None:
            self._states = inputs
            return
        finite = reduced.isfinite().all(2).all(1)
        self._failed = [not one for one in finite.tolist()]
        reduced = torch.where(finite[:, None, None], reduced, 0).contiguous()
        with torch.enable_grad():
            self._reduced = reduced.requires_grad_()
            self._embedded = self._circuits[0].embed(self._reduced.flatten(0, 1))
        self._states = self._embedded.detach().unflatten(0, inputs.shape[:2])

    def _features(self, inputs: Tensor) -> Tensor | None:
        """Features (R, B, f) of inputs (R, B, i), to be embedded; `None` if they are the states."""
        values = self.parameters.values
        if WEIGHT not in values:
            return None
        self._samples = inputs
        return linear(values[WEIGHT], values[BIAS], inputs.transpose(1, 2)).transpose(1, 2)

    def _execute(self, states: Tensor) -> None:
        """Run the circuits of models that are finite: on their states, or for their matrices."""
        theta = self.parameters.values["theta"]
        finite = theta.isfinite().all(1).tolist()
        running = [
            number for number, failed in enumerate(self._failed) if finite[number] and not failed
        ]
        # A slice makes no copies.
        self._running = slice(None) if len(running) == len(states) else running
        self._executed: CircuitExecutions | None = None
        if not running:
            return
        models = [self._circuits[number] for number in running]
        simulators = [model.simulator for model in models]
        for simulator in simulators:
            simulator.plans.add(self._plan)
        rows = (
            np.eye(states.shape[2])[None]
            if self._by_matrix
            else states[self._running, : self._count].numpy()
        )
        self._executed = CircuitExecutions(
            simulators,
            [model.circuit for model in models],
            "register" if self._by_matrix else self._plan,
            theta[self._running].numpy(),
            rows,
        )

    def _backward_probabilities(self, found: Tensor) -> None:
        """Set the gradients of angles and reduction from that of the probabilities (R, B, 2^n)."""
        trained = self._reduced is not None
        for_states = torch.zeros_like(self._states) if trained else None
        if self._by_matrix:
            size = found.shape[2]
            cotangents = (self._products.unflatten(2, (2, size)) * found[:, :, None]).flatten(2)
            parts = torch.bmm(self._states.transpose(1, 2), cotangents).mul_(2).numpy()
            arrays = parts[..., :size] + 1j * parts[..., size:]
            if for_states is not None:
                torch.bmm(cotangents, self._parts.transpose(1, 2), out=for_states).mul_(2)
        else:
            arrays = found[:, : self._count].numpy()
        if self._executed is not None:
            gradient, back = self._executed.gradient(
                arrays[self._running],
                squared=not self._by_matrix,
                states=trained and not self._by_matrix,
            )
            self.parameters.gradients["theta"][self._running] = torch.from_numpy(gradient)
            if for_states is not None and back is not None:
                for_states[self._running, : self._count] = torch.from_numpy(back.real).float()
        if for_states is not None:
            self._backward_embedding(for_states)

    def _backward_embedding(self, for_states: Tensor) -> None:
        """Set the gradients of what computes the features from that of the states (R, B, 2^n)."""
        assert self._reduced is not None
        for_states[:, self._count :] = 0
        (given,) = torch.autograd.grad(self._embedded, self._reduced, for_states.flatten(0, 1))
        self._backward_features(given)

    def _backward_features(self, given: Tensor) -> None:
        """Set the gradients of what computes the features from theirs (R, B, f)."""
        gradients = self.parameters.gradients
        torch.bmm(given.transpose(1, 2), self._samples, out=gradients[WEIGHT])
        gradients[BIAS].copy_(given.sum(1))
