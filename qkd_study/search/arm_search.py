"""The search in one cell and arm: suggestions in fixed batches, so that they can be repeated.

For a batch, Optuna gets the results of all earlier batches in the order of their numbers, and a
sampler that is seeded by the batch. So suggestions do not depend on the number of workers, the
order in which trials end, or interruptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from qkd_study.results import Row, mean_score, score
from qkd_study.search.dominance import DominancePruning, size_of
from qkd_study.search.pruning import OWN_PRUNERS, OptunaPruning
from qkd_study.search.ranges import as_suggested, distribution, with_weak_terms
from qkd_study.search.suggestions import RANDOM_TRIALS, EndedTrial, Suggestions, directions
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.parameters import Value
from qkd_study.study.replicates import FIRST_WEAK_TRIAL, TRIALS_PER_SEARCH
from qkd_study.study.search_methods import MINIMISED
from qkd_study.study.study import Cell, Study
from qkd_study.study.trial import Phase, Trial

#: A trial is pruned if its mean so far is below what this share of the trials of earlier batches
#: reached. A change of this rule increments `study.identity.SEARCH_RULE`.
KEPT_PERCENT = 75.0
#: Confirm replicates of one trial: few enough to use many workers, enough for a small overhead.
CONFIRM_BLOCK = 5
#: Configurations of a Pareto front that are confirmed, at most.
FRONT = 5


class ArmSearch:
    """The search in one cell and arm, and the confirmation of the chosen configurations.

    The last trial of an arm with extra terms has the configuration that the baseline chose in the
    same cell, with the extra terms as weak as their ranges allow. It is never pruned.

    Args:
        study, cell, arm: what is searched.
        suggestions: of its configurations.
        teacher: the search for its teacher, if there is one: it comes first.
        baseline: the search of the baseline in this cell; `None` for the baseline itself, or
            without one.
        number: of the search among those of its cell and arm.

    Attributes:
        phase: of the search.
        first_trial: the number of its first trial in the tables; here trials count from 0.
        live: the trials that are being run now.
        ended: the search trials that have rows, by number.
        confirmed: confirm replicates that have a row, by number of the trial.
        confirm_replicates: how many the chosen configurations get so far.
    """

    phase: ClassVar[Phase] = "search"

    def __init__(
        self,
        study: Study,
        cell: Cell,
        arm: Arm,
        suggestions: Suggestions,
        teacher: ArmSearch | None = None,
        baseline: ArmSearch | None = None,
        number: int = 0,
    ) -> None:
        self.cell, self.arm, self.teacher, self.number = cell, arm, teacher, number
        self.first_trial = number * TRIALS_PER_SEARCH
        self._trials = study.trials_of(arm)
        self._baseline = baseline if self._trials > 1 else None
        self.live: list[Trial] = []
        self.ended: dict[int, EndedTrial] = {}
        self.confirmed: dict[int, set[int]] = {}
        self.confirm_replicates = study.replicates.least
        self._study = study
        self._space = study.space(arm)
        self._minimise = study.minimise
        self._suggestions = suggestions
        self._searched = False
        self._weak: int | None = None
        self._first = 0
        self._thresholds: tuple[float, ...] = ()
        # After every replicate but the last, the means of all trials of closed batches.
        self._earlier: list[list[float]] = [[] for _ in range(study.replicates.search - 1)]
        self._told: list[EndedTrial] = []
        self._suggested: Mapping[int, Mapping[str, Value]] = {}
        self._free: list[int] | None = None
        self._missing: list[tuple[int, list[int]]] | None = None

    @property
    def name(self) -> str:
        """Cell, arm and number, if not 0: the name of this search in Optuna's storage."""
        return f"{self.cell.key} {self.arm.name}" + (f" {self.number}" if self.number else "")

    def begin(self, trial: Trial) -> None:
        """Note that a trial is handed out."""
        self.live.append(trial)
        self._changed()

    def end(self, trial: Trial, rows: list[Row] | None = None) -> None:
        """Note that a trial has ended, with its rows, or was interrupted, without."""
        self.live.remove(trial)
        if rows is not None:
            self.remember(trial.phase, trial.number - self.first_trial, rows)
        self._changed()

    def prior_ended(self) -> None:
        """Note that a search has ended that this one needs: for its teacher, or the baseline's."""
        failed = self._baseline is not None and self._baseline.searched and not self._weak_trial
        if failed:  # one trial more is to be suggested
            self._suggested = {}
        self._changed()

    def confirm_until(self, replicates: int) -> None:
        """Let the chosen configurations have so many confirm replicates."""
        self.confirm_replicates = replicates
        self._changed()

    def _changed(self) -> None:
        self._free = self._missing = None

    @property
    def trials(self) -> int:
        """How many trials are suggested."""
        if self._baseline is None or (self._baseline.searched and self._weak_trial is None):
            return self._trials
        return self._trials - 1

    @property
    def most_trials(self) -> int:
        """How many search trials there are to be, the one of the baseline's included."""
        return self._trials

    @property
    def _weak_trial(self) -> int | None:
        """The number of the trial with the baseline's configuration, once it is known."""
        if self._weak is None and self._baseline is not None and self._baseline.searched:
            chosen = self._baseline.chosen()
            self._weak = FIRST_WEAK_TRIAL + chosen[0] if chosen else None
        return self._weak

    @cached_property
    def _ranges(self) -> dict[str, BaseDistribution]:
        return {name: distribution(space) for name, space in self._space.items()}

    @property
    def searching(self) -> set[int]:
        """Numbers of the search trials that are being run."""
        searching = (trial.number for trial in self.live if trial.phase != "confirm")
        return {number - self.first_trial for number in searching}

    @property
    def waits(self) -> bool:
        """Whether the search for its teacher has not ended."""
        return self.teacher is not None and not self.teacher.searched

    @property
    def searched(self) -> bool:
        """Whether all search trials have their rows, or none can be run for want of a teacher."""
        if self.teacher is not None and self.teacher.searched and not self.teacher.chosen():
            return True
        if not self._searched and len(self.ended) >= self.trials:
            self._searched = not self.trials_left
        return self._searched

    @property
    def surplus(self) -> int:
        """How many trials were suggested, if they are more than there are to be now, else 0."""
        most = max((n + 1 for n in self.ended if n < FIRST_WEAK_TRIAL), default=0)
        return most if most > self._trials else 0

    @property
    def trials_left(self) -> int:
        """How many search trials have no rows yet."""
        left = sum(number not in self.ended for number in range(self.trials))
        waits = self._baseline is not None and not self._baseline.searched
        weak = self._weak_trial
        return left + (waits or (weak is not None and weak not in self.ended))

    def remember(self, phase: str, number: int, rows: list[Row]) -> None:
        """Store the result of a trial."""
        self._changed()
        if phase == "confirm":
            self.confirmed.setdefault(number, set()).update(row["replicate"] for row in rows)
            return
        statuses = {row["status"] for row in rows}
        good = [row for row in rows if row["status"] == "ok"]
        column = MINIMISED.get(self._minimise or "")
        self.ended[number] = EndedTrial(
            TrialState.FAIL
            if "failed" in statuses
            else TrialState.PRUNED
            if "stopped" in statuses
            else TrialState.COMPLETE,
            {
                name: as_suggested(rows[0][f"config.{name}"], self._study.parameters[name], space)
                for name, space in self._space.items()
            },
            tuple(ordered_scores(good)),
            mean_score(size_of(row, column) for row in good) if column and good else None,
        )

    def free(self) -> list[int]:
        """Numbers of the trials of the open batch that can be run."""
        # Optuna need not be told of a search that has ended.
        if self.searched or self.waits:
            return []
        if self._free is None:
            self._close_batches()
            searching = self.searching
            weak = self._weak_trial
            numbers = [*self._batch(), *([] if weak is None else [weak])]
            self._free = [n for n in numbers if n not in self.ended and n not in searching]
        return self._free

    def config(self, number: int) -> Config:
        """The configuration of a trial that has ended, or is of the open batch."""
        taught = {} if self.teacher is None else self.teacher.best_params
        if number in self.ended:
            return self._suggestions.config({**self.ended[number].params, **taught})
        if number >= FIRST_WEAK_TRIAL and self._baseline is not None:
            of_baseline = self._baseline.ended[number - FIRST_WEAK_TRIAL].params
            weak = with_weak_terms(self._space, of_baseline, self._study.parameters)
            return self._suggestions.config({**weak, **taught})
        if not self._suggested:
            self._suggested = self._suggestions.ask(self._batch())
            self._thresholds = self._lower_quartiles()
        return self._suggestions.config({**self._suggested[number], **taught})

    def pruning_thresholds(self, number: int) -> tuple[float, ...]:
        """The least mean score of a trial of the open batch after each replicate but the last.

        Empty while there are too few trials to compare with, and with two objectives.
        """
        return self._thresholds if number < FIRST_WEAK_TRIAL else ()

    def pruning(self, number: int) -> OptunaPruning | DominancePruning | None:
        """What decides instead of thresholds, with a pruner of Optuna or two objectives."""
        pruner, replicates = self._study.pruner, self._study.replicates.search
        if pruner == "dominated" and self._minimise and number < FIRST_WEAK_TRIAL:
            sized = ((ended.minimised or 0.0, ended.means) for ended in self._told)
            column = MINIMISED[self._minimise]
            return DominancePruning(column, KEPT_PERCENT, RANDOM_TRIALS, tuple(sized))
        if pruner in OWN_PRUNERS or number >= FIRST_WEAK_TRIAL or replicates == 1:
            return None
        earlier = tuple((ended.state, ended.scores) for ended in self._told)
        return OptunaPruning(pruner, self.name, number, earlier)

    def _batch(self) -> range:
        return range(self._first, min(self._first + self._study.batch, self.trials))

    def _close_batches(self) -> None:
        """Report every whole batch that has all its rows to the suggestions, in order."""
        size = self._study.batch
        while len(batch := self._batch()) == size and all(n in self.ended for n in batch):
            for number in batch:
                ended = self.ended[number]
                self._suggestions.tell(number, ended)
                if ended.state != TrialState.FAIL and ended.means:
                    self._told.append(ended)
                    for place, means in enumerate(self._earlier):
                        means.append(ended.means[: place + 1][-1])
            self._first += size
            self._suggested = {}

    def _lower_quartiles(self) -> tuple[float, ...]:
        """Lower quartiles of the means after each replicate, over trials of earlier batches.

        A pruned trial counts with its last mean: the quartile of the others alone would rise with
        every trial that is pruned.
        """
        if self._minimise or self._study.pruner != "quartile":
            return ()
        compared = [means for means in self._earlier if len(means) >= RANDOM_TRIALS]
        return tuple(float(np.percentile(means, 100 - KEPT_PERCENT)) for means in compared)

    def frozen(self, number: int) -> FrozenTrial:
        """Optuna's record of a trial that ended."""
        return self.ended[number].frozen(number, self._ranges, prunes=not self._minimise)

    @property
    def directions(self) -> list[StudyDirection]:
        """The direction of each objective."""
        return directions(self._minimise)

    def chosen(self) -> list[int]:
        """Numbers of the trials to confirm: the most accurate one, or the first of equals.

        With two objectives, up to `FRONT` of those that no other beats in both, it among them.
        """
        good = {n: e for n, e in self.ended.items() if e.state == TrialState.COMPLETE}
        order = sorted(good, key=lambda n: (-good[n].means[-1], good[n].minimised or 0.0, n))
        if not self._minimise:
            return order[:1]
        front: list[int] = []
        for number in order:  # a less accurate one must be smaller than those before it
            if not front or _size(good[number]) < _size(good[front[-1]]):
                front.append(number)
        if len(front) <= FRONT:
            return front
        return [front[round(i * (len(front) - 1) / (FRONT - 1))] for i in range(FRONT)]

    @property
    def best_params(self) -> Mapping[str, Value]:
        """The suggested values of the best trial; empty if none was complete."""
        return self.ended[chosen[0]].params if (chosen := self.chosen()) else {}

    @property
    def to_confirm(self) -> range:
        """The confirm replicates of the best configuration."""
        searches = self._study.searches_of(self.arm)
        return self._study.replicates.confirmed_by(self.number, searches)

    def missing(self) -> list[tuple[int, list[int]]]:
        """Trials to confirm, with the replicates that are neither done nor running."""
        if self._missing is None:
            self._missing = list(self._to_confirm()) if self.searched else []
        return self._missing

    def _to_confirm(self) -> Iterator[tuple[int, list[int]]]:
        for number in self.chosen():
            taken = set(self.confirmed.get(number, ()))
            for trial in self.live:
                if (trial.phase, trial.number - self.first_trial) == ("confirm", number):
                    taken.update(trial.replicates)
            left = [r for r in self.to_confirm[: self.confirm_replicates] if r not in taken]
            if left:
                yield number, left


def _size(ended: EndedTrial) -> float:
    return ended.minimised if ended.minimised is not None else float("inf")


def ordered_scores(rows: Iterable[Row]) -> list[float]:
    """The scores of rows, in the order of their replicates."""
    ordered: list[Any] = sorted(rows, key=lambda row: row["replicate"])
    return [score(row) or 0.0 for row in ordered]


def running_means(rows: Iterable[Row]) -> list[float]:
    """The mean score after the first replicate, the first two, ..., in order of replicates."""
    values = ordered_scores(rows)
    return [mean_score(values[: i + 1]) for i in range(len(values))]
