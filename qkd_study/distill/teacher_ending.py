"""How the training of a teacher ended: whether it could have gone on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qkd_study.common.late_rise import late_rise
from qkd_study.distill.training import TrainingResult

_RISE, _EPOCH = "ending.late_rise", "ending.best_epoch"


@dataclass(frozen=True)
class TeacherEnding:
    """What is kept of the learning curve of a teacher.

    Attributes:
        late_rise: validation accuracy gained over the last fifth of the epochs, see `late_rise`;
            of an ensemble the mean over its members; nan below three validated epochs.
        best_epoch: the chosen epoch, counted from 1; of an ensemble the latest.
    """

    late_rise: float
    best_epoch: int

    @classmethod
    def of(cls, trained: Sequence[TrainingResult]) -> TeacherEnding:
        """The ending of a teacher, or of the members of an ensemble."""
        rises = []
        for result in trained:
            scored = [(e.epoch, e.val_accuracy) for e in result.curve if e.val_accuracy is not None]
            rises.append(late_rise([at for at, _ in scored], [score for _, score in scored]))
        return cls(sum(rises) / len(rises), max(result.best_epoch for result in trained))

    def tensors(self) -> dict[str, Tensor]:
        """It as tensors, to be stored beside the weights."""
        rise = torch.tensor(self.late_rise, dtype=torch.float64)
        return {_RISE: rise, _EPOCH: torch.tensor(self.best_epoch)}

    @classmethod
    def taken(cls, tensors: dict[str, Tensor]) -> TeacherEnding | None:
        """Take it out of stored tensors; `None` if an earlier version stored them without."""
        if _RISE not in tensors or _EPOCH not in tensors:
            return None
        return cls(float(tensors.pop(_RISE).item()), int(tensors.pop(_EPOCH).item()))

    def metrics(self) -> dict[str, float | int | None]:
        """It by the names of its columns."""
        rise = None if math.isnan(self.late_rise) else self.late_rise
        return {"teacher_late_rise": rise, "teacher_best_epoch": self.best_epoch}
