"""The plan: everything a study will run, counted before anything runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

from qkd_study.data import Dataset, check_draw
from qkd_study.errors import InputError
from qkd_study.memory import check_memory
from qkd_study.study.arms import Arm
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.study import Cell, Study

Phase = Literal["search", "confirm"]


@dataclass(frozen=True)
class Trial:
    """One configuration of one arm in one cell, to be scored on some replicates.

    Attributes:
        number: of the configuration within its cell and arm; a confirmed one keeps its number.
        replicates: those to run now.
    """

    phase: Phase
    cell: Cell
    arm: Arm
    number: int
    config: Config
    replicates: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Counts of what a study runs on a dataset.

    Attributes:
        cells, arms: keys and names.
        trials: configurations searched, over all cells and arms.
        runs_search, runs_confirm: trainings of a student in each phase.
        teachers: trainings of a teacher; a search over parameters of the teacher adds one for
            every configuration, of which this is the largest number.
    """

    cells: tuple[str, ...]
    arms: tuple[str, ...]
    trials: int
    runs_search: int
    runs_confirm: int
    teachers: int
    dataset: str

    @property
    def runs(self) -> int:
        """Trainings of a student in all."""
        return self.runs_search + self.runs_confirm

    def as_json(self) -> dict[str, Any]:
        """The counts as `qkd-study plan --json` prints them."""
        return {
            "cells": len(self.cells),
            "arms": len(self.arms),
            "trials": self.trials,
            "runs_search": self.runs_search,
            "runs_confirm": self.runs_confirm,
            "runs": self.runs,
            "teachers": self.teachers,
            "dataset": self.dataset,
            "cell_keys": list(self.cells),
            "arm_names": list(self.arms),
        }


def _check_device(name: str) -> None:
    if name == "lightning.qubit":  # ours by requirement; PennyLane takes seconds to import
        return
    from qkd_study.quantum import check_device

    try:
        check_device(name)
    except ValueError as error:
        raise InputError(f"{error}") from None


def make_plan(study: Study, dataset: Dataset) -> Plan:
    """Check that a study can run on a dataset and count what it will run.

    Raises:
        InputError: a cell asks for more samples than there are, more qubits than memory holds, or
            images too small for the kernel.
    """
    for values in itertools.chain.from_iterable(map(study.extremes, study.cells())):
        _check_device(values["device"])
    patches = study.setting.patches(dataset.shape)
    cells = study.cells()
    for cell in cells:
        for values in study.extremes(cell):
            try:
                images = values["teacher_samples"] + values["validation_samples"]
                check_memory(values["qubits"], patches, images)
                check_draw(
                    dataset,
                    values["samples"],
                    values["teacher_samples"],
                    values["validation_samples"],
                )
            except InputError as error:
                where = f" (cell {cell.key})" if study.factors else ""
                raise InputError(f"{error}{where}") from None
    arms = study.all_arms
    trials = len(cells) * sum(map(study.trials_of, arms))
    return Plan(
        cells=tuple(cell.key for cell in cells),
        arms=tuple(arm.name for arm in arms),
        trials=trials,
        runs_search=trials * study.replicates.search,
        runs_confirm=len(cells) * len(arms) * study.replicates.confirm,
        teachers=_teachers(study),
        dataset=dataset.name,
    )


def _teachers(study: Study) -> int:
    """Teachers at most: one per replicate and different teacher configuration."""
    of_teacher = [
        name
        for name, p in PARAMETERS.items()
        if p.role in ("teacher", "both")
        or (p.role == "circuit" and "teacher" in study.setting.quantum)
    ]
    searched = any(name in study.search for name in of_teacher) or (
        "samples" in study.search and "teacher_samples" not in {*study.factors, *study.fixed}
    )
    count = 0
    seen = set()
    for cell in study.cells():
        values = study.extremes(cell)[0]
        key = tuple(values[name] for name in of_teacher)
        for arm in study.all_arms:
            if not arm.needs_teacher:
                continue
            if searched:
                count += study.trials_of(arm) * study.replicates.search + study.replicates.confirm
            elif key not in seen:
                count += study.replicates.search + study.replicates.confirm
                seen.add(key)
    return count
