"""Convolution students in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from qkd_study.distill.batched.activations import activate, activation_gradient
from qkd_study.distill.batched.arrays import aligned_zeros
from qkd_study.distill.batched.dropout import BatchedDropout
from qkd_study.distill.batched.filters import BatchedFilters
from qkd_study.models import ConvolutionStudent, Model
from qkd_study.study.config import Config
from qkd_study.study.controls import PatchPolynomial
from qkd_study.study.models import Convolution, Shape


class BatchedConvolution(BatchedFilters):
    """R convolution students.

    A convolution is a product of kernels and patches. tanh x = 2 sigmoid(2 x) - 1, with an error
    below 2e-7, because torch's vectorised sigmoid takes a tenth of the time of its tanh; kernels
    are doubled for it.
    """

    spec = Convolution

    @classmethod
    def accepts(cls, spec: Convolution, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`; grey images only."""
        one = 1 in (spec.filters, spec.kernel, prod(spec.patches(shape)))
        return len(shape) == 2 and not one

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        self._scratch = torch.empty(0)
        first = cast(ConvolutionStudent, models[0])
        self._activation, self._dropout = first.activation, BatchedDropout(first.dropped.share, 0)

    @property
    def dropouts(self) -> list[BatchedDropout]:
        """See `BatchedModel.dropouts`."""
        return [self._dropout]

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

    def _weights(self) -> Tensor:
        """Kernels and biases, doubled before tanh: (R, filters, pixels + 1)."""
        factor = 2 if self._activation == "tanh" else 1
        kernels, biases = (self.parameters.values[name] for name in ("kernels", "biases"))
        doubled = aligned_zeros(len(kernels), kernels.shape[1], kernels.shape[2] + 1)
        torch.mul(kernels, factor, out=doubled[..., :-1])
        torch.mul(biases, factor, out=doubled[..., -1])
        return doubled

    def forward(self, inputs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See `BatchedModel.forward`."""
        self._patches = inputs.flatten(2)
        self._before = torch.bmm(self._weights(), self._patches)
        if self._activation == "tanh":
            maps = self._before.sigmoid_().mul_(2).sub_(1)
        else:
            maps = activate(self._activation, self._before)
        self._maps = self._read = maps.unflatten(2, inputs.shape[2:])
        self._mask = self._dropout.masks(count, inputs.shape[2], maps.shape[1], inputs.shape[3])
        if self._mask is not None:
            self._read = self._maps * self._mask
        return self._logits_of(self._read), self._maps

    def backward(self, logits: Tensor, features: Tensor | None, factor: float) -> None:
        """See `BatchedModel.backward`."""
        gradients = self.parameters.gradients
        if self._mask is None:
            for_maps = self._backward_head(self._maps, logits, features, factor)
        else:
            for_maps = self._backward_head(self._read, logits, None, 0.0).mul_(self._mask)
            if features is not None:
                for_maps.add_(features, alpha=factor)
        before = self._before.view_as(self._maps)
        for_maps = activation_gradient(self._activation, for_maps, before, self._maps)
        for_kernels = aligned_zeros(len(logits), for_maps.shape[1], self._patches.shape[1])
        torch.bmm(for_maps.flatten(2), self._patches.transpose(1, 2), out=for_kernels)
        gradients["kernels"].copy_(for_kernels[..., :-1])
        gradients["biases"].copy_(for_kernels[..., -1])

    def _logits(self, number: int, weights: Tensor, inputs: Tensor) -> Tensor:
        """See `BatchedFilters._logits`. 2 s - 1 is left to the head, which saves a pass."""
        head = self.parameters.values["head"][number]
        shape = (len(weights), *inputs.shape[1:])
        if self._scratch.shape != shape:
            self._scratch = inputs.new_empty(shape)
        maps = self._scratch
        torch.mm(weights, inputs.flatten(1), out=maps.flatten(1))
        bias, factor = self.parameters.values["head.bias"][number], 1
        if self._activation == "tanh":
            maps.sigmoid_()
            bias, factor = bias - head.sum((1, 2)), 2
        else:
            maps = activate(self._activation, maps)
        logits = inputs.new_empty(self.classes, inputs.shape[1]).copy_(bias[:, None])
        for part, mine in zip(head.unbind(1), maps, strict=True):
            logits.addmm_(part, mine.T, alpha=factor)
        return logits


class BatchedPatchPolynomial(BatchedConvolution):
    """R convolutions over products of pixels, without activation."""

    spec = PatchPolynomial

    @classmethod
    def accepts(cls, spec: Convolution, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        return 1 not in (spec.filters, prod(spec.patches(shape)))

    @classmethod
    def numbers(cls, spec: PatchPolynomial, config: Config, shape: Shape) -> int:
        """See `BatchedModel.numbers`."""
        return (spec.features(vars(config)) + 1) * prod(spec.patches(shape))
