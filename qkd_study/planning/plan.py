"""The plan: the numbers of runs and teachers of a study, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qkd_study.data import Data
from qkd_study.planning.checks import check_study
from qkd_study.study.arms import Arm
from qkd_study.study.branches import branches, shared_cells
from qkd_study.study.models import Ensemble, ModelSpec
from qkd_study.study.parameters import Value
from qkd_study.study.study import Study
from qkd_study.study.teacher_reading import decides_teacher, teacher_space
from qkd_study.study.teacher_search import TeacherSearch, teacher_kind, teacher_searches


@dataclass(frozen=True)
class Plan:
    """The numbers of trials, runs and teachers of a study on a dataset.

    Attributes:
        cells, arms: keys and names.
        branches: how many pairs of cell and arm are searched: cells share those of an arm that
            does not read all factors (`study.branches`).
        shared: by arm, the cells that share a branch, and the key of the branch's cell.
        arm_trials: configurations searched in a cell, by arm, over all its searches.
        trials: configurations searched, over all branches.
        teacher_searches: the searches for a teacher.
        taught: the arms of each kind of teacher that is searched.
        runs_teacher: trainings of a teacher in them.
        runs_search, runs_confirm: trainings of a student in each phase, at most; with two
            objectives, of each Pareto front only its first configuration is counted.
        runs_confirm_least: those of confirmation, if every claim stops at the first look.
        teachers: trainings of a teacher, at most: if parameters of the teacher are searched, one
            per configuration.
    """

    cells: tuple[str, ...]
    arms: tuple[str, ...]
    branches: int
    shared: dict[str, dict[str, str]]
    arm_trials: dict[str, int]
    trials: int
    runs_search: int
    runs_confirm: int
    runs_confirm_least: int
    teachers: int
    dataset: str
    teacher_searches: tuple[TeacherSearch, ...] = ()
    taught: dict[str, list[str]] = field(default_factory=dict)
    runs_teacher: int = 0

    @property
    def runs(self) -> int:
        """The rows, at most: trainings of a student, and of a teacher that is searched."""
        return self.runs_teacher + self.runs_search + self.runs_confirm

    @property
    def runs_least(self) -> int:
        """The rows, if every claim stops at the first look."""
        return self.runs - self.runs_confirm + self.runs_confirm_least

    @property
    def teacher_kinds(self) -> tuple[str, ...]:
        """The kinds of teachers that are searched."""
        return tuple(dict.fromkeys(search.arm.name for search in self.teacher_searches))

    def as_json(self) -> dict[str, Any]:
        """The counts as `qkd-study plan --json` prints them."""
        return {
            "cells": len(self.cells),
            "arms": len(self.arms),
            "branches": self.branches,
            "teacher_searches": [
                {
                    "cell": one.cell.key,
                    "arm": one.arm.name,
                    "values": dict(one.cell.values),
                    "arms": self.taught[one.arm.name],
                }
                for one in self.teacher_searches
            ],
            "runs_teacher": self.runs_teacher,
            "trials": self.trials,
            "runs_search": self.runs_search,
            "runs_confirm": self.runs_confirm,
            "runs": self.runs,
            "runs_least": self.runs_least,
            "teachers": self.teachers,
            "dataset": self.dataset,
            "cell_keys": list(self.cells),
            "arm_names": list(self.arms),
            "arm_trials": self.arm_trials,
            "shared": self.shared,
        }


def make_plan(study: Study, dataset: Data) -> Plan:
    """Check that a study can run on a dataset and count what it will run.

    Raises:
        InputError: see `check_study`.
    """
    check_study(study, dataset)
    found, arms = branches(study), study.all_arms
    trials_of = {arm.name: study.trials_of(arm) * study.searches_of(arm) for arm in arms}
    trials = sum(trials_of[arm.name] for _, arm in found)
    teachers = tuple(teacher_searches(study))
    return Plan(
        cells=tuple(cell.key for cell in study.cells()),
        arms=tuple(arm.name for arm in arms),
        branches=len(found),
        shared=shared_cells(study),
        arm_trials=trials_of,
        trials=trials,
        runs_search=trials * study.replicates.search,
        runs_confirm=len(found) * study.replicates.confirm,
        runs_confirm_least=len(found) * study.replicates.least,
        teachers=_teachers(study),
        dataset=dataset.name,
        teacher_searches=teachers,
        taught={
            search.arm.name: [
                arm.name
                for arm in arms
                if arm.needs_teacher and teacher_kind(arm) == search.arm.name
            ]
            for search in teachers
        },
        runs_teacher=len(teachers) * study.teacher_trials * study.replicates.search,
    )


def _teachers(study: Study) -> int:
    """Teachers, at most: one per replicate, teacher configuration and generation."""
    both = study.replicates.search * study.searches + study.replicates.confirm
    tried = study.teacher_trials * study.replicates.search
    count = sum(
        tried * _members(study.setting.teacher_of(search.arm)) for search in teacher_searches(study)
    )
    seen = set()
    for cell, arm in branches(study):
        if not arm.needs_teacher or not study.setting.trains_teacher(arm):
            continue
        first, teacher = study.extremes(cell)[0], study.setting.teacher_of(arm)
        tried = study.trials_of(arm) * study.searches_of(arm)
        runs = tried * study.replicates.search + study.replicates.confirm
        values = {**first, **study.resolved(first, arm)}
        last = max(int(end) for end in _ends(study, "generations", values["generations"]))
        for generation in range(1, last + 1):
            searched = _searched_by(study, arm, generation)
            decided = study.setting.decided_by(values, arm, generation)
            key = (teacher, arm.teacher == "random", *decided.values(), generation)
            if searched:
                count += runs * _members(teacher)
            elif key not in seen:
                found = generation == 1 and teacher_space(study, arm)
                count += (both - study.replicates.search if found else both) * _members(teacher)
                seen.add(key)
    return count


def _ends(study: Study, name: str, value: Value) -> tuple[Value, ...]:
    return study.search[name].ends() if name in study.search else (value,)


def _searched_by(study: Study, arm: Arm, generation: int) -> bool:
    """Whether the search of an arm varies its teacher of a generation."""
    return not decides_teacher(study, arm, generation).isdisjoint(study.search)


def _members(teacher: ModelSpec) -> int:
    return teacher.members if isinstance(teacher, Ensemble) else 1
