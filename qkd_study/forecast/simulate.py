"""The real schedule on simulated workers and a simulated clock, for any number of CPUs."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from qkd_study.forecast.workload import RunCost, Workload
from qkd_study.results import Row
from qkd_study.search.arm_search import KEPT_PERCENT
from qkd_study.search.bundles import BUNDLE_SECONDS, bundle_size
from qkd_study.search.schedule import Schedule
from qkd_study.study.replicates import TRIALS_PER_SEARCH
from qkd_study.study.search_methods import MINIMISED
from qkd_study.study.trial import Trial
from qkd_study.tune.in_flight import STEP_SECONDS

#: The share of trials that is pruned after a replicate, of those that have pruning thresholds.
PRUNED = 1 - KEPT_PERCENT / 100
#: The validation accuracy of every simulated run.
SCORE = 0.5


@dataclass(frozen=True)
class Machine:
    """The machine or cluster that runs a study.

    Attributes:
        cpus: how many.
        per_trial: CPUs that a trial reserves.
        driver: seconds of the driver per trial, without storage.
        bundle: seconds of the driver per bundle.
        bundle_seconds: seconds of work in a bundle, if there is so much for each worker.
        report: seconds of work after which a worker reports the runs that have ended.
        storage: seconds of the driver per trial to write its rows to disk.
        start: seconds from the command to the first run.
        apart: seconds between the starts of two workers.
        warm: additional seconds of the first run of a worker.
        end: seconds from the last run to the end of the command.
        slowdown: factor on the time of a run, because others run on the same machine.
    """

    cpus: int
    per_trial: int = 1
    driver: float = 0.005
    bundle: float = 0.015
    bundle_seconds: float = BUNDLE_SECONDS
    report: float = STEP_SECONDS
    storage: float = 0.0
    start: float = 7.5
    apart: float = 0.1
    warm: float = 1.0
    end: float = 2.5
    slowdown: float = 1.05


@dataclass
class Timeline:
    """The result of a simulation. Times are in seconds.

    Attributes:
        wall: of the whole command.
        busy: of all runs, teachers included.
        teaching: of the trainings of teachers and their outputs on the test set.
        waiting: of runs for a teacher that another run trained.
        driver: of the driver's work.
        trials, runs, teachers: how many there were; a pruned trial has fewer runs.
        files: of rows: of trials of searches, of confirm trials; one per report of a worker.
        peak: workers busy at once, at most.
        last: cell and arm that ended last.
    """

    wall: float = 0.0
    busy: float = 0.0
    teaching: float = 0.0
    waiting: float = 0.0
    driver: float = 0.0
    trials: int = 0
    runs: int = 0
    teachers: int = 0
    files: tuple[int, int] = (0, 0)
    peak: int = 0
    last: str = ""


def simulate(work: Workload, machine: Machine, seed: int = 0, *, least: bool = False) -> Timeline:
    """Run a study's schedule on a simulated clock.

    The schedule and the sizes of bundles are those of a run. A worker runs the trials of its bundle
    one replicate after the other. The first that needs a teacher trains it; others wait for it. The
    driver handles one event at a time: a trial that ended, or a worker that has ended its bundle.

    Args:
        work: what is run.
        machine: where it is run.
        seed: of the random choice of pruned trials.
        least: whether all claims stop at the first look, rather than at the last.
    """
    return _Simulation(work, machine, seed, least).run()


class _Simulation:
    def __init__(self, work: Workload, machine: Machine, seed: int, least: bool) -> None:
        self._work, self._machine = work, machine
        self._rng = np.random.default_rng(seed)
        self._schedule = Schedule(
            work.study,
            work.dataset,
            pd.DataFrame(columns=Schedule.columns(work.study)),
            lambda study, dataset, cell, arm, number: work.arms[cell.key, arm.name].suggestions,
            lambda study, dataset, search: work.teacher_searches[search.key].suggestions,
            (lambda replicates: ()) if least else None,
        )
        self._found = Timeline()
        self._now = self._driver_free = machine.start
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._pushed = 0
        self._workers = machine.cpus // machine.per_trial
        self._free: list[int] = []
        self._started, self._starts = 0, False
        self._trained: dict[tuple[int, int], float] = {}
        self._tested: dict[tuple[int, int], float] = {}
        self._used: set[tuple[int, ...]] = set()

    def run(self) -> Timeline:
        self._hand_out()
        while self._events:
            self._now, _, event = heapq.heappop(self._events)
            event()
        self._found.wall += self._machine.end
        self._found.teachers = len(self._trained)
        return self._found

    def _at(self, when: float, event: Callable[[], None]) -> None:
        self._pushed += 1
        heapq.heappush(self._events, (when, self._pushed, event))

    def _driven(self, seconds: float) -> float:
        """When the driver has handled an event that takes so long, after all events before it."""
        self._driver_free = max(self._driver_free, self._now) + seconds
        self._found.driver += seconds
        return self._driver_free

    def _hand_out(self) -> None:
        """Give bundles to free workers, and start a worker if trials are left."""
        while self._free and (bundle := self._bundle()):
            self._resume(self._worker(self._free.pop(), bundle))
            self._found.peak = max(self._found.peak, self._started - len(self._free))
        if self._schedule.ready and self._started < self._workers and not self._starts:
            self._starts = True
            start = self._machine.start + self._started * self._machine.apart
            self._at(max(start, self._now), self._start)

    def _start(self) -> None:
        self._starts = False
        if self._schedule.ready:
            self._free.append(self._started)
            self._started += 1
        self._hand_out()

    def _bundle(self) -> list[Trial]:
        bundle: list[Trial] = []
        while len(bundle) < (self._bundle_size() if bundle else 1):
            trial = self._schedule.next()
            if trial is None:
                break
            bundle.append(trial)
        return bundle

    def _bundle_size(self) -> int:
        found, replicates = self._found, self._work.study.replicates.search
        seconds = found.busy / found.runs * replicates if found.runs else None
        return bundle_size(
            seconds, self._schedule.ready, self._workers, self._machine.bundle_seconds
        )

    def _resume(self, worker: Iterator[float]) -> None:
        when = next(worker, None)
        if when is not None:
            self._at(when, partial(self._resume, worker))

    def _worker(self, worker: int, bundle: list[Trial]) -> Iterator[float]:
        """Run a bundle; yields the time at which each of its runs ends, and is resumed then."""
        unreported, since = set[str](), self._now
        for trial in bundle:
            work = self._work
            costs = work.teacher_searches if trial.phase == "teacher" else work.arms
            of_arm = costs[trial.cell.key, trial.arm.name]
            searches = trial.phase != "confirm"
            place = min(
                trial.number % TRIALS_PER_SEARCH, len(of_arm.trials) - 1
            )  # the last may have another number
            cost = of_arm.trials[place] if searches else of_arm.confirmed
            self._found.trials += 1
            if not unreported:
                since = self._now
            ran = 0
            while ran < len(trial.replicates) and not (ran and self._prunes(trial, cost)):
                yield self._run(worker, cost, trial.replicates[ran], searches)
                ran += 1
            ended = self._driven(self._machine.driver + self._machine.storage)
            self._at(ended, partial(self._ended, trial, ran))
            unreported.add("search" if searches else "confirm")
            if self._now - since >= self._machine.report or trial is bundle[-1]:
                search, confirm = self._found.files
                self._found.files = (
                    search + ("search" in unreported),
                    confirm + ("confirm" in unreported),
                )
                unreported.clear()
        self._at(self._driven(self._machine.bundle), partial(self._ended_bundle, worker))

    def _prunes(self, trial: Trial, cost: RunCost) -> bool:
        compared = bool(trial.pruning_thresholds) and not cost.batched
        return compared and bool(self._rng.random() < PRUNED)

    def _ended(self, trial: Trial, ran: int) -> None:
        """Finish a trial with rows of equal scores, as the real ones are not known."""
        self._found.wall = self._now
        self._found.last = f"{trial.cell.key} {trial.arm.name}"
        study = self._work.study
        searched = (*study.search, *study.teacher_search)
        row: Row = {f"config.{name}": getattr(trial.config, name) for name in searched}
        row["metric.val_accuracy"] = SCORE
        if study.minimise:
            row.setdefault(MINIMISED[study.minimise], 0.0)
        status = ["ok"] * ran + ["stopped"] * (len(trial.replicates) - ran)
        each = zip(trial.replicates, status, strict=True)
        self._schedule.finish(trial, [{**row, "replicate": r, "status": s} for r, s in each])
        self._hand_out()

    def _ended_bundle(self, worker: int) -> None:
        self._found.wall = self._now
        self._free.append(worker)
        self._hand_out()

    def _run(self, worker: int, cost: RunCost, replicate: int, searches: bool) -> float:
        """Begin a run; returns when it ends."""
        slow = self._machine.slowdown
        seconds, end = (cost.seconds if searches else cost.confirm) * slow, self._now
        if self._first_time(worker):
            seconds += self._machine.warm
        if cost.teacher is not None:
            end = self._teacher(cost.teacher, replicate, end)
            if self._first_time(worker, cost.teacher, replicate):
                seconds += cost.outputs * slow
        self._found.busy += seconds
        self._found.runs += 1
        if searches or cost.teacher is None:
            return end + seconds
        test = self._work.teachers[cost.teacher].test
        return self._once(self._tested, (cost.teacher, replicate), test, end + seconds)

    def _first_time(self, *what: int) -> bool:
        """Whether a worker uses something, or begins, for the first time."""
        new = what not in self._used
        self._used.add(what)
        return new

    def _teacher(self, teacher: int, replicate: int, now: float) -> float:
        """When a teacher is ready; the first run that needs it trains it, and those before it."""
        key, of = (teacher, replicate), self._work.teachers[teacher]
        if key not in self._trained and of.before is not None:
            now = self._teacher(of.before, replicate, now)
        return self._once(self._trained, key, of.train, now)

    def _once(
        self, ready: dict[tuple[int, int], float], key: tuple[int, int], seconds: float, now: float
    ) -> float:
        """When something is ready that the first run that needs it makes; others wait for it."""
        if key in ready:
            self._found.waiting += max(ready[key] - now, 0.0)
        else:
            seconds *= self._machine.slowdown
            ready[key] = now + seconds
            self._found.teaching += seconds
            self._found.busy += seconds
        return max(ready[key], now)
