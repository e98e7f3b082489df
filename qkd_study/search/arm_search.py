"""The search in one cell and arm: suggestions in fixed batches, so that they repeat.

A batch is suggested from what all batches before it gave, told in order of their numbers, with a
sampler that is seeded by the batch. So the same declaration gives the same suggestions whatever
the number of workers, the order in which they finish, and however often a run was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.trial import Trial as OptunaTrial

from qkd_study.common.seeds import derive
from qkd_study.results import Row, mean_score, score
from qkd_study.search.ranges import as_suggested, default_in, distribution
from qkd_study.study.arms import Arm
from qkd_study.study.config import Value
from qkd_study.study.study import MINIMISED, Cell, Study
from qkd_study.study.trial import Trial

#: Trials of a cell and arm that are drawn at random before TPE takes over.
RANDOM_TRIALS = 5
#: A trial goes on while its mean so far is not below the quantile that this share of the trials of
#: earlier batches reached. A change of this rule raises `study.identity.SEARCH_RULE`.
KEPT_PERCENT = 75.0
#: Configurations of a Pareto front that are confirmed, at most.
FRONT = 5


@dataclass(frozen=True)
class EndedTrial:
    """A search trial that has its rows.

    Attributes:
        params: what was suggested for it.
        means: running means of its scores, over its replicates that ended well.
        minimised: the mean of what the study minimises, if anything.
    """

    state: TrialState
    params: dict[str, Value]
    means: tuple[float, ...]
    minimised: float | None

    @property
    def values(self) -> list[float] | None:
        """What Optuna is told; `None` of a trial that did not end well."""
        if self.state != TrialState.COMPLETE:
            return None
        return [self.means[-1], *([] if self.minimised is None else [self.minimised])]


class ArmSearch:
    """The search in one cell and arm, and the confirmation of what it found.

    Attributes:
        live: what is being run now.
        ended: the search trials that have rows, by number.
        confirmed: confirm replicates that have a row, by number of the trial.
    """

    def __init__(self, study: Study, cell: Cell, arm: Arm) -> None:
        self.cell, self.arm = cell, arm
        self.trials = study.trials_of(arm)
        self.live: list[Trial] = []
        self.ended: dict[int, EndedTrial] = {}
        self.confirmed: dict[int, set[int]] = {}
        self._study = study
        self._space = study.space(arm)
        self._ranges = {name: distribution(space) for name, space in self._space.items()}
        self._optuna = optuna.create_study(directions=directions(study))
        self._searched = False
        self._first = 0
        self._bars: tuple[float, ...] = ()
        self._asked: dict[int, OptunaTrial] = {}
        self._free: list[int] | None = None
        self._missing: list[tuple[int, list[int]]] | None = None

    @property
    def name(self) -> str:
        """Cell and arm, as Optuna's storage calls this search."""
        return f"{self.cell.key} {self.arm.name}"

    def begin(self, trial: Trial) -> None:
        """A trial is handed out."""
        self.live.append(trial)
        self._changed()

    def end(self, trial: Trial, rows: list[Row] | None = None) -> None:
        """A trial that was handed out is over, with its rows or, if interrupted, without."""
        self.live.remove(trial)
        if rows is not None:
            self.remember(trial.phase, trial.number, rows)
        self._changed()

    def _changed(self) -> None:
        self._free = self._missing = None

    @property
    def searching(self) -> set[int]:
        """Numbers of the search trials that are being run."""
        return {trial.number for trial in self.live if trial.phase == "search"}

    @property
    def searched(self) -> bool:
        """Whether all search trials have their rows."""
        if not self._searched and len(self.ended) >= self.trials:
            self._searched = all(n in self.ended for n in range(self.trials))
        return self._searched

    def remember(self, phase: str, number: int, rows: list[Row]) -> None:
        """Keep what a trial gave."""
        self._changed()
        if phase == "confirm":
            self.confirmed.setdefault(number, set()).update(row["replicate"] for row in rows)
            return
        statuses = {row["status"] for row in rows}
        good = [row for row in rows if row["status"] == "ok"]
        column = MINIMISED.get(self._study.minimise or "")
        self.ended[number] = EndedTrial(
            TrialState.FAIL
            if "failed" in statuses
            else TrialState.PRUNED
            if "stopped" in statuses
            else TrialState.COMPLETE,
            {n: as_suggested(rows[0][f"config.{n}"], n, s) for n, s in self._space.items()},
            tuple(running_means(good)),
            mean_score(map(_number, (row[column] for row in good))) if column and good else None,
        )

    def free(self) -> list[int]:
        """Numbers of the open batch that wait to be run."""
        if self.searched:  # Optuna need not hear of a search that is over
            return []
        if self._free is None:
            self._close_batches()
            searching = self.searching
            self._free = [n for n in self._batch() if n not in self.ended and n not in searching]
        return self._free

    def suggestion(self, number: int) -> dict[str, Value]:
        """The searched values of a trial of the open batch."""
        if not self._asked:
            self._ask()
        return dict(self._asked[number].params)

    @property
    def pruning_thresholds(self) -> tuple[float, ...]:
        """What the mean of a trial of the open batch must reach after each replicate but the last.

        Empty while there are too few trials to compare with, and with two objectives.
        """
        return self._bars

    def _batch(self) -> range:
        return range(self._first, min(self._first + self._study.batch, self.trials))

    def _close_batches(self) -> None:
        """Tell Optuna of every batch that has all its rows, in order."""
        while (batch := self._batch()) and all(n in self.ended for n in batch):
            for number in batch:
                self._tell(number)
            self._first += self._study.batch
            self._asked = {}

    def _tell(self, number: int) -> None:
        asked, ended = self._asked.get(number), self.ended[number]
        if asked is not None and asked.params == ended.params:
            for step, mean in enumerate(ended.means if not self._study.minimise else ()):
                asked.report(mean, step)
            self._optuna.tell(asked, ended.values, state=ended.state)
            return
        if asked is not None:  # rows of another Optuna, which suggested otherwise
            self._optuna.tell(asked, state=TrialState.FAIL)
        self._optuna.add_trial(self.frozen(number))

    def _ask(self) -> None:
        seed = derive(self._study.seed, self._first, f"{self.cell.key}/{self.arm.name}")
        self._optuna.sampler = optuna.samplers.TPESampler(
            seed=seed % 2**32,
            n_startup_trials=RANDOM_TRIALS,
            # A batch is asked for before any of it is told: keep its trials apart.
            constant_liar=True,
        )
        if self._first == 0:
            self._optuna.enqueue_trial({n: default_in(n, s) for n, s in self._space.items()})
        for number in self._batch():
            self._asked[number] = self._optuna.ask(self._ranges)
        self._bars = self._lower_quartiles()

    def _lower_quartiles(self) -> tuple[float, ...]:
        """Of the means after each replicate, over all trials of earlier batches that did not fail.

        A trial that was given up counts, with the last mean it had: the quartile of the others
        alone would rise with every trial that is given up.
        """
        before = [
            ended.means
            for number, ended in self.ended.items()
            if number < self._first and ended.state != TrialState.FAIL and ended.means
        ]
        if len(before) < RANDOM_TRIALS or self._study.minimise:
            return ()
        return tuple(
            float(np.percentile([(means[: i + 1])[-1] for means in before], 100 - KEPT_PERCENT))
            for i in range(self._study.replicates.search - 1)
        )

    def frozen(self, number: int) -> FrozenTrial:
        """A trial that ended, as Optuna keeps it."""
        ended = self.ended[number]
        return create_trial(
            state=ended.state,
            values=ended.values,
            params=ended.params,
            distributions=self._ranges,
            intermediate_values={} if self._study.minimise else dict(enumerate(ended.means)),
            user_attrs={"trial": number},
        )

    def chosen(self) -> list[int]:
        """Numbers of the trials to confirm: the most accurate one, the first of equals.

        With two objectives, up to `FRONT` of those that no other beats in both, it among them.
        """
        good = {n: e for n, e in self.ended.items() if e.state == TrialState.COMPLETE}
        order = sorted(good, key=lambda n: (-good[n].means[-1], good[n].minimised or 0.0, n))
        if not self._study.minimise:
            return order[:1]
        front: list[int] = []
        for number in order:  # a less accurate one must be smaller than all before it
            if not front or _size(good[number]) < _size(good[front[-1]]):
                front.append(number)
        if len(front) <= FRONT:
            return front
        return [front[round(i * (len(front) - 1) / (FRONT - 1))] for i in range(FRONT)]

    def missing(self) -> list[tuple[int, list[int]]]:
        """Trials to confirm, each with its replicates that are neither done nor running."""
        if self._missing is None:
            self._missing = list(self._to_confirm()) if self.searched else []
        return self._missing

    def _to_confirm(self) -> Iterator[tuple[int, list[int]]]:
        for number in self.chosen():
            taken = set(self.confirmed.get(number, ()))
            for trial in self.live:
                if (trial.phase, trial.number) == ("confirm", number):
                    taken.update(trial.replicates)
            left = [r for r in self._study.replicates.of_confirm if r not in taken]
            if left:
                yield number, left


def _number(value: float | None) -> float:
    """A size from a row; null where the arm has no such thing."""
    return 0.0 if value is None or math.isnan(value) else float(value)


def _size(ended: EndedTrial) -> float:
    return ended.minimised if ended.minimised is not None else float("inf")


def directions(study: Study) -> list[StudyDirection]:
    """What Optuna is to do with each objective."""
    both = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    return both if study.minimise else both[:1]


def running_means(rows: Iterable[Row]) -> list[float]:
    """The mean score after the first replicate, the first two, ..., in order of replicates."""
    ordered: list[Any] = sorted(rows, key=lambda row: row["replicate"])
    values = [score(row) or 0.0 for row in ordered]
    return [mean_score(values[: i + 1]) for i in range(len(values))]
