"""Convolutions, circuits and linear heads in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from qkd_study.distill.batched.arrays import LANES, aligned_zeros, round_up
from qkd_study.distill.batched.hybrid import BatchedHybrid
from qkd_study.distill.batched.model import linear
from qkd_study.distill.batched.pooled_convolution import Activations, PooledConvolution
from qkd_study.models import HybridImageModel, Model
from qkd_study.study.circuits import HybridImage
from qkd_study.study.config import Config
from qkd_study.study.models import Shape

#: Names of the layers before the circuit.
FIRST, SECOND, LAST = "layers.0", "layers.3", "layers.7"
#: Samples of the test set in a chunk: as many as in `predict`, so that the plan is the same.
TEST_CHUNK = 250


class BatchedHybridImage(BatchedHybrid):
    """R networks with convolutions before the circuit.

    The convolutions of one model run after those of another, a few samples at a time: what one step
    of one model needs stays in the cache.
    """

    spec = HybridImage

    @classmethod
    def accepts(cls, spec: Any, config: Config, shape: Shape) -> bool:
        """See `BatchedModel.accepts`."""
        cells = (shape[-2] // 4) * (shape[-1] // 4)
        return super().accepts(spec, config, shape) and spec.channels[1] * cells != 1

    @classmethod
    def numbers(cls, spec: Any, config: Config, shape: Shape) -> int:
        """See `BatchedModel.numbers`. What is kept of a step is shared out among all samples."""
        *colours, height, width = shape
        first, second = spec.channels
        inputs, cells = colours[0] if colours else 1, (height // 2) * (width // 2)
        kept = cells * (16 * inputs + 6 * first) + cells // 4 * (16 * first + 6 * second)
        samples = config.samples + config.validation_samples
        share: int = -(-kept * min(config.batch_size, config.samples) // samples)
        return super().numbers(spec, config, shape) + share

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models)
        *colours, height, width = cast(HybridImageModel, models[0]).shape
        first, second = (len(self.parameters.values[f"{name}.bias"][0]) for name in (FIRST, SECOND))
        one = PooledConvolution(colours[0] if colours else 1, height, width, first)
        two = PooledConvolution(first, one.height, one.width, second)
        self._convolutions = {FIRST: one, SECOND: two}
        self._keeps = True

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """See `BatchedModel.evaluate`."""
        self._keeps = False
        try:
            return super().evaluate(inputs, count)
        finally:
            self._keeps = True

    @torch.no_grad()
    def test(self, samples: Tensor) -> list[Tensor]:
        """See `BatchedModel.test`."""
        parts = []
        for part in samples.split(TEST_CHUNK):
            (rows,) = self.inputs(self.models[0].prepare(part))
            inputs = rows.new_zeros(1, 1, round_up(len(rows)), rows.shape[1])
            inputs[0, 0, : len(rows)] = rows
            logits = self.evaluate(inputs.expand(len(self.models), -1, -1, -1), len(rows))
            parts.append(logits[..., : len(rows)])
        return [logits.T.contiguous() for logits in torch.cat(parts, 2)]

    def _features(self, inputs: Tensor) -> Tensor:
        """See `BatchedCircuit._features`."""
        replicates, batch, pixels = inputs.shape
        values = self.parameters.values
        weight = values[f"{LAST}.weight"]
        self._maps = aligned_zeros(replicates, weight.shape[2], batch)
        self._kept: list[list[tuple[Activations, Activations]]] = [[] for _ in range(replicates)]
        maps = inputs.new_zeros(pixels + 1, LANES)
        for number, mine in enumerate(self._maps):
            matrices = [
                convolution.matrix(values[f"{name}.weight"][number])
                for name, convolution in self._convolutions.items()
            ]
            biases = [values[f"{name}.bias"][number] for name in self._convolutions]
            one, two = self._convolutions.values()
            for start in range(0, batch, LANES):
                part = slice(start, start + LANES)
                maps[:-1] = inputs[number, part].T
                first = one.forward(maps, matrices[0], biases[0])
                second = two.forward(first.output, matrices[1], biases[1])
                mine[:, part] = second.output[:-1]
                if self._keeps:
                    self._kept[number].append((first, second))
        self._tanh = linear(weight, values[f"{LAST}.bias"], self._maps).tanh_().transpose(1, 2)
        return self._tanh

    def _backward_features(self, given: Tensor) -> None:
        """See `BatchedCircuit._backward_features`."""
        values, gradients = self.parameters.values, self.parameters.gradients
        for_linear = (given * (1 - self._tanh * self._tanh)).transpose(1, 2).contiguous()
        torch.bmm(for_linear, self._maps.transpose(1, 2), out=gradients[f"{LAST}.weight"])
        gradients[f"{LAST}.bias"].copy_(for_linear.sum(2))
        for_maps = torch.bmm(values[f"{LAST}.weight"].transpose(1, 2), for_linear)
        one, two = self._convolutions.values()
        for number, (mine, kept) in enumerate(zip(for_maps, self._kept, strict=True)):
            found: list[Tensor] = []
            for part, (first, second) in zip(mine.split(LANES, 1), kept, strict=True):
                matrix, bias, for_patches = two.backward(second, part.contiguous())
                back = one.backward(first, two.backward_maps(second, for_patches))
                parts = (*back[:2], matrix, bias)
                found = [a + b for a, b in zip(found, parts, strict=True)] if found else list(parts)
            gradients[f"{FIRST}.weight"][number] = one.kernels(found[0])
            gradients[f"{FIRST}.bias"][number] = found[1]
            gradients[f"{SECOND}.weight"][number] = two.kernels(found[2])
            gradients[f"{SECOND}.bias"][number] = found[3]
