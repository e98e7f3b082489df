"""`Trial`: one configuration of one arm in one cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.replicates import TRIALS_PER_SEARCH
from qkd_study.study.study import Cell

Phase = Literal["teacher", "search", "confirm"]


@dataclass(frozen=True)
class Trial:
    """One configuration of one arm in one cell, to be scored on some replicates.

    Attributes:
        phase: in the phase `teacher`, cell, arm and configuration are those of a `TeacherSearch`.
        number: of the configuration within its cell and arm, in search and confirmation; those of
            search s begin at s times `TRIALS_PER_SEARCH`.
        replicates: to run now.
        pruning_thresholds: the least mean validation score after the first replicate, the first
            two, ...; empty if nothing is pruned.
        pruning: decides instead: an `OptunaPruning` or a `DominancePruning` of `search`.
    """

    phase: Phase
    cell: Cell
    arm: Arm
    number: int
    config: Config
    replicates: tuple[int, ...]
    pruning_thresholds: tuple[float, ...] = ()
    pruning: Any = None

    @property
    def search(self) -> int:
        """The search that suggested the configuration, counted from 0."""
        return self.number // TRIALS_PER_SEARCH
