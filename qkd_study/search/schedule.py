"""Decides what to run next: suggestions for every cell and arm, then confirmation.

The schedule does not depend on Ray. It is rebuilt from the rows of a run whenever a driver starts,
and so are Optuna's in-memory studies: only rows must survive a crash.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from qkd_study.results import Row
from qkd_study.results.schema import RUN_KEY
from qkd_study.search.arm_search import CONFIRM_BLOCK, ArmSearch
from qkd_study.search.sampler_suggestions import suggestions_of_arm, suggestions_of_teacher
from qkd_study.search.suggestions import Suggestions
from qkd_study.search.teacher_phase import TeacherPhase
from qkd_study.search.time_budget import Levels, TimeBudget
from qkd_study.study.arms import Arm
from qkd_study.study.branches import branch, branches
from qkd_study.study.replicates import TRIALS_PER_SEARCH
from qkd_study.study.search_methods import MINIMISED
from qkd_study.study.study import Cell, Study
from qkd_study.study.teacher_search import TeacherSearch, TeacherSearches
from qkd_study.study.trial import Trial

#: Makes the suggestions for a search, given the study, the name of the dataset, the cell, the arm,
#: and the number of the search.
SuggestionsOf = Callable[[Study, str, Cell, Arm, int], Suggestions]
#: The same for a teacher.
TeacherSuggestionsOf = Callable[[Study, str, TeacherSearch], Suggestions]
#: The keys of the cells, with the names of the arms, of which claims need more confirm replicates
#: after so many. It is called when all rows of the replicates until then are written.
NeededAfter = Callable[[int], Collection[tuple[str, str]]]


class Schedule:
    """Hands out trials and receives their rows.

    Args:
        study: to run; also an attribute.
        dataset: its name, for the configurations.
        rows: the rows of the run so far; empty at its beginning.
        suggestions, teacher_suggestions: the sources of the searched values.
        needed_after: decides at the study's looks what goes on; `None`: everything.
        budget: of time, in which all cells and arms get equally far; `None`: all is run.

    Attributes:
        levels: decide what may begin in the budget; `None` without one.
        ready: how many trials can be handed out now.
        spared: how many confirm runs of the plan no claim needs any more; of a Pareto front, only
            those of its first configuration are counted.
    """

    def __init__(
        self,
        study: Study,
        dataset: str,
        rows: pd.DataFrame,
        suggestions: SuggestionsOf = suggestions_of_arm,
        teacher_suggestions: TeacherSuggestionsOf = suggestions_of_teacher,
        needed_after: NeededAfter | None = None,
        budget: TimeBudget | None = None,
    ) -> None:
        self.study = study
        self.ready = self.spared = 0
        self._needed_after, self._looks_passed = needed_after, 0
        searches = TeacherSearches(study)
        self._teacher_phases = {
            search.key: TeacherPhase(study, search, teacher_suggestions(study, dataset, search))
            for search in searches.all()
        }
        self._arm_searches: dict[tuple[str, str, int], ArmSearch] = {}
        self._waiting: dict[ArmSearch, list[ArmSearch]] = {}
        in_order = [
            (cell, arm, number)
            for cell, arm in branches(study)
            for number in range(study.searches_of(arm))
        ]
        # An arm with extra terms needs the search of the baseline in its cell. There is none for
        # another student, or in cells that lack a factor of the baseline: it may differ in them.
        for cell, arm, number in sorted(in_order, key=lambda one: one[1].name != study.baseline):
            taught, baseline = searches.of(cell, arm), None
            teacher = None if taught is None else self._teacher_phases[taught.key]
            if study.baseline is not None and arm.terms and arm.student == "own":
                of = study.arm(study.baseline)
                place = min(number, study.searches_of(of) - 1)
                at = branch(study, cell, of)
                baseline = self._arm_searches.get((at.key, of.name, place))
            source = suggestions(study, dataset, cell, arm, number)
            found = ArmSearch(study, cell, arm, source, teacher, baseline, number)
            self._arm_searches[cell.key, arm.name, number] = found
            for other in (teacher, baseline):
                if other is not None:
                    self._waiting.setdefault(other, []).append(found)
        # Heaps of places in a list: the time to hand out a trial then hardly depends on the number
        # of cells and arms. Outdated entries are removed when they come first.
        self._in_order = [
            *self._teacher_phases.values(),
            *(self._arm_searches[cell.key, arm.name, number] for cell, arm, number in in_order),
        ]
        self._places = {arm_search: place for place, arm_search in enumerate(self._in_order)}
        self._searches: list[tuple[bool, int, int, bool, int]] = []
        self._confirms: list[tuple[int, int]] = []
        self.levels = None if budget is None else Levels(study, self._in_order, budget)
        self._counts = dict.fromkeys(self._in_order, 0)
        self._unfinished = set(self._in_order)
        groups = ["cell", "arm", "phase", "trial"]
        records: list[Any] = rows[self.columns(study)].to_dict("records")
        by_trial: dict[tuple[Any, ...], list[Row]] = {}
        for row in records:
            by_trial.setdefault(tuple(row[name] for name in groups), []).append(row)
        for (cell, arm, phase, number), own in sorted(by_trial.items()):
            arm_search = self._found(phase, cell, arm, number)
            if arm_search is None:
                continue
            wanted = set(study.replicates.searched_by(arm_search.number))
            if phase == "confirm" or wanted <= {row["replicate"] for row in own}:
                arm_search.remember(phase, int(number) - arm_search.first_trial, own)
            if self.levels is not None:
                self.levels.add(arm_search, phase, own)
        self._has_worked = any(e.means for b in self._in_order for e in b.ended.values())
        for arm_search in self._in_order:
            self._update(arm_search)
        self._pass_looks()

    @staticmethod
    def columns(study: Study) -> list[str]:
        """The columns of `rows` that the schedule needs."""
        keys = [*RUN_KEY, "status", "metric.val_accuracy", "cost.seconds_total"]
        searched = [f"config.{name}" for name in (*study.search, *study.teacher_search)]
        minimised = [MINIMISED[study.minimise]] if study.minimise else []
        return list(dict.fromkeys([*keys, *searched, *minimised]))

    def _update(self, arm_search: ArmSearch) -> None:
        """Update the queues after a change of a cell and arm."""
        searches = len(arm_search.free())
        blocks = sum(-(-len(left) // CONFIRM_BLOCK) for _, left in arm_search.missing())
        self.ready += searches + blocks - self._counts[arm_search]
        self._counts[arm_search] = searches + blocks
        if searches:
            heapq.heappush(self._searches, self._priority(arm_search))
        if blocks:
            heapq.heappush(self._confirms, self._confirm_priority(arm_search))
        if not (blocks or arm_search.live) and arm_search.searched:
            self._unfinished.discard(arm_search)

    def _pass_looks(self) -> None:
        """Ask for the replicates of the next look where claims are open, if this look is over."""
        looks = self.study.replicates.looks
        every = [key[:2] for key in self._arm_searches]
        while not self._unfinished and self._looks_passed + 1 < len(looks):
            now = looks[self._looks_passed]
            needed = every if self._needed_after is None else self._needed_after(now)
            self._looks_passed, goes_on = self._looks_passed + 1, False
            for key, arm_search in self._arm_searches.items():
                if arm_search.confirm_replicates < now:  # stopped before
                    continue
                if key[:2] in needed:
                    goes_on = True
                    arm_search.confirm_until(looks[self._looks_passed])
                    self._unfinished.add(arm_search)
                    self._update(arm_search)
                else:
                    self.spared += looks[-1] - now
            if not goes_on:
                self._looks_passed = len(looks) - 1

    def _priority(self, arm_search: ArmSearch) -> tuple[bool, int, int, bool, int]:
        """The sort key of a cell and arm; the smallest is next.

        Teachers come first, as students wait for them. Then those with the fewest running trials,
        then those with the fewest ended ones. Until a run has succeeded, arms without a teacher
        come before others, so that a student that cannot be trained is found before its teachers
        are trained. In a budget of time, those that are least far come first.
        """
        late = arm_search.arm.needs_teacher and not self._has_worked
        if self.levels is not None:
            level = self.levels.of_search(arm_search)
            return False, level, 0, late, self._places[arm_search]
        first = arm_search.phase == "teacher" and not late
        running, ended = len(arm_search.searching), len(arm_search.ended)
        return not first, running, ended, late, self._places[arm_search]

    def _confirm_priority(self, arm_search: ArmSearch) -> tuple[int, int]:
        """The sort key of a configuration to confirm; the smallest is next."""
        level = 0 if self.levels is None else self.levels.of_confirm(arm_search)
        return level, self._places[arm_search]

    def next(self) -> Trial | None:
        """The next trial to run.

        `None` if all others depend on trials that are running, or do not fit into the budget.
        """
        trial = self._next_search() or self._next_confirm()
        if trial is not None:
            arm_search = self.search_of(trial)
            arm_search.begin(trial)
            self._update(arm_search)
        return trial

    def _next_search(self) -> Trial | None:
        while self._searches:
            at = self._in_order[self._searches[0][-1]]
            if (free := at.free()) and self._searches[0] == self._priority(at):
                if self.levels is not None and not self.levels.allows(self._searches[0][1]):
                    return None
                config, number = at.config(free[0]), at.first_trial + free[0]
                replicates = tuple(self.study.replicates.searched_by(at.number))
                return Trial(
                    *(at.phase, at.cell, at.arm, number, config, replicates),
                    pruning_thresholds=at.pruning_thresholds(free[0]),
                    pruning=at.pruning(free[0]),
                )
            heapq.heappop(self._searches)
        return None

    def _next_confirm(self) -> Trial | None:
        while self._confirms:
            at = self._in_order[self._confirms[0][-1]]
            missing = at.missing()
            if missing and self._confirms[0] == self._confirm_priority(at):
                number, left = missing[0]
                if self.levels is not None:
                    if not self.levels.allows(self._confirms[0][0]):
                        return None
                    number, left = self.levels.block(at)
                config, block = at.config(number), tuple(left[:CONFIRM_BLOCK])
                return Trial("confirm", at.cell, at.arm, at.first_trial + number, config, block)
            heapq.heappop(self._confirms)
        return None

    @property
    def out_of_time(self) -> bool:
        """Whether nothing that is left fits into the budget of time."""
        return self.levels is not None and self.levels.refused

    @property
    def done(self) -> bool:
        """Whether nothing is left to run and nothing is running."""
        return not self._unfinished

    @property
    def unfinished(self) -> int:
        """How many searches have something left to run, or running, and wait for no teacher."""
        return sum(not arm_search.waits for arm_search in self._unfinished)

    @property
    def searched(self) -> bool:
        """Whether every search trial has its rows."""
        return all(arm_search.searched for arm_search in self._in_order)

    @property
    def worked(self) -> bool:
        """Whether any search run succeeded."""
        return self._has_worked

    def has(self, row: Row) -> bool:
        """Whether a run is among the rows that the schedule was made from, or given later."""
        arm_search = self._found(row["phase"], row["cell"], row["arm"], row["trial"])
        if arm_search is None:
            return False
        number, replicate = row["trial"] - arm_search.first_trial, row["replicate"]
        if row["phase"] == "confirm":
            return replicate in arm_search.confirmed.get(number, ())
        wanted = self.study.replicates.searched_by(arm_search.number)
        return number in arm_search.ended and replicate in wanted

    def missing_runs(self) -> int:
        """How many declared runs have no row yet; of a Pareto front, only its first is counted.

        With looks, at most: later ones may show that fewer are needed.
        """
        replicates = self.study.replicates
        looks = replicates.looks
        count = 0
        for arm_search in self._in_order:
            open_ = arm_search.trials_left
            count += open_ * replicates.search
            if arm_search.phase == "teacher":
                continue
            left = (len(left) for _, left in arm_search.missing())
            wanted = arm_search.to_confirm[: arm_search.confirm_replicates]
            count += len(wanted) if open_ else sum(left)
            if looks and arm_search.confirm_replicates == looks[self._looks_passed]:
                count += replicates.confirm - arm_search.confirm_replicates
        return count

    @property
    def surplus(self) -> int:
        """The most search trials of a cell and arm that has more than it is to have now, else 0."""
        return max(arm_search.surplus for arm_search in self._arm_searches.values())

    def search_of(self, trial: Trial) -> ArmSearch:
        """The search that a trial belongs to."""
        found = self._found(trial.phase, trial.cell.key, trial.arm.name, trial.number)
        assert found is not None
        return found

    def _found(self, phase: str, cell: str, arm: str, trial: int) -> ArmSearch | None:
        if phase == "teacher":
            return self._teacher_phases.get((cell, arm))
        return self._arm_searches.get((cell, arm, int(trial) // TRIALS_PER_SEARCH))

    def finish(self, trial: Trial, rows: list[Row]) -> FrozenTrial | None:
        """Add the rows of a trial that ended.

        Returns:
            Optuna's record of the trial, for a search trial.
        """
        arm_search = self.search_of(trial)
        was_searched = arm_search.searched
        arm_search.end(trial, rows)
        if self.levels is not None:
            self.levels.add(arm_search, trial.phase, rows)
        if not self._has_worked and any(row["status"] == "ok" for row in rows):
            self._has_worked = True  # this changes all priorities
            for other in self._in_order:
                self._update(other)
        self._update(arm_search)
        if arm_search.searched and not was_searched:
            for other in self._waiting.get(arm_search, ()):
                other.prior_ended()
                self._update(other)
        self._pass_looks()
        number = trial.number - arm_search.first_trial
        return None if trial.phase == "confirm" else arm_search.frozen(number)

    def drop(self, trial: Trial) -> None:
        """Put back a trial that was handed out and will not end."""
        arm_search = self.search_of(trial)
        arm_search.end(trial)
        self._update(arm_search)

    def finished(self) -> Iterator[tuple[ArmSearch, FrozenTrial]]:
        """The search, and Optuna's record, of every search trial that has its rows."""
        for arm_search in self._in_order:
            for number in sorted(arm_search.ended):
                yield arm_search, arm_search.frozen(number)

    def failed_searches(self) -> list[str]:
        """Cells and arms, and teachers, whose search ended without a complete trial."""
        return [b.name for b in self._in_order if b.searched and not b.chosen()]
