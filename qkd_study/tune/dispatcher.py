"""`TrialDispatcher`: hands trials to workers, and writes the rows that come back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qkd_study.common.errors import StorageError
from qkd_study.results import (
    Reason,
    Record,
    Row,
    RunFolder,
    RunJournal,
    may_be_retried,
    without_result,
    write_records,
)
from qkd_study.search.arm_search import running_means
from qkd_study.search.bundles import bundle_size
from qkd_study.search.optuna_journal import Journal
from qkd_study.search.schedule import Schedule
from qkd_study.tune.first_runs import FirstRuns
from qkd_study.tune.in_flight import InFlightTrial
from qkd_study.tune.progress import Display

#: Attempts after the first for a run whose worker died; a dead node counts as one.
RETRIES = 2
#: Where no limit is set: a run may take this long, or so many times the longest before it.
LIMIT_SECONDS, LIMIT_FACTOR = 3600.0, 20.0


@dataclass
class Bundle:
    """Trials that one worker was given at once.

    Attributes:
        limit: seconds that each of its runs may take; of replicates that are trained side by side,
            so much each.
        last_heartbeat: when its worker last said something; `None` before it started.
    """

    works: list[InFlightTrial]
    limit: float
    last_heartbeat: float | None = None


class TrialDispatcher:
    """Hands out bundles of trials, and writes what comes back.

    Rows come first: the runs of a trial are logged as they come in, its rows are written when the
    last is there, and only then Optuna is told. Methods never raise for a folder that fails:
    `broken` says so, and nothing more is handed out.

    Args:
        schedule: what there is to do.
        run: where to write; its lock is held by the caller.
        display: told of every trial that ends.
        time_limit: seconds that a run may take; `None`: see `LIMIT_SECONDS`.
        retry_failed: whether to run again what failed in trials that had not ended.

    Attributes:
        broken: why the run cannot go on, if so: a folder cannot be written, or no worker lives.
        closing: whether nothing more is to be handed out.
        fault: why the study cannot work, if its first runs say so.
        compute: seconds that the runs themselves took.
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
        self.out: dict[str, Bundle] = {}
        self._run, self._display, self._time_limit = run, display, time_limit
        self._again: deque[InFlightTrial] = deque()
        self._runs, self._deaths, self._longest = 0, 0, 0.0
        self._killers: set[int] = set()

        def unwanted(row: Row) -> bool:
            return schedule.has(row) or (retry_failed and may_be_retried(row))

        self._pending = RunJournal(run.path, unwanted)
        self._journal = Journal(run.journal, schedule)
        worked = schedule.worked or any(row["status"] == "ok" for row in self._pending.rows)
        self._first, self._workers = FirstRuns(schedule.open_branches, worked), 1

    def bundle(self, name: str, workers: int) -> Bundle | None:
        """The next trials for a worker; `None` if there is nothing to hand out now."""
        self._workers = max(self._workers, workers)
        works: list[InFlightTrial] = []
        while len(works) < (self._bundle_size(workers) if works else 1):
            work = self._next()
            if work is None:
                break
            works.append(work)
            if work.deaths:  # alone, so that it is known which run kills workers
                break
        if not works:
            return None
        longest = LIMIT_FACTOR * self._longest
        self.out[name] = Bundle(works, self._time_limit or max(LIMIT_SECONDS, longest))
        return self.out[name]

    def _next(self) -> InFlightTrial | None:
        while not self.closing:
            if self._again:
                return self._again.popleft()
            trial = self.schedule.next()
            if trial is None:
                return None
            work = InFlightTrial(trial, self._pending.of(trial))
            if work.left:
                return work
            self._try(self._finish, [work])
        return None

    def _bundle_size(self, workers: int) -> int:
        replicates, runs = self.schedule.study.replicates.search, self._runs
        seconds = self.compute / runs * replicates if runs else None
        return bundle_size(seconds, self.schedule.ready, workers)

    def take(self, name: str, records: Sequence[Record], storage: str | None = None) -> bool:
        """Take in what a worker reports; returns whether its bundle should end.

        Args:
            name: of the bundle.
            records: of runs, each of one of its trials.
            storage: what the worker says of a folder that fails.
        """
        bundle = self.out[name]
        bundle.last_heartbeat = time.monotonic()
        for record in records:
            row = record.row
            work = next(w for w in bundle.works if _is_of(record, w))
            work.records[row["replicate"]] = record
            self._first.add(row)
            seconds = row.get("cost.seconds_total")
            if seconds is not None:
                self._runs += 1
                self.compute += seconds
                self._longest = max(self._longest, seconds)
        ended = [work for work in bundle.works if not work.left]
        bundle.works = [work for work in bundle.works if work.left]
        for phase in ("search", "confirm"):
            self._try(self._finish, [work for work in ended if work.trial.phase == phase])
        for record in records:
            if any(_is_of(record, work) for work in bundle.works):
                self._try(self._pending.add, record)
        if storage is not None:
            self._break(storage)
        self._stop_if_faulty()
        return self.closing or not bundle.works

    def end(self, name: str, death: str | None = None) -> None:
        """A bundle is no longer run: what is left of it is handed out again.

        Args:
            name: of the bundle.
            death: how its worker died, if it did. The first run that is left is to blame; it is
                tried again alone, and fails when it has killed too many workers.
        """
        bundle = self.out.pop(name, None)
        if bundle is None:
            return
        blamed = bundle.works[0] if death is not None and bundle.works else None
        self._again.extend(work for work in bundle.works if work is not blamed)
        if blamed is None:
            return
        blamed.deaths += 1
        self._deaths += 1
        self._killers.add(id(blamed.trial))
        # One trial alone may be at fault itself, as where nothing else is left to run.
        if self._runs == 0 and self._deaths > RETRIES and len(self._killers) > 1:
            self._break(f"{self._deaths} workers ended before any run did: {death}")
        if blamed.deaths <= RETRIES:
            self._again.append(blamed)
            return
        for replicate in blamed.left[:1]:
            record = self._without(blamed, replicate, f"{death}, {blamed.deaths} times")
            blamed.records[replicate] = record
            self._first.add(record.row)
            self._try(self._pending.add, record)
        blamed.deaths = 0
        if blamed.left:
            self._again.append(blamed)
        else:
            self._try(self._finish, [blamed])
        self._stop_if_faulty()

    def _stop_if_faulty(self) -> None:
        """Hand out nothing more where the first runs say that the study cannot work."""
        if self.closing or self.schedule.done:
            return
        self.fault = self._first.fault(self._workers)
        self.closing = self.fault is not None

    def _without(self, work: InFlightTrial, replicate: int, reason: str) -> Record:
        study = self.schedule.study.name
        return without_result(study, self._run.run_id, work.trial, replicate, "failed", reason)

    def _finish(self, works: Sequence[InFlightTrial]) -> None:
        """Write the rows of trials of one phase whose last run ended, then tell Optuna."""
        if not works:
            return
        trials = [work.trial for work in works]
        records = [work.records[r] for work in works for r in work.trial.replicates]
        self._run.sent(*write_records(self._run.path, trials, records))
        for work, trial in zip(works, trials, strict=True):
            self._pending.forget(trial)
            rows = [work.records[replicate].row for replicate in trial.replicates]
            frozen = self.schedule.finish(trial, rows)
            value = None
            if frozen is not None:
                self._journal.add(f"{trial.cell.key} {trial.arm.name}", frozen)
                if all(row["status"] == "ok" for row in rows):
                    value = running_means(rows)[-1]
            self._display.advance(len(rows), trial.cell.key, trial.arm.name, value)

    def trouble(self) -> str | None:
        """Why what is written does not arrive in the object store, if so; never waits."""
        return self._run.trouble()

    def close(self) -> None:
        """Leave the folder as the next driver wants to find it."""
        for bundle in self.out.values():
            self._again.extend(bundle.works)
        for work in self._again:
            self.schedule.drop(work.trial)
        self.out.clear()
        self._again.clear()
        self._try(self._pending.close)

    def _try(self, write: Callable[..., None], *args: Any) -> None:
        if self.broken is not None:
            return
        try:
            write(*args)
        except StorageError as error:
            self._break(str(error))

    def _break(self, said: str) -> None:
        self.broken = self.broken or said
        self.closing = True


def _is_of(record: Record, work: InFlightTrial) -> bool:
    row, trial = record.row, work.trial
    return (row["phase"], row["trial"], row["cell"], row["arm"]) == (
        trial.phase,
        trial.number,
        trial.cell.key,
        trial.arm.name,
    ) and row["replicate"] in trial.replicates
