"""Dropout of several replicates, with the numbers that each would draw alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qkd_study.models.activations import dropout_mask, dropout_seed


class BatchedDropout:
    """The dropout of one layer in R models: `qkd_study.models.activations.Dropout` for each.

    Args:
        share: of the units that are left out.
        layer: the number of the layer among those with dropout.
    """

    def __init__(self, share: float, layer: int) -> None:
        self.share, self.layer = share, layer
        self._generators: list[torch.Generator] = []

    def seed(self, seeds: Sequence[int]) -> None:
        """Seed it for a training, with the seeds of the replicates' trainings."""
        seeds = [dropout_seed(seed, self.layer) for seed in seeds]
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def masks(self, count: int, batch: int, planes: int, width: int) -> Tensor | None:
        """The factors of a step; `None` if nothing is left out.

        Args:
            count: samples that are real.
            batch: samples B, with those that are zeros.
            planes, width: units of a sample.

        Returns:
            (R, planes, B, width), 0 for samples that are not real.
        """
        if not self.share:
            return None
        found = torch.zeros(len(self._generators), planes, batch, width)
        for mine, generator in zip(found, self._generators, strict=True):
            drawn = dropout_mask((count, planes * width), self.share, generator)
            mine[:, :count] = drawn.unflatten(1, (planes, width)).transpose(0, 1)
        return found
