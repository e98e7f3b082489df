"""Base class of batched convolutions and quanvolutions: maps and the linear layer after them."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from qkd_study.distill.batched.arrays import round_up
from qkd_study.distill.batched.model import BatchedModel

#: Samples of the test set in a chunk, whose maps stay in the cache.
TEST_CHUNK = 320


class BatchedFilters(BatchedModel):
    """R models with filters that slide over an image, and a linear layer on the maps.

    `parameters_of` of a subclass gives the linear layer as `head` (classes, filters, patches) and
    `head.bias` (classes,).
    """

    def features(self, features: Tensor) -> Tensor:
        """Maps (filters, n, patches)."""
        return features.flatten(2).transpose(0, 1)

    def _logits_of(self, maps: Tensor) -> Tensor:
        """Logits (R, classes, B) of maps (R, filters, B, patches)."""
        values = self.parameters.values
        logits = maps.new_empty(len(maps), self.classes, maps.shape[2])
        logits.copy_(values["head.bias"][:, :, None])
        for part, mine in zip(values["head"].unbind(2), maps.unbind(1), strict=True):
            logits.baddbmm_(part, mine.transpose(1, 2))
        return logits

    def _backward_head(
        self, maps: Tensor, logits: Tensor, features: Tensor | None, factor: float
    ) -> Tensor:
        """Set the gradients of the linear layer, and return that with respect to the maps.

        Args:
            maps: (R, filters, B, patches).
            logits, features, factor: as for `backward`; the result may share the memory of
                `features`.
        """
        gradients = self.parameters.gradients
        gradients["head.bias"].copy_(logits.sum(2))
        for_maps = torch.empty_like(maps) if features is None else features
        for number, part in enumerate(self.parameters.values["head"].unbind(2)):
            if features is None:
                torch.bmm(logits.transpose(1, 2), part, out=for_maps[:, number])
            else:
                for_maps[:, number].baddbmm_(logits.transpose(1, 2), part, beta=factor)
            torch.bmm(logits, maps[:, number], out=gradients["head"][:, :, number])
        return for_maps

    @abstractmethod
    def _weights(self) -> Tensor:
        """The matrices that multiply a model's inputs: (R, ...)."""

    @abstractmethod
    def _logits(self, number: int, weights: Tensor, inputs: Tensor) -> Tensor:
        """Logits (classes, B) of one model.

        Args:
            number: of the model.
            weights: its part of `_weights`.
            inputs: (planes, B, patches).
        """

    def evaluate(self, inputs: Tensor, count: int) -> Tensor:
        """See `BatchedModel.evaluate`. One model after the other, so that its maps stay cached."""
        weights = self._weights()
        return torch.stack([self._logits(r, weights[r], x) for r, x in enumerate(inputs)])

    def test(self, samples: Tensor) -> list[Tensor]:
        """See `BatchedModel.test`; patches are extracted once for all models."""
        logits: list[list[Tensor]] = [[] for _ in self.models]
        weights = self._weights()
        for part in samples.split(TEST_CHUNK):
            cut = self.inputs(self.models[0].prepare(part))
            padded = cut.new_zeros(len(cut), round_up(len(part)), cut.shape[2])
            padded[:, : len(part)] = cut
            for number, mine in enumerate(logits):
                mine.append(self._logits(number, weights[number], padded)[:, : len(part)].T)
        return [torch.cat(mine) for mine in logits]
