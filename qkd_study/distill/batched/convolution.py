"""Convolution students in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.distill.batched.arrays import aligned_zeros, round_up
from qkd_study.distill.batched.model import BatchedModel
from qkd_study.models import ConvolutionStudent, Model
from qkd_study.study.config import Config
from qkd_study.study.models import Convolution, Shape

#: Samples of the test set that pass at once, so that their maps stay in the cache.
TEST_CHUNK = 320


class BatchedConvolution(BatchedModel):
    """R convolution students.

    A convolution is a product of kernels and patches. tanh x = 2 sigmoid(2 x) - 1, with an error
    below 2e-7, because torch's vectorised sigmoid takes a tenth of the time of its tanh.
    """

    spec = Convolution

    @classmethod
    def accepts(cls, spec: Convolution, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        return 1 not in (spec.filters, spec.kernel, prod(spec.patches(shape)))

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._scratch = torch.empty(0)

    @staticmethod
    def parameters_of(model: Model) -> dict[str, Tensor]:
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
        doubled = aligned_zeros(len(kernels), kernels.shape[1], kernels.shape[2] + 1)
        torch.mul(kernels, 2, out=doubled[..., :-1])
        torch.mul(biases, 2, out=doubled[..., -1])
        return doubled

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`."""
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
        """See `BatchedModel.backward`."""
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
        for_kernels = aligned_zeros(len(logits), for_maps.shape[1], self._patches.shape[1])
        torch.bmm(for_maps.flatten(2), self._patches.transpose(1, 2), out=for_kernels)
        gradients["kernels"].copy_(for_kernels[..., :-1])
        gradients["biases"].copy_(for_kernels[..., -1])

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """See `BatchedModel.evaluate`. One model after the other: its maps stay in the cache."""
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
        """See `BatchedModel.test`; the patches are cut once."""
        logits: list[list[Tensor]] = [[] for _ in self.models]
        kernels = self._kernels()
        for part in samples.split(TEST_CHUNK):
            cut = self.inputs(self.models[0].prepare(part))
            padded = cut.new_zeros(len(cut), round_up(len(part)), cut.shape[2])
            padded[:, : len(part)] = cut
            for number, mine in enumerate(logits):
                mine.append(self._logits(number, kernels[number], padded)[:, : len(part)].T)
        return [torch.cat(mine) for mine in logits]
