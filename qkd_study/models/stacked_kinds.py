"""The kinds of models that are trained side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.models.circuits import HybridModel
from qkd_study.models.classical import MLP
from qkd_study.models.convolution import ConvolutionStudent
from qkd_study.models.outputs import Model
from qkd_study.models.stacked import Stacked, filled, linear

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
            gradients[f"{layer}.weight"].copy_(torch.bmm(given, x.transpose(1, 2)))
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

    def taken(self, model: Model) -> dict[str, Tensor]:
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
        values = self.parameters.values
        return torch.cat((values["kernels"], values["biases"][..., None]), dim=2).mul_(2)

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `Stacked.forward`."""
        values = self.parameters.values
        self._patches = inputs.flatten(2)
        maps = torch.bmm(self._kernels(), self._patches).sigmoid_().mul_(2).sub_(1)
        self._maps = maps.unflatten(2, inputs.shape[2:])
        logits = values["head.bias"][:, :, None].repeat(1, 1, inputs.shape[2])
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
            gradients["head"][:, :, number].copy_(torch.bmm(logits, mine))
        torch.ops.aten.tanh_backward.grad_input(for_maps, self._maps, grad_input=for_maps)
        for_kernels = torch.bmm(for_maps.flatten(2), self._patches.transpose(1, 2))
        gradients["kernels"].copy_(for_kernels[..., :-1])
        gradients["biases"].copy_(for_kernels[..., -1])

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """See `Stacked.evaluate`. One model after the other: its maps stay in the cache."""
        return torch.stack([self._logits(r, x) for r, x in enumerate(inputs)])

    def _logits(self, number: int, inputs: Tensor) -> Tensor:
        """Logits (classes, B) of one model. 2 s - 1 is left to the head, which saves a pass."""
        head = self.parameters.values["head"][number]
        maps = torch.mm(self._kernels()[number], inputs.flatten(1)).sigmoid_()
        maps = maps.unflatten(1, inputs.shape[1:])
        bias = self.parameters.values["head.bias"][number] - head.sum((1, 2))
        logits = bias[:, None].repeat(1, inputs.shape[1])
        for part, mine in zip(head.unbind(1), maps, strict=True):
            logits.addmm_(part, mine.T, alpha=2)
        return logits

    def test(self, samples: Tensor) -> list[Tensor]:
        """See `Stacked.test`; the patches are cut once."""
        logits: list[list[Tensor]] = [[] for _ in self.models]
        for part in samples.split(PIECE):
            cut = self.inputs(self.models[0].prepare(part))
            room = cut.new_zeros(len(cut), filled(len(part)), cut.shape[2])
            room[:, : len(part)] = cut
            for number, mine in enumerate(logits):
                mine.append(self._logits(number, room)[:, : len(part)].T)
        return [torch.cat(mine) for mine in logits]


class StackedHybrid(Stacked):
    """R circuits with linear heads. Circuits run one after the other, on the same device states."""

    of = HybridModel

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._hybrids = [cast(HybridModel, model) for model in models]
        for model in self._hybrids[1:]:
            model.simulator = self._hybrids[0].simulator.twin()
        self._z = self._hybrids[0].get_buffer("z").to(torch.float32)

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `Stacked.forward`."""
        states = inputs[:, 0]
        found = torch.zeros_like(states)
        self._angles, self._runs, self._count = [], [], count
        with torch.enable_grad():
            for number, mine in enumerate(found):
                angles = self.parameters.values["theta"][number].clone().requires_grad_()
                run = self._probabilities(number, angles, states[number, :count])
                mine[:count] = run.detach()
                self._angles.append(angles)
                self._runs.append(run)
        return self._read(found)

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """See `Stacked.evaluate`."""
        states = inputs[:, 0]
        found = torch.zeros_like(states)
        for number, mine in enumerate(found):
            angles = self.parameters.values["theta"][number]
            mine[:count] = self._probabilities(number, angles, states[number, :count])
        return self._read(found)[0]

    def _probabilities(self, number: int, angles: Tensor, states: Tensor) -> Tensor:
        """Of one model, (count, 2^n); of angles that are no numbers, none either."""
        if not angles.isfinite().all():
            return torch.full_like(states, torch.nan)
        model = self._hybrids[number]
        return model.simulator.probabilities(model.circuit, angles, states)

    def _read(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and features of probabilities (R, B, 2^n)."""
        values = self.parameters.values
        z = self._z.T.expand(len(probabilities), -1, -1)
        self._expectations = torch.bmm(z, probabilities.transpose(1, 2))
        logits = linear(values["head.weight"], values["head.bias"], self._expectations)
        return logits, self._expectations[..., None]

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `Stacked.backward`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        gradients["head.weight"].copy_(torch.bmm(logits, self._expectations.transpose(1, 2)))
        gradients["head.bias"].copy_(logits.sum(2))
        given = torch.bmm(values["head.weight"].transpose(1, 2), logits)
        if features is not None:
            given.add_(features[..., 0], alpha=factor)
        z = self._z.T.expand(len(given), -1, -1)
        found = torch.bmm(given.transpose(1, 2), z)
        alive = [number for number, run in enumerate(self._runs) if run.requires_grad]
        torch.autograd.backward(
            [self._runs[number] for number in alive],
            [found[number, : self._count] for number in alive],
        )
        for number in alive:
            gradients["theta"][number].copy_(self._angles[number].grad)


#: The kinds there are, by the model that they hold.
KINDS: dict[type[Model], type[Stacked]] = {
    kind.of: kind for kind in (StackedMLP, StackedConvolution, StackedHybrid)
}


def stacked(models: Sequence[Model]) -> Stacked | None:
    """Models side by side; `None` where their kind is not among those that can be.

    It is not either where some of their parameters stay as they are, or where a part before the
    circuit is trained.
    """
    kind = KINDS.get(type(models[0]))
    parameters = [list(model.parameters()) for model in models]
    if kind is None or not all(p.requires_grad for mine in parameters for p in mine):
        return None
    if len({tuple(p.shape for p in mine) for mine in parameters}) > 1:
        return None
    if isinstance(models[0], HybridModel):
        reduction = models[0].reduction
        if reduction is None or reduction.trainable or models[0].keeps_state:
            return None
    return kind(models)
