"""The work of a study as numbers: how long every run takes, and which teachers it waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qkd_study.common.seeds import derive
from qkd_study.data import Dataset
from qkd_study.distill import runs_in_batch
from qkd_study.distill.replicates import replicates_held
from qkd_study.forecast.measure import Cost
from qkd_study.forecast.shapes import COSTLY, Training
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.parameters import Value
from qkd_study.study.space import Choice, Int, LogFloat, Range
from qkd_study.study.study import Cell, Study

#: Confirm replicates that a worker gets at once.
BLOCK = 5


@dataclass(frozen=True)
class TeacherWork:
    """Teachers that differ in their replicate alone.

    Attributes:
        train: seconds of training one.
        test: seconds of its answers to the test set, once.
        before: the recipe, by its place, of the teacher that teaches this one.
    """

    train: float
    test: float
    before: int | None = None


@dataclass(frozen=True)
class Job:
    """A configuration.

    Attributes:
        seconds: of one of its runs in the search, without its teacher.
        confirm: the same of a run that confirms, the test set included.
        recipe: of its teachers, by its place; `None` without.
        outputs: seconds of the teacher's answers, in every process that meets it.
        epochs: of the student.
        together: whether its replicates are trained side by side, so that none is given up.
    """

    seconds: float
    confirm: float
    recipe: int | None = None
    outputs: float = 0.0
    epochs: int = 1
    together: bool = False


@dataclass(frozen=True)
class ArmWork:
    """The search in one cell and arm, and its confirmation.

    Attributes:
        name: cell and arm.
        trials: configurations in the order of the search.
        confirmed: the one that is confirmed; which it will be, nobody knows.
        needs_teacher: whether the arm does.
    """

    name: str
    trials: tuple[Job, ...]
    confirmed: Job
    needs_teacher: bool = False


@dataclass
class Work:
    """All runs of a study.

    Attributes:
        search, confirm: replicates of a configuration.
        batch: search trials that are suggested together.
        gives_up: whether a search trial may be given up between its replicates.
    """

    branches: list[ArmWork] = field(default_factory=list)
    recipes: list[TeacherWork] = field(default_factory=list)
    search: int = 1
    confirm: int = 2
    batch: int = 5
    gives_up: bool = True

    @property
    def trials(self) -> int:
        """Configurations searched."""
        return sum(len(branch.trials) for branch in self.branches)


def trainings(study: Study, dataset: str) -> Iterator[tuple[Cell, Arm, list[Config]]]:
    """The configurations of every cell and arm, as many as differ in cost or in their teacher.

    A search over what costs something is drawn evenly: which values it will prefer, nobody knows.
    """
    for cell in study.cells():
        for arm in study.all_arms:
            space = study.space(arm)
            teaches: set[str] = set()
            if arm.needs_teacher:
                teaches = {*study.setting.read_by_teacher(arm, study.generations), "generations"}
            costly = not COSTLY.isdisjoint(space) or not teaches.isdisjoint(space)
            count = study.trials_of(arm) if costly else 1
            rng = np.random.default_rng(derive(study.seed, count, f"plan {cell.key}/{arm.name}"))
            chosen = [{n: _drawn(r, rng) for n, r in space.items()} for _ in range(count)]
            yield cell, arm, [study.config(cell, arm, values, dataset) for values in chosen]


def groups(study: Study, arm: Arm, config: Config, dataset: Dataset) -> tuple[int, int]:
    """How many replicates are trained side by side: in a search trial, in a confirm block."""
    counts = study.replicates.search, min(BLOCK, study.replicates.confirm)
    if not runs_in_batch(study.setting, arm, config, dataset):
        return 1, 1
    room = replicates_held(study.setting, config, dataset)
    return min(counts[0], room), min(counts[1], room)


def trainings_of(study: Study, arm: Arm, config: Config, dataset: Dataset) -> Iterator[Training]:
    """All trainings that a configuration needs."""
    search, confirm = groups(study, arm, config, dataset)
    yield Training(arm, config, None, search)
    yield Training(arm, config, None, confirm)
    if arm.needs_teacher:
        for generation in range(1, config.generations + 1):
            yield Training(arm, config, generation, confirm)


def _drawn(space: Range, rng: np.random.Generator) -> Value:
    if isinstance(space, Choice):
        return space.values[int(rng.integers(len(space.values)))]
    if isinstance(space, Int):
        return int(rng.integers(space.low, space.high + 1))
    if isinstance(space, LogFloat):
        return float(np.exp(rng.uniform(np.log(space.low), np.log(space.high))))
    return float(rng.uniform(space.low, space.high))


def work_of(study: Study, dataset: Dataset, cost: Callable[[Training], Cost]) -> Work:
    """The work of a study, from what its trainings cost."""
    work = Work(
        search=study.replicates.search,
        confirm=study.replicates.confirm,
        batch=study.batch,
        gives_up=study.minimise is None,
    )
    places: dict[Any, int] = {}
    for cell, arm, configs in trainings(study, dataset.name):
        jobs = []
        for config in configs:
            search, confirm = groups(study, arm, config, dataset)
            of, last = (
                cost(Training(arm, config, None, search)),
                cost(Training(arm, config, None, confirm)),
            )
            recipe, outputs = None, 0.0
            if arm.needs_teacher:
                recipe, outputs = _recipe(study, arm, config, confirm, cost, work, places)
            jobs.append(
                Job(
                    seconds=of.start + config.epochs * of.epoch,
                    confirm=last.start + config.epochs * last.epoch + last.test,
                    recipe=recipe,
                    outputs=outputs,
                    epochs=config.epochs,
                    together=search > 1,
                )
            )
        trials = jobs * study.trials_of(arm) if len(jobs) == 1 else jobs
        work.branches.append(
            ArmWork(f"{cell.key} {arm.name}", tuple(trials), _mean(jobs), arm.needs_teacher)
        )
    return work


def _mean(jobs: list[Job]) -> Job:
    """The job that stands for one of several, of which nobody knows yet which it is."""
    count = len(jobs)
    return Job(
        seconds=sum(job.seconds for job in jobs) / count,
        confirm=sum(job.confirm for job in jobs) / count,
        recipe=jobs[-1].recipe,
        outputs=sum(job.outputs for job in jobs) / count,
        epochs=round(sum(job.epochs for job in jobs) / count),
    )


def _recipe(
    study: Study,
    arm: Arm,
    config: Config,
    group: int,
    cost: Callable[[Training], Cost],
    work: Work,
    places: dict[Any, int],
) -> tuple[int, float]:
    """The place of a teacher's recipe, added if it is new, and the seconds of its answers."""
    teacher = study.setting.teacher_of(arm)
    place = None
    for generation in range(1, config.generations + 1):
        decided = study.setting.decided_by(vars(config), arm, generation)
        of = cost(Training(arm, config, generation, group))
        key = (teacher, arm.teacher == "random", *decided.values(), generation)
        before, place = place, places.get(key)
        if place is None:
            place = places[key] = len(work.recipes)
            seconds = of.start + config.teacher_epochs * of.epoch
            work.recipes.append(TeacherWork(seconds, of.test, before))
    assert place is not None
    return place, of.outputs
