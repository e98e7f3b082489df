"""`TrialDispatcher`: assigns trials to workers and writes the rows that they return."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from qkd_study.common.errors import StorageError
from qkd_study.results import (
    Reason,
    Record,
    Row,
    RunFolder,
    RunJournal,
    may_be_retried,
    score,
    without_result,
    write_records,
)
from qkd_study.search.arm_search import running_means
from qkd_study.search.bundles import bundle_size
from qkd_study.search.optuna_journal import Journal
from qkd_study.search.schedule import Schedule
from qkd_study.study.trial import Phase
from qkd_study.tune.first_runs import FirstRuns
from qkd_study.tune.in_flight import InFlightTrial
from qkd_study.tune.progress import Display

#: Attempts after the first for a run whose worker died; a dead node counts as one.
RETRIES = 2
#: Without `--time-limit`, a run may take the larger of this and the factor times the longest run.
LIMIT_SECONDS, LIMIT_FACTOR = 3600.0, 20.0


@dataclass
class Bundle:
    """Trials that one worker runs one after another.

    Attributes:
        limit: seconds that each of its runs may take; a batch of replicates may take the sum.
        last_heartbeat: when its worker last reported; `None` before it started.
    """

    trials: list[InFlightTrial]
    limit: float
    last_heartbeat: float | None = None


class TrialDispatcher:
    """Assigns bundles of trials to workers and writes the rows that they return.

    A run is logged in the journal when it arrives. When the last run of a trial has arrived, its
    rows are written, and then Optuna gets its score. Methods do not raise when a folder cannot be
    written: they set `broken`, and no more trials are handed out.

    Args:
        schedule: the trials to run.
        run: where to write; the caller holds its lock.
        display: shows every trial that ends.
        time_limit: seconds that a run may take; `None`: see `LIMIT_SECONDS`.
        retry_failed: whether to repeat failed runs of trials that had not ended.

    Attributes:
        broken: why the run cannot go on: a folder cannot be written, or all workers died.
        closing: whether no more trials are handed out.
        fault: why the study cannot work, if its first runs all failed.
        compute: the sum of the runs' seconds.
        in_flight: the bundles that workers have, by name.
    """

    def __init__(
        self,
        schedule: Schedule,
        run: RunFolder,
        display: Display,
        time_limit: float | None,
        retry_failed: bool = False,
    ) -> None:
        self.schedule = schedule
        self.broken: str | None = None
        self.closing = False
        self.fault: Reason | None = None
        self.compute = 0.0
        self.in_flight: dict[str, Bundle] = {}
        self._run, self._display, self._time_limit = run, display, time_limit
        self._requeued: deque[InFlightTrial] = deque()
        self._runs, self._deaths, self._longest = 0, 0, 0.0
        self._fatal_trials: set[tuple[str, str, str, int]] = set()

        def superseded(row: Row) -> bool:
            return schedule.has(row) or (retry_failed and may_be_retried(row))

        self._pending = RunJournal(run.path, superseded)
        self._journal = Journal(run.journal, schedule)
        worked = schedule.worked or any(row["status"] == "ok" for row in self._pending.rows)
        self._first_runs, self._workers = FirstRuns(schedule.unfinished, worked), 1

    def bundle(self, name: str, workers: int) -> Bundle | None:
        """Return the next trials for a worker; `None` if none can be run now."""
        self._workers = max(self._workers, workers)
        if self.schedule.levels is not None:
            self.schedule.levels.budget.workers = workers
        trials: list[InFlightTrial] = []
        while len(trials) < (self._bundle_size(workers) if trials else 1):
            active = self._next()
            if active is None:
                break
            trials.append(active)
            if active.deaths:  # alone: if the worker dies again, this run was the cause
                break
        if not trials:
            return None
        longest = LIMIT_FACTOR * self._longest
        self.in_flight[name] = Bundle(trials, self._time_limit or max(LIMIT_SECONDS, longest))
        return self.in_flight[name]

    def _next(self) -> InFlightTrial | None:
        while not self.closing:
            if self._requeued:
                return self._requeued.popleft()
            trial = self.schedule.next()
            if trial is None:
                return None
            active = InFlightTrial(trial, self._pending.of(trial))
            if active.left:
                return active
            self._guarded(self._finish, [active])
        return None

    def _bundle_size(self, workers: int) -> int:
        replicates, runs = self.schedule.study.replicates.search, self._runs
        seconds = self.compute / runs * replicates if runs else None
        return bundle_size(seconds, self.schedule.ready, workers)

    def take(self, name: str, records: Sequence[Record], storage: str | None = None) -> bool:
        """Store what a worker reports; returns whether its bundle should end.

        Args:
            name: of the bundle.
            records: of runs, each of one of its trials.
            storage: the worker's error message if it cannot use a folder.
        """
        bundle = self.in_flight[name]
        bundle.last_heartbeat = time.monotonic()
        for record in records:
            row = record.row
            active = next(a for a in bundle.trials if _belongs_to(record, a))
            active.records[row["replicate"]] = record
            self._first_runs.add(row)
            seconds = row.get("cost.seconds_total")
            if seconds is not None:
                self._runs += 1
                self.compute += seconds
                self._longest = max(self._longest, seconds)
        ended = [active for active in bundle.trials if not active.left]
        bundle.trials = [active for active in bundle.trials if active.left]
        for phase in get_args(Phase):
            self._guarded(self._finish, [a for a in ended if a.trial.phase == phase])
        for record in records:
            if any(_belongs_to(record, active) for active in bundle.trials):
                self._guarded(self._pending.add, record)
        if storage is not None:
            self._fail(storage)
        self._stop_if_faulty()
        return self.closing or not bundle.trials

    def end(self, name: str, death: str | None = None) -> None:
        """Remove a bundle that has ended and queue its unfinished trials again.

        Args:
            name: of the bundle.
            death: how its worker died, if it did. Its first unfinished run is blamed: it is tried
                again alone, and is recorded as failed after `RETRIES` retries.
        """
        bundle = self.in_flight.pop(name, None)
        if bundle is None:
            return
        blamed = bundle.trials[0] if death is not None and bundle.trials else None
        self._requeued.extend(active for active in bundle.trials if active is not blamed)
        if blamed is None:
            return
        blamed.deaths += 1
        self._deaths += 1
        trial = blamed.trial
        self._fatal_trials.add((trial.phase, trial.cell.key, trial.arm.name, trial.number))
        # With a single trial, that trial may be the cause, not the machine.
        if self._runs == 0 and self._deaths > RETRIES and len(self._fatal_trials) > 1:
            self._fail(f"{self._deaths} workers ended before any run did: {death}")
        if blamed.deaths <= RETRIES:
            self._requeued.append(blamed)
            return
        for replicate in blamed.left[:1]:
            record = self._without(blamed, replicate, f"{death}, {blamed.deaths} times")
            blamed.records[replicate] = record
            self._first_runs.add(record.row)
            self._guarded(self._pending.add, record)
        blamed.deaths = 0
        if blamed.left:
            self._requeued.append(blamed)
        else:
            self._guarded(self._finish, [blamed])
        self._stop_if_faulty()

    def _stop_if_faulty(self) -> None:
        """Set `fault` and hand out no more trials if the first runs show a fault of the study."""
        if self.closing or self.schedule.done:
            return
        self.fault = self._first_runs.fault(self._workers)
        self.closing = self.fault is not None

    def _without(self, active: InFlightTrial, replicate: int, reason: str) -> Record:
        study = self.schedule.study.name
        return without_result(study, self._run.run_id, active.trial, replicate, "failed", reason)

    def _finish(self, ended: Sequence[InFlightTrial]) -> None:
        """Write the rows of complete trials of one phase, then give Optuna their scores."""
        if not ended:
            return
        trials = [active.trial for active in ended]
        records = [active.records[r] for active in ended for r in active.trial.replicates]
        self._run.send(*write_records(self._run.path, trials, records))
        for active, trial in zip(ended, trials, strict=True):
            self._pending.forget(trial)
            rows = [active.records[replicate].row for replicate in trial.replicates]
            spared = self.schedule.spared
            frozen = self.schedule.finish(trial, rows)
            if self.schedule.spared > spared:
                self._display.spare(self.schedule.spared - spared)
            value = None
            if frozen is not None:
                self._journal.add(self.schedule.search_of(trial), frozen)
                if all(score(row) is not None for row in rows):
                    value = running_means(rows)[-1]
            shown = f"{trial.arm.name} teacher" if trial.phase == "teacher" else trial.arm.name
            self._display.advance(len(rows), trial.cell.key, shown, value)

    def sync_error(self) -> str | None:
        """Return why files do not reach the object store, if so; never blocks."""
        return self._run.sync_error()

    def close(self) -> None:
        """Return unfinished trials to the schedule and close the journal."""
        for bundle in self.in_flight.values():
            self._requeued.extend(bundle.trials)
        for active in self._requeued:
            self.schedule.drop(active.trial)
        self.in_flight.clear()
        self._requeued.clear()
        self._guarded(self._pending.close)

    def _guarded(self, write: Callable[..., None], *args: Any) -> None:
        if self.broken is not None:
            return
        try:
            write(*args)
        except StorageError as error:
            self._fail(str(error))

    def _fail(self, message: str) -> None:
        self.broken = self.broken or message
        self.closing = True


def _belongs_to(record: Record, active: InFlightTrial) -> bool:
    row, trial = record.row, active.trial
    return (row["phase"], row["trial"], row["cell"], row["arm"]) == (
        trial.phase,
        trial.number,
        trial.cell.key,
        trial.arm.name,
    ) and row["replicate"] in trial.replicates
