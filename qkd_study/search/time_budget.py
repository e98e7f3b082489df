"""A budget of time for a whole run, in which all cells and arms get equally far.

Work has levels: trial n of every search is of one level, and so is block n of confirm replicates of
every cell and arm; all search levels come before those of confirmation. A level is begun only if
all that is left of it, and of those before it, is expected to end in time, and then it is finished.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from qkd_study.results import Row
from qkd_study.search.arm_search import CONFIRM_BLOCK, ArmSearch
from qkd_study.study.study import Study

#: Wall time over the runs' own time, with what driver and workers need beside them.
OVERHEAD = 1.1


class TimeBudget:
    """How long a command may take.

    Args:
        seconds: from now on.
        clock: seconds that only rise.

    Attributes:
        workers: how many trials can run at once.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end, self.workers = clock, clock() + seconds, 1

    @property
    def left(self) -> float:
        """Seconds until its end; below 0 after it."""
        return self._end - self._clock()


@dataclass(frozen=True)
class Progress:
    """How far all cells and arms are, where a budget ended.

    Attributes:
        search, trials: ended search trials of each, and how many there are to be; both are the
            fewest and the most of all cells and arms.
        confirm, replicates: the same for confirm replicates.
        seconds_next: the time that the next level is expected to take, if any run has ended.
    """

    search: tuple[int, int]
    trials: tuple[int, int]
    confirm: tuple[int, int]
    replicates: tuple[int, int]
    seconds_next: float | None


class Levels:
    """Decides which work may begin in a time budget.

    Args:
        study, searches: what is run.
        budget: of time.

    Attributes:
        refused: whether the next level does not fit into what is left of the budget, as far as the
            runs that have ended can tell.
    """

    def __init__(self, study: Study, searches: Sequence[ArmSearch], budget: TimeBudget) -> None:
        self._study, self._searches, self.budget = study, searches, budget
        teachers = [s.most_trials for s in searches if s.phase == "teacher"]
        self._begin = max(teachers, default=0)  # of the levels of students' searches
        students = [s.most_trials for s in searches if s.phase != "teacher"]
        self._confirm = self._begin + max(students, default=0)
        self._level = -1
        self._next = 0
        self.refused = False
        self._seconds: dict[tuple[ArmSearch | None, bool], list[float]]
        self._seconds = defaultdict(lambda: [0.0, 0.0])

    def add(self, search: ArmSearch, phase: str, rows: Iterable[Row]) -> None:
        """Use the times of runs that have ended; what was refused may fit now."""
        self.refused = False
        seconds = [row.get("cost.seconds_total") for row in rows]
        for value in seconds:
            if value is not None and value == value:  # not NaN
                for key in (search, None):
                    total = self._seconds[key, phase == "confirm"]
                    total[0] += value
                    total[1] += 1

    def of_search(self, search: ArmSearch) -> int:
        """The level of the next search trial of a cell and arm."""
        begun = len(search.ended) + len(search.searching)
        return begun + (0 if search.phase == "teacher" else self._begin)

    def of_confirm(self, search: ArmSearch) -> int:
        """The level of the next confirm replicates of a cell and arm."""
        return min(self._block(search, left[0]) for _, left in search.missing())

    def block(self, search: ArmSearch) -> tuple[int, list[int]]:
        """The next configuration to confirm, and its replicates of that level."""
        number, left = min(search.missing(), key=lambda one: self._block(search, one[1][0]))
        level = self._block(search, left[0])
        return number, [r for r in left if self._block(search, r) == level]

    def _block(self, search: ArmSearch, replicate: int) -> int:
        return self._confirm + search.to_confirm.index(replicate) // CONFIRM_BLOCK

    def allows(self, level: int) -> bool:
        """Whether work of this level may begin; if so, all of the level is to be finished."""
        if level <= self._level:
            return True
        if self.refused:
            return False
        seconds = self._seconds_until(level)
        if seconds is None and self.budget.left > 0:  # a first run shows how long they take
            return True
        if seconds is not None and seconds <= self.budget.left:
            self._level = level
            return True
        self._next, self.refused = level, True
        return False

    def _seconds_until(self, level: int) -> float | None:
        """The time until all work up to a level has ended, by Graham's bound for list scheduling.

        That is the work over the workers, and the longest chain of work that cannot run at once
        (Graham 1966, doi:10.1002/j.1538-7305.1966.tb01709.x). `None` if no run has ended.
        """
        total, longest = 0.0, 0.0
        for search in self._searches:
            of_run = self._of_run(search, confirm=False)
            if of_run is None:
                return None
            offset = 0 if search.phase == "teacher" else self._begin
            of_trial = of_run * self._study.replicates.search
            wanted = 0 if search.searched else min(search.most_trials, level + 1 - offset)
            trials = max(wanted - len(search.ended), 0)
            total += trials * of_trial
            longest = max(longest, -(-trials // self._study.batch) * of_trial)
            if search.phase == "teacher" or level < self._confirm:
                continue
            of_run = self._of_run(search, confirm=True) or of_run
            runs = self._left_to_confirm(search, (level + 1 - self._confirm) * CONFIRM_BLOCK)
            total += runs * of_run
            longest = max(longest, min(runs, CONFIRM_BLOCK) * of_run)
        workers = max(self.budget.workers, 1)
        return OVERHEAD * (total / workers + (1 - 1 / workers) * longest)

    def _of_run(self, search: ArmSearch, *, confirm: bool) -> float | None:
        """The mean time of a run of a cell and arm, or of all if none of its runs has ended."""
        for key in ((search, confirm), (search, False), (None, confirm), (None, False)):
            total, count = self._seconds[key]
            if count:
                return total / count
        return None

    def _left_to_confirm(self, search: ArmSearch, until: int) -> int:
        wanted = search.to_confirm[: min(until, search.confirm_replicates)]
        chosen = search.chosen() if search.searched else [None]
        done = [search.confirmed.get(number, set()) for number in chosen if number is not None]
        return len(wanted) * len(chosen) - sum(len(d.intersection(wanted)) for d in done)

    def progress(self) -> Progress:
        """How far all cells and arms are."""
        # Without a trial that ended well there is nothing to confirm.
        every = [s for s in self._searches if s.phase != "teacher"]
        students = [s for s in every if s.chosen() or not s.searched] or every
        confirmed = [
            min((len(s.confirmed.get(n, ())) for n in s.chosen()), default=0) for s in students
        ]
        return Progress(
            search=_ends(len(s.ended) for s in students),
            trials=_ends(s.most_trials for s in students),
            confirm=_ends(confirmed),
            replicates=_ends(len(s.to_confirm[: s.confirm_replicates]) for s in students),
            seconds_next=self._seconds_until(self._next),
        )


def _ends(counts: Iterable[int]) -> tuple[int, int]:
    values = list(counts)
    return min(values), max(values)
