"""A PennyLane QNode as a model, on its own device, with an optional linear layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pennylane as qml
import torch
from pennylane.measurements import ExpectationMP, ProbabilityMP, VarianceMP
from torch import Tensor, nn

from qkd_study.common.errors import InputError, format_error
from qkd_study.models.circuits import SMALLEST
from qkd_study.models.outputs import Model, Outputs
from qkd_study.models.reductions import Reduction

#: Samples with which it is found out whether a QNode takes a batch.
_TRIED = 3
#: Tolerance between a batch and its samples one by one; devices may compute in single precision.
_SAME = 1e-5


class QNodeModel(Model):
    """Outputs of a QNode, and a linear layer to the classes.

    The outputs of all measurements, one after the other, are the features. A QNode that takes a
    batch of inputs (batch, f), and gives the same as sample by sample, is given one; any other runs
    once per sample.

    Args:
        qnode: takes `inputs` and arrays of weights by name.
        weight_shapes: of the arrays, which start uniform in [-pi, pi), drawn by torch's generator.
        classes: how many.
        reduction: from samples to features.
        head: whether there is a linear layer.

    Raises:
        InputError: the QNode fails, measures something else than expectation values, probabilities
            or variances, has no gradient, or without a head not one output per class.
    """

    def __init__(
        self,
        qnode: Any,
        weight_shapes: Mapping[str, tuple[int, ...]],
        classes: int,
        *,
        reduction: Reduction,
        head: bool,
    ) -> None:
        super().__init__()
        self.qnode, self.reduction = qnode, reduction
        self.weights = nn.ParameterDict(
            {
                name: nn.Parameter((2 * torch.rand(shape, dtype=torch.float64) - 1) * math.pi)
                for name, shape in weight_shapes.items()
            }
        )
        self.uncounted = True
        features = reduction.features or math.prod(reduction.shape)
        generator = torch.Generator().manual_seed(0)
        tried = torch.rand(_TRIED, features, generator=generator)
        try:
            outputs, self.probabilities = self._try(tried)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{self._name} failed on a sample of {features} features with weights "
                f"{dict(weight_shapes)}: {format_error(error)}."
            ) from None
        if not head and outputs != classes:
            raise InputError(
                f"{self._name} has {outputs} outputs, but there are {classes} classes: without a "
                f"head it needs one for each. Leave head=False out, or return {classes} values."
            )
        self.head = nn.Linear(outputs, classes) if head else None

    @property
    def _name(self) -> str:
        return f"the QNode {self.qnode.func.__name__} of PennyLaneModel"

    def _try(self, tried: Tensor) -> tuple[int, bool]:
        """Run a few samples: how many outputs there are, and whether they are probabilities."""
        tape = qml.workflow.construct_tape(self.qnode, level=0)(inputs=tried[0], **self.weights)
        for measured in tape.measurements:
            if not isinstance(measured, ExpectationMP | ProbabilityMP | VarianceMP):
                raise InputError(
                    f"{self._name} returns {measured}, but must return expectation values, "
                    f"probabilities or variances: qml.expval, qml.probs or qml.var."
                )
        self.batched = False
        single = self._run(tried)
        self._check_gradient(single)
        try:
            self.batched = True
            together = self._run(tried)
            self.batched = together.shape == single.shape and torch.allclose(
                together, single, rtol=0, atol=_SAME
            )
        except Exception:  # it is written for one sample
            self.batched = False
        only = len(tape.measurements) == 1 and isinstance(tape.measurements[0], ProbabilityMP)
        return single.shape[1], only

    def _check_gradient(self, outputs: Tensor) -> None:
        trained = list(self.weights.values())
        try:
            if trained:
                torch.autograd.grad(outputs.sum(), trained, allow_unused=True)
        except Exception as error:
            raise InputError(
                f"{self._name} has no gradient in its weights with interface="
                f"{self.qnode.interface!r}, diff_method={self.qnode.diff_method!r} "
                f"({format_error(error)}): leave them out, or take another device."
            ) from None

    def _run(self, inputs: Tensor) -> Tensor:
        """All outputs (batch, outputs) of inputs (batch, f)."""
        if self.batched:
            return self._outputs(self.qnode(inputs=inputs, **self.weights), len(inputs))
        rows = [self._outputs(self.qnode(inputs=one, **self.weights), 1) for one in inputs]
        return torch.cat(rows)

    @staticmethod
    def _outputs(returned: Any, count: int) -> Tensor:
        several = list(returned) if isinstance(returned, list | tuple) else [returned]
        return torch.cat([torch.as_tensor(one).reshape(count, -1) for one in several], dim=1)

    def fit(self, samples: Tensor) -> None:
        """Fit the reduction, if it has anything to fit."""
        self.reduction.fit(samples)

    def prepare(self, samples: Tensor) -> Tensor:
        """Features (batch, f) unless the reduction is trained, then the samples."""
        return samples if self.reduction.trainable else self.reduction(samples)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and the QNode's outputs (batch, outputs)."""
        features = self.reduction(inputs) if self.reduction.trainable else inputs
        outputs = self._run(features).to(torch.float32)
        if self.head is not None:
            return Outputs(self.head(outputs), outputs)
        logits = outputs.clamp_min(SMALLEST).log() if self.probabilities else outputs
        return Outputs(logits, outputs)

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the linear layer, if there is one."""
        return [] if self.head is None else list(self.head.parameters())

    @property
    def backend(self) -> str:
        """The QNode's device."""
        return str(self.qnode.device.name)

    @property
    def plan(self) -> str | None:
        """`plain` if samples run one by one; `None` if the QNode takes a batch."""
        return None if self.batched else "plain"

    @property
    def quantum_parameters(self) -> int:
        """The weights of the QNode."""
        return sum(weight.numel() for weight in self.weights.values())
