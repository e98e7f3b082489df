"""The workload of a study: the cost of every run, and the teachers that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qkd_study.common.seeds import derive
from qkd_study.data import Data, Dataset
from qkd_study.distill import runs_in_batch, teachers_in_batch
from qkd_study.distill.replicates import replicates_held
from qkd_study.forecast.measure import Cost
from qkd_study.forecast.shapes import COSTLY, Training
from qkd_study.search.arm_search import CONFIRM_BLOCK
from qkd_study.search.ranges import at_quantile
from qkd_study.search.suggestions import EndedTrial
from qkd_study.study.arms import Arm
from qkd_study.study.branches import branches
from qkd_study.study.config import Config
from qkd_study.study.parameters import Value
from qkd_study.study.space import Range
from qkd_study.study.study import Cell, Study
from qkd_study.study.teacher_search import TeacherSearch, TeacherSearches, teacher_searches


@dataclass(frozen=True)
class TeacherCost:
    """Teachers that differ in their replicate alone.

    Attributes:
        train: seconds of training one.
        test: seconds of its outputs on the test set, once.
        before: index of the teacher that teaches this one.
        weights: bytes of the weights of one.
    """

    train: float
    test: float
    before: int | None = None
    weights: float = 0.0


@dataclass(frozen=True)
class RunCost:
    """The cost of the runs of a configuration.

    Attributes:
        seconds: of one run in the search, without its teacher.
        confirm: the same of a run that confirms, the test set included.
        teacher: index of its teacher; `None` without.
        outputs: seconds of the teacher's outputs, in every process that uses it.
        epochs: of the student.
        batched: whether its replicates are trained in one batch, so that none is pruned.
        weights: bytes of the student's weights.
    """

    seconds: float
    confirm: float
    teacher: int | None = None
    outputs: float = 0.0
    epochs: int = 1
    batched: bool = False
    weights: float = 0.0


class EvenSuggestions:
    """Configurations drawn uniformly, as those of a search are not known before.

    Args:
        values: the searched values that were drawn.
        make: makes a configuration of them.

    Attributes:
        configs: those that were drawn.
    """

    def __init__(
        self,
        values: Sequence[Mapping[str, Value]],
        make: Callable[[Mapping[str, Value]], Config],
    ) -> None:
        self._make = make
        self._values = [dict(one) for one in values]
        self.configs = [make(one) for one in values]
        drawn = zip(self._values, self.configs, strict=True)
        self._configs = {tuple(one.values()): config for one, config in drawn}

    @classmethod
    def of_arm(cls, study: Study, dataset: str, cell: Cell, arm: Arm) -> EvenSuggestions:
        """The configurations of an arm in a cell.

        One is used for all trials where no searched parameter changes the cost of a run or of its
        teacher. A teacher that is searched before has the values in the middle of their ranges.
        """
        space, of_teacher = study.space(arm), set[str]()
        if arm.needs_teacher:
            of_teacher = {*study.setting.read_by_teacher(arm, study.generations), "generations"}
        costly = COSTLY | of_teacher | study.own_parameters.keys()
        count = 1 if costly.isdisjoint(space) else study.trials_of(arm)
        rng = np.random.default_rng(derive(study.seed, count, f"plan {cell.key}/{arm.name}"))
        search = TeacherSearches(study).of(cell, arm)
        taught = {} if search is None else _middles(search.space)
        return cls(
            [_drawn(space, rng) for _ in range(count)],
            lambda values: study.config(cell, arm, {**values, **taught}, dataset),
        )

    @classmethod
    def of_teacher(cls, study: Study, dataset: str, search: TeacherSearch) -> EvenSuggestions:
        """The configurations of a teacher: first, so chosen from equals, the middle of all."""
        rng = np.random.default_rng(derive(study.seed, 0, f"plan teacher {search.cell.key}"))
        others = range(1, study.teacher_trials)
        drawn = [_drawn(search.space, rng) for _ in others]
        return cls(
            [_middles(search.space), *drawn], lambda values: search.config(study, values, dataset)
        )

    def ask(self, batch: range) -> dict[int, dict[str, Value]]:
        """See `search.suggestions.Suggestions`."""
        return {number: self._values[number % len(self._values)] for number in batch}

    def tell(self, number: int, ended: EndedTrial) -> None:
        """Ignored: the draw does not depend on results."""

    def config(self, values: Mapping[str, Value]) -> Config:
        """See `search.suggestions.Suggestions`."""
        known = self._configs.get(tuple(values[name] for name in self._values[0]))
        return known or self._make(values)


def _middles(space: Mapping[str, Range]) -> dict[str, Value]:
    return {name: at_quantile(one, 0.5) for name, one in space.items()}


def _drawn(space: Mapping[str, Range], rng: np.random.Generator) -> dict[str, Value]:
    return {name: at_quantile(one, rng.random()) for name, one in space.items()}


@dataclass(frozen=True)
class ArmCost:
    """The cost of the search in one cell and arm, and of its confirmation.

    Attributes:
        suggestions: its configurations.
        trials: their costs, in the order of the search; of several searches, one after another.
        confirmed: the mean of `trials`, as it is not known which of them will be confirmed.
    """

    suggestions: EvenSuggestions
    trials: tuple[RunCost, ...]
    confirmed: RunCost


@dataclass(frozen=True)
class Workload:
    """All runs of a study.

    Attributes:
        study, dataset: what is run, and the name of the data.
        arms: costs by cell key and name of the arm.
        teacher_searches: those of the searches for a teacher, by their keys.
        teachers: indexed by `RunCost.teacher` and `TeacherCost.before`.
    """

    study: Study
    dataset: str
    arms: Mapping[tuple[str, str], ArmCost]
    teachers: tuple[TeacherCost, ...] = ()
    teacher_searches: Mapping[tuple[str, str], ArmCost] = field(default_factory=dict)

    def with_free_teachers(self) -> Workload:
        """The same workload with teachers that take no time."""
        free = tuple(replace(teacher, train=0.0, test=0.0) for teacher in self.teachers)
        return replace(self, teachers=free)


def suggestions_of(study: Study, dataset: str) -> Iterator[tuple[Cell, Arm, EvenSuggestions]]:
    """The configurations that are assumed for every branch."""
    for cell, arm in branches(study):
        yield cell, arm, EvenSuggestions.of_arm(study, dataset, cell, arm)


def teacher_suggestions_of(
    study: Study, dataset: str
) -> Iterator[tuple[TeacherSearch, EvenSuggestions]]:
    """The configurations that are assumed for every search for a teacher."""
    for search in teacher_searches(study):
        yield search, EvenSuggestions.of_teacher(study, dataset, search)


def teacher_training_of(
    study: Study, search: TeacherSearch, config: Config, dataset: Dataset
) -> Training:
    """The training of a configuration of a teacher's search."""
    batched = teachers_in_batch(study.setting, search.arm, config, dataset)
    return Training(search.arm, config, 1, study.replicates.search if batched else 1)


def batch_sizes(study: Study, arm: Arm, config: Config, dataset: Dataset) -> tuple[int, int]:
    """How many replicates are trained in one batch: in a search trial, in a confirm block."""
    if not runs_in_batch(study.setting, arm, config, dataset):
        return 1, 1
    most = replicates_held(study.setting, arm, config, dataset)
    search, confirm = study.replicates.search, study.replicates.confirm
    return min(search, most), min(CONFIRM_BLOCK, confirm, most)


def trainings_of(study: Study, arm: Arm, config: Config, dataset: Dataset) -> Iterator[Training]:
    """All trainings that a configuration needs: two of the student, then the teachers."""
    search, confirm = batch_sizes(study, arm, config, dataset)
    yield Training(arm, config, None, search)
    yield Training(arm, config, None, confirm)
    if arm.needs_teacher and study.setting.trains_teacher(arm):
        for generation in range(1, config.generations + 1):
            yield Training(arm, config, generation, confirm)


def workload_of(study: Study, data: Data, cost: Callable[[Training], Cost]) -> Workload:
    """The workload of a study, from the costs of its trainings."""
    arms: dict[tuple[str, str], ArmCost] = {}
    teachers: list[TeacherCost] = []
    known: dict[Any, int] = {}

    def index_of(training: Training, before: int | None) -> int:
        key = _teacher_key(study, training)
        if key not in known:
            known[key] = len(teachers)
            of = cost(training)
            teachers.append(TeacherCost(of.seconds(training), of.test, before, of.weights))
        return known[key]

    searches: dict[tuple[str, str], ArmCost] = {}
    for one, suggestions in teacher_suggestions_of(study, data.name):
        costs = []
        for config in suggestions.configs:
            dataset = data.named(config.dataset)
            training = teacher_training_of(study, one, config, dataset)
            outputs, batched = cost(training).outputs, training.group > 1
            number = index_of(training, None)
            costs.append(RunCost(0.0, 0.0, number, outputs, epochs=0, batched=batched))
        searches[one.key] = ArmCost(suggestions, tuple(costs), costs[0])
    for cell, arm, suggestions in suggestions_of(study, data.name):
        costs = []
        for config in suggestions.configs:
            dataset = data.named(config.dataset)
            search, confirm, *generations = trainings_of(study, arm, config, dataset)
            teacher, outputs = None, 0.0
            for training in generations:
                teacher, outputs = index_of(training, teacher), cost(training).outputs
            of, last = cost(search), cost(confirm)
            costs.append(
                RunCost(
                    seconds=of.seconds(search),
                    confirm=last.seconds(confirm) + last.test,
                    teacher=teacher,
                    outputs=outputs,
                    epochs=config.epochs,
                    batched=search.group > 1,
                    weights=last.weights,
                )
            )
        trials = costs * study.trials_of(arm) if len(costs) == 1 else costs
        every = tuple(trials) * study.searches_of(arm)
        arms[cell.key, arm.name] = ArmCost(suggestions, every, _mean(costs))
    return Workload(study, data.name, arms, tuple(teachers), searches)


def _teacher_key(study: Study, training: Training) -> tuple[Any, ...]:
    """Equal for trainings of one teacher."""
    arm, generation = training.arm, training.generation or 1
    decided = study.setting.decided_by(vars(training.config), arm, generation)
    return (
        study.setting.teacher_of(arm),
        arm.teacher == "random",
        *decided.values(),
        generation,
    )


def _mean(costs: list[RunCost]) -> RunCost:
    """The mean cost; the teacher is that of the last configuration."""
    count = len(costs)
    return RunCost(
        seconds=sum(cost.seconds for cost in costs) / count,
        confirm=sum(cost.confirm for cost in costs) / count,
        teacher=costs[-1].teacher,
        outputs=sum(cost.outputs for cost in costs) / count,
        epochs=round(sum(cost.epochs for cost in costs) / count),
        weights=sum(cost.weights for cost in costs) / count,
    )
