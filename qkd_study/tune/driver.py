"""The driver: one Ray Tune run over all cells and arms of a study.

The rows in `runs/` are the truth. A driver starts from them, runs what is missing with a fresh
Tuner, writes the rows of every trial that ends, and only then tells Optuna; it never restores
Tune's own state, and makes no Tune checkpoints.
"""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import ray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from qkd_study.data import Dataset
from qkd_study.results import Record, Row, RunFolder, without_result, write_records
from qkd_study.study.load import MODULE
from qkd_study.study.plan import Trial
from qkd_study.study.study import Study
from qkd_study.tune.progress import Display
from qkd_study.tune.schedule import Schedule, running_means
from qkd_study.tune.trial import TrialRunner

#: Attempts after the first for a trial whose worker died; a dead node counts as one.
RETRIES = 2
#: How long a worker may take to start before others stop waiting for it.
START_SECONDS = 20.0


@dataclass
class _Desk:
    """What the searcher, the scheduler and the callback of the Tune run share."""

    study: Study
    run: RunFolder
    schedule: Schedule
    display: Display
    journal: _Journal
    limit: int
    live: dict[str, Trial] = field(default_factory=dict)
    records: dict[str, dict[int, Record]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    starting: dict[str, float] = field(default_factory=dict)
    first_started: float | None = None
    compute: float = 0.0

    def __reduce__(self) -> tuple[type, tuple[str]]:
        # Tune pickles searchers and callbacks into its state, of which nothing is ever restored.
        return str, ("the desk of a driver",)

    def suggest(self, trial_id: str) -> Trial | None:
        if len(self.live) >= self.limit:
            return None
        trial = self.schedule.next()
        if trial is not None:
            self.live[trial_id] = trial
            self.records[trial_id] = {}
            self.starting[trial_id] = time.monotonic()
        return trial

    def ends(self, trial_id: str, record: Record | None) -> bool:
        """Take in a replicate's record; whether its trial should stop now."""
        trial, records = self.live[trial_id], self.records[trial_id]
        if record is not None:
            records[record.row["replicate"]] = record
        if len(records) < len(trial.replicates):
            if trial.phase == "search" and trial_id not in self.reasons:
                reason = self._give_up(trial, [record.row for record in records.values()])
                if reason is not None:
                    self.reasons[trial_id] = reason
            if trial_id not in self.reasons:
                return False
        # A worker that is free would take over the trial of one that is still starting, and Ray
        # would end the start: with short trials, for ever.
        now = time.monotonic()
        return not any(now - since < START_SECONDS for since in self.starting.values())

    def _give_up(self, trial: Trial, rows: list[Row]) -> str | None:
        if any(row["status"] == "failed" for row in rows):
            return "another replicate of this configuration failed"
        return self.schedule.give_up(trial, [row["metric.val_accuracy"] for row in rows])

    def end(self, trial_id: str, failure: str | None = None) -> None:
        """Write the rows of a trial that ended, then tell Optuna."""
        trial, records = self.live.pop(trial_id), self.records.pop(trial_id)
        self.starting.pop(trial_id, None)
        reason = failure or self.reasons.pop(trial_id, None)
        if reason is None and len(records) < len(trial.replicates):
            self.schedule.drop(trial)  # interrupted: nothing is known of it yet
            return
        for replicate in trial.replicates:
            if replicate not in records:
                records[replicate] = without_result(
                    self.study.name,
                    self.run.run_id,
                    trial,
                    replicate,
                    "failed" if failure else "stopped",
                    reason or "",
                )
        complete = [records[replicate] for replicate in trial.replicates]
        write_records(self.run.path, trial, complete)
        rows = [record.row for record in complete]
        self.compute += sum(row.get("cost.seconds_total") or 0.0 for row in rows)
        frozen = self.schedule.finish(trial, rows)
        if frozen is not None:
            self.journal.add(trial.cell.key, trial.arm.name, frozen)
        self.display.advance(len(rows), trial.cell.key, trial.arm.name, _mean(trial, rows))

    def abandon(self) -> None:
        for trial in self.live.values():
            self.schedule.drop(trial)
        self.live.clear()


def _mean(trial: Trial, rows: list[Row]) -> float | None:
    complete = trial.phase == "search" and all(row["status"] == "ok" for row in rows)
    return running_means(rows)[-1] if complete else None


class _Journal:
    """Optuna's storage on disk: finished trials only, so nothing in it can be left half-done.

    It mirrors the rows for Optuna's own tools; a run never reads it for what to do. A trial that a
    killed driver wrote but did not add is added at the next start.
    """

    def __init__(self, run: RunFolder, schedule: Schedule) -> None:
        # Ours alone under the run's lock: a lock file in the way was left by a process that died.
        for stale in run.path.glob(f"{run.journal.name}.lock*"):
            stale.unlink(missing_ok=True)
        if not _is_whole(run.journal):
            run.journal.unlink()  # cut off by a full disk or a power failure: the rows have it all
        known = self._open(run)
        for cell, arm, frozen in schedule.finished():
            if (f"{cell} {arm}", frozen.user_attrs["trial"]) not in known:
                self.add(cell, arm, frozen)

    def _open(self, run: RunFolder) -> set[tuple[str, int]]:
        """Open the file, and return study and number of the trials in it."""
        self._storage = JournalStorage(JournalFileBackend(str(run.journal)))
        self._studies = {
            name: optuna.load_study(study_name=name, storage=self._storage)
            for name in optuna.get_all_study_names(self._storage)
        }
        return {
            (name, trial.user_attrs["trial"])
            for name, study in self._studies.items()
            for trial in study.get_trials(deepcopy=False)
        }

    def add(self, cell: str, arm: str, frozen: FrozenTrial) -> None:
        name = f"{cell} {arm}"
        if name not in self._studies:
            self._studies[name] = optuna.create_study(
                storage=self._storage, study_name=name, direction="maximize", load_if_exists=True
            )
        self._studies[name].add_trial(frozen)


def _is_whole(journal: Path) -> bool:
    """Whether every line of a journal is complete; Optuna would append to half a line."""
    try:
        content = journal.read_bytes()
        for line in content.splitlines():
            json.loads(line)
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return not content or content.endswith(b"\n")


class _Searcher(Searcher):  # type: ignore[misc]
    """Hands the schedule's trials to Tune."""

    def __init__(self, desk: _Desk) -> None:
        super().__init__(metric="training_iteration", mode="max")
        self._desk = desk

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self._desk.schedule.done:
            return str(Searcher.FINISHED)
        trial = self._desk.suggest(trial_id)
        return None if trial is None else {"trial": trial}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The callback does this, after the rows are written."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing of Tune's is ever restored."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing of Tune's is ever restored."""


class _Stopper(FIFOScheduler):  # type: ignore[misc]
    """Ends trials: those that are complete, and hopeless ones between replicates."""

    def __init__(self, desk: _Desk) -> None:
        super().__init__()
        self._desk = desk

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        ends = self._desk.ends(trial.trial_id, result["record"])
        return str(TrialScheduler.STOP if ends else TrialScheduler.CONTINUE)


class _Rows(Callback):  # type: ignore[misc]
    """Writes rows when a trial ends, well or not."""

    def __init__(self, desk: _Desk) -> None:
        self._desk = desk

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._desk.starting.pop(trial.trial_id, None)
        if self._desk.first_started is None:
            self._desk.first_started = time.monotonic()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._desk.end(trial.trial_id)
        trial.run_metadata.last_result.pop("record", None)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._desk.end(trial.trial_id, failure=_error_text(trial))


def _error_text(trial: Any) -> str:
    said = ""
    with contextlib.suppress(OSError, TypeError), open(trial.error_file) as file:
        said = file.read().strip()
    return "the worker died: " + "\n".join(said.splitlines()[-12:])


@dataclass(frozen=True)
class Outcome:
    """How a drive ended.

    Attributes:
        complete: whether all declared rows are there.
        seconds: wall time from the first trial's start.
        compute: the sum of `cost.seconds_total` of the rows that were written.
    """

    complete: bool
    seconds: float
    compute: float


def drive(
    schedule: Schedule, dataset: Dataset, run: RunFolder, cpus: int, display: Display
) -> Outcome:
    """Run what is missing of a study.

    Args:
        schedule: what is to be run, made from the rows of the run.
        dataset: on what.
        run: where; its lock is held by the caller.
        cpus: how many trials at once.
        display: told of every trial that ends.
    """
    study = schedule.study
    if MODULE in sys.modules:  # no worker can import the study file
        ray.cloudpickle.register_pickle_by_value(sys.modules[MODULE])
    desk = _Desk(study, run, schedule, display, _Journal(run, schedule), limit=cpus)
    with _local_ray(cpus), tempfile.TemporaryDirectory(prefix="qkd-study-") as scratch:
        started = time.monotonic()
        tune.Tuner(
            tune.with_parameters(
                TrialRunner,
                study=study,
                dataset=dataset,
                teachers=str(run.teachers.resolve()),
                run_id=run.run_id,
            ),
            tune_config=tune.TuneConfig(
                search_alg=_Searcher(desk),
                scheduler=_Stopper(desk),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=scratch,
                callbacks=[_Rows(desk)],
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        ).fit()
        seconds = time.monotonic() - (desk.first_started or started)
    desk.abandon()
    return Outcome(schedule.done, seconds, desk.compute)


@contextlib.contextmanager
def _local_ray(cpus: int) -> Iterator[None]:
    for name in ("ray", "ray.tune", "ray.air", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )
    # Ray's own handler would end the process here and now; Tune ends cleanly on SIGINT.
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        ray.shutdown()
