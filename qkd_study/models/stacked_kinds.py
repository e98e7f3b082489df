"""The kinds of models that are trained side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.models.circuits import HybridModel
from qkd_study.models.classical import MLP
from qkd_study.models.convolution import ConvolutionStudent
from qkd_study.models.outputs import Model
from qkd_study.models.stacked import Stacked, filled, linear, room
from qkd_study.quantum import Pass, Plan

#: Beyond so many qubits a step is all arithmetic, and there is nothing to share.
QUBITS = 10
#: Samples of the test set that pass at once, so that their maps stay in the cache.
PIECE = 320


class StackedMLP(Stacked):
    """R multilayer perceptrons."""

    of = MLP

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        depth = len(cast(MLP, models[0]).hidden)
        self._layers = [*(f"hidden.{number}" for number in range(depth)), "head"]

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `Stacked.forward`."""
        values = self.parameters.values
        self._passed = [inputs[:, 0].transpose(1, 2)]
        for layer in self._layers[:-1]:
            x = linear(values[f"{layer}.weight"], values[f"{layer}.bias"], self._passed[-1])
            self._passed.append(x.relu_())
        last = self._passed[-1]
        logits = linear(values["head.weight"], values["head.bias"], last)
        return logits, last[..., None]

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `Stacked.backward`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        given = logits
        for number in reversed(range(len(self._layers))):
            layer, x = self._layers[number], self._passed[number]
            torch.bmm(given, x.transpose(1, 2), out=gradients[f"{layer}.weight"])
            gradients[f"{layer}.bias"].copy_(given.sum(2))
            if number:
                given = torch.bmm(values[f"{layer}.weight"].transpose(1, 2), given)
                if features is not None and number == len(self._layers) - 1:
                    given.add_(features[..., 0], alpha=factor)
                given = torch.ops.aten.threshold_backward(given, x, 0)


class StackedConvolution(Stacked):
    """R convolution students.

    A convolution is a product of kernels and patches. tanh x = 2 sigmoid(2 x) - 1, with an error
    below 2e-7, because torch's vectorised sigmoid takes a tenth of the time of its tanh.
    """

    of = ConvolutionStudent

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._scratch = torch.empty(0)

    @staticmethod
    def taken(model: Model) -> dict[str, Tensor]:
        """The kernels with their biases, (filters, pixels + 1), and the head by filters."""
        student = cast(ConvolutionStudent, model)
        kernels, head = student.convolution, student.head
        assert kernels.bias is not None
        return {
            "kernels": kernels.weight.flatten(1),
            "biases": kernels.bias,
            "head": head.weight.unflatten(1, (len(kernels.weight), -1)),
            "head.bias": head.bias,
        }

    def inputs(self, prepared: Tensor) -> Tensor:
        """Patches and a plane of ones for the bias: (pixels + 1, n, patches)."""
        kernels = cast(ConvolutionStudent, self.models[0]).convolution
        patches = functional.unfold(prepared, kernels.kernel_size, stride=kernels.stride)
        ones = torch.ones_like(patches[:, :1])
        return torch.cat((patches, ones), dim=1).transpose(0, 1)

    def features(self, features: Tensor) -> Tensor:
        """Maps (filters, n, patches)."""
        return features.flatten(2).transpose(0, 1)

    def _kernels(self) -> Tensor:
        """Kernels and biases, doubled: (R, filters, pixels + 1)."""
        kernels, biases = (self.parameters.values[name] for name in ("kernels", "biases"))
        doubled = room(len(kernels), kernels.shape[1], kernels.shape[2] + 1)
        torch.mul(kernels, 2, out=doubled[..., :-1])
        torch.mul(biases, 2, out=doubled[..., -1])
        return doubled

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `Stacked.forward`."""
        values = self.parameters.values
        self._patches = inputs.flatten(2)
        maps = torch.bmm(self._kernels(), self._patches).sigmoid_().mul_(2).sub_(1)
        self._maps = maps.unflatten(2, inputs.shape[2:])
        logits = inputs.new_empty(len(inputs), self.classes, inputs.shape[2])
        logits.copy_(values["head.bias"][:, :, None])
        for part, mine in self._filters(values["head"]):
            logits.baddbmm_(part, mine.transpose(1, 2))
        return logits, self._maps

    def _filters(self, head: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Part of the head (R, classes, patches) and maps (R, B, patches) of every filter."""
        return [(head[:, :, number], self._maps[:, number]) for number in range(head.shape[2])]

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `Stacked.backward`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        gradients["head.bias"].copy_(logits.sum(2))
        for_maps = torch.empty_like(self._maps) if features is None else features
        for number, (part, mine) in enumerate(self._filters(values["head"])):
            if features is None:
                torch.bmm(logits.transpose(1, 2), part, out=for_maps[:, number])
            else:
                for_maps[:, number].baddbmm_(logits.transpose(1, 2), part, beta=factor)
            torch.bmm(logits, mine, out=gradients["head"][:, :, number])
        torch.ops.aten.tanh_backward.grad_input(for_maps, self._maps, grad_input=for_maps)
        for_kernels = room(len(logits), for_maps.shape[1], self._patches.shape[1])
        torch.bmm(for_maps.flatten(2), self._patches.transpose(1, 2), out=for_kernels)
        gradients["kernels"].copy_(for_kernels[..., :-1])
        gradients["biases"].copy_(for_kernels[..., -1])

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """See `Stacked.evaluate`. One model after the other: its maps stay in the cache."""
        kernels = self._kernels()
        return torch.stack([self._logits(r, kernels[r], x) for r, x in enumerate(inputs)])

    def _logits(self, number: int, kernels: Tensor, inputs: Tensor) -> Tensor:
        """Logits (classes, B) of one model. 2 s - 1 is left to the head, which saves a pass."""
        head = self.parameters.values["head"][number]
        shape = (len(kernels), *inputs.shape[1:])
        if self._scratch.shape != shape:
            self._scratch = inputs.new_empty(shape)
        maps = self._scratch
        torch.mm(kernels, inputs.flatten(1), out=maps.flatten(1)).sigmoid_()
        bias = self.parameters.values["head.bias"][number] - head.sum((1, 2))
        logits = inputs.new_empty(self.classes, inputs.shape[1]).copy_(bias[:, None])
        for part, mine in zip(head.unbind(1), maps, strict=True):
            logits.addmm_(part, mine.T, alpha=2)
        return logits

    def test(self, samples: Tensor) -> list[Tensor]:
        """See `Stacked.test`; the patches are cut once."""
        logits: list[list[Tensor]] = [[] for _ in self.models]
        kernels = self._kernels()
        for part in samples.split(PIECE):
            cut = self.inputs(self.models[0].prepare(part))
            padded = cut.new_zeros(len(cut), filled(len(part)), cut.shape[2])
            padded[:, : len(part)] = cut
            for number, mine in enumerate(logits):
                mine.append(self._logits(number, kernels[number], padded)[:, : len(part)].T)
        return [torch.cat(mine) for mine in logits]


class StackedHybrid(Stacked):
    """R circuits with linear heads. Circuits run one after the other, on the same device states."""

    of = HybridModel

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
        """See `Stacked.forward`. Angles that are no numbers give probabilities that are none."""
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

    def _pass(self, number: int, states: Tensor) -> Pass | None:
        """The circuit of one model on its states, or on all basis states for its matrix."""
        theta, model = self.parameters.values["theta"][number], self._hybrids[number]
        if not theta.isfinite().all():
            return None
        model.simulator.plans.add(self._plan)
        rows = np.eye(states.shape[2]) if self._by_matrix else states[number, : self._count].numpy()
        plan: Plan = "register" if self._by_matrix else self._plan
        return Pass(model.simulator, model.circuit, plan, theta.numpy(), rows)

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `Stacked.backward`."""
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


#: The kinds there are, by the model that they hold.
KINDS: dict[type[Model], type[Stacked]] = {
    kind.of: kind for kind in (StackedMLP, StackedConvolution, StackedHybrid)
}


def stacked(models: Sequence[Model]) -> Stacked | None:
    """Models side by side; `None` where their kind is not among those that can be.

    It is not either where some of their parameters stay as they are, where a layer has a single
    unit, where a part before the circuit is trained, or beyond `QUBITS` qubits.
    """
    kind = KINDS.get(type(models[0]))
    parameters = [list(model.parameters()) for model in models]
    if kind is None or not all(p.requires_grad for mine in parameters for p in mine):
        return None
    if any(1 in value.shape for value in kind.taken(models[0]).values()):
        return None
    if isinstance(models[0], HybridModel):
        first, reduction = models[0], models[0].reduction
        if reduction is None or reduction.trainable or first.keeps_state:
            return None
        if first.circuit.qubits > QUBITS or first.circuit.features:
            return None
    return kind(models)
