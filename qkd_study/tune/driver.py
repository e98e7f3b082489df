"""The driver: one Ray Tune run over all cells and arms of a study.

A driver reads the rows in `runs/` and runs what is missing with a new Tuner; it never restores
Tune's state. This module connects `TrialDispatcher`, which writes the rows, to Tune.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from qkd_study.common.errors import InputError, StorageError, format_error
from qkd_study.compat.ray import last_result, starting_actor, trial_actor
from qkd_study.data import Data
from qkd_study.results import Reason, RunFolder
from qkd_study.results.teacher_cache import teacher_cache, trim_cache
from qkd_study.search.schedule import Schedule
from qkd_study.study.canonical import MODULE
from qkd_study.tune.cluster import Cluster, connect
from qkd_study.tune.dispatcher import TrialDispatcher
from qkd_study.tune.interrupts import Interrupts
from qkd_study.tune.progress import Display
from qkd_study.tune.start_guard import StartGuard
from qkd_study.tune.teacher_store_actor import open_teacher_store
from qkd_study.tune.waiting import Waiting
from qkd_study.tune.watchdog import Watchdog
from qkd_study.tune.worker import TRACEBACK_LINES, TrialRunner

#: How long a worker may take to start before it is replaced. A minute is common where many start
#: on few cores or import from a network folder.
START_SECONDS = 180.0
#: How long a running worker may take to begin its next bundle; usually milliseconds.
TAKE_OVER_SECONDS = 15.0
#: How long runs in progress may take to end after the study was found not to work.
LAST_SECONDS = 10.0


class _Shared:
    """The state that the searcher, the scheduler and the callback of the Tune run share."""

    def __init__(
        self,
        dispatcher: TrialDispatcher,
        cluster: Cluster,
        watchdog: Watchdog,
        interrupts: Interrupts,
        release_dead: Callable[[str], None],
        display: Display,
    ) -> None:
        self.dispatcher, self.cluster, self.watchdog = dispatcher, cluster, watchdog
        self.interrupts, self._release_dead, self._display = interrupts, release_dead, display
        self.controller: Any = None
        self.first_started: float | None = None
        self._fault_since: float | None = None
        self._starting: dict[str, float] = {}

    def __reduce__(self) -> tuple[type, tuple[str]]:
        # Tune pickles searchers and callbacks into its state, which is never restored.
        return str, ("shared state of a driver",)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        dispatcher = self.dispatcher
        if dispatcher.schedule.done or dispatcher.closing:
            return str(Searcher.FINISHED)
        workers = self.cluster.slots()
        if len(dispatcher.in_flight) >= workers:
            return None
        bundle = dispatcher.bundle(trial_id, workers)
        if bundle is None:
            idle = not dispatcher.in_flight
            return str(Searcher.FINISHED) if idle and dispatcher.schedule.out_of_time else None
        self._starting[trial_id] = time.monotonic()
        return {"requests": [active.request() for active in bundle.trials], "limit": bundle.limit}

    def started(self, trial_id: str, actor: Any) -> None:
        self._starting.pop(trial_id, None)
        self.watchdog.started(trial_id, actor)
        self.dispatcher.in_flight[trial_id].last_heartbeat = time.monotonic()
        if self.first_started is None:
            self.first_started = time.monotonic()
            self._display.show_activity("running the first trainings")

    def poll(self, trials: Sequence[Any]) -> None:
        """Register workers that are starting, and let the watchdog check all workers."""
        waiting = set(self._starting)
        for trial in reversed(trials):  # the newest are the ones that start
            if not waiting:
                break
            if trial.trial_id in waiting:
                waiting.remove(trial.trial_id)
                actor, seconds = trial_actor(trial), TAKE_OVER_SECONDS
                if actor is None:  # a new one
                    actor, seconds = self._new(trial), START_SECONDS
                if actor is not None:
                    self.watchdog.expect_start(trial.trial_id, actor, seconds)
        self.watchdog.poll()

    @property
    def must_stop(self) -> bool:
        """Whether to stop at once, without waiting for the runs in progress."""
        dispatcher = self.dispatcher
        dispatcher.broken = (
            dispatcher.broken or self.cluster.node_error() or dispatcher.sync_error()
        )
        if dispatcher.fault is not None and self._fault_since is None:
            self._fault_since = time.monotonic()
        since = self._fault_since
        return dispatcher.broken is not None or (
            since is not None and time.monotonic() - since > LAST_SECONDS
        )

    def _new(self, trial: Any) -> Any:
        """The actor that starts for a trial; Tune has no public way to get it before it started."""
        with contextlib.suppress(Exception):
            return starting_actor(self.controller, trial)
        return None

    def take(self, trial_id: str, result: dict[str, Any]) -> bool:
        ends = self.dispatcher.take(trial_id, result["records"], result.get("storage"))
        if self.dispatcher.closing:
            return True
        if len(self.dispatcher.in_flight) > self.cluster.slots():  # a node died
            return ends
        # A free worker would take over the trial of a worker that is still starting, and Ray would
        # end that worker: with short trials, again and again. The watchdog ends stuck starts.
        since = time.monotonic() - 1.5 * START_SECONDS
        return ends and not any(begun > since for begun in self._starting.values())

    def end(self, trial_id: str, death: str | None = None) -> None:
        self._starting.pop(trial_id, None)
        worker = self.watchdog.worker(trial_id)
        if death is not None and worker is not None:
            self._release_dead(worker)
        self.watchdog.ended(trial_id)
        self.dispatcher.end(trial_id, death)


class _Searcher(Searcher):  # type: ignore[misc]
    """Gives Tune the schedule's trials, in bundles."""

    def __init__(self, shared: _Shared) -> None:
        super().__init__(metric="training_iteration", mode="max")
        self._shared = shared

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self._shared.suggest(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: `_Events` handles ended trials."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: Tune's state is never restored."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: Tune's state is never restored."""


class _Stopper(FIFOScheduler):  # type: ignore[misc]
    """Ends bundles that are complete."""

    def __init__(self, shared: _Shared) -> None:
        super().__init__()
        self._shared = shared

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._shared.controller = tune_controller

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        ends = self._shared.take(trial.trial_id, result)
        return str(TrialScheduler.STOP if ends else TrialScheduler.CONTINUE)


class _Events(Callback):  # type: ignore[misc]
    """Passes Tune's events to the dispatcher and the watchdog."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._shared.interrupts.take_over()
        self._shared.poll(trials)
        if self._shared.must_stop:
            self._shared.interrupts.stop()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._shared.started(trial.trial_id, trial_actor(trial))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._shared.end(trial.trial_id)
        last_result(trial).pop("records", None)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        message = self._shared.watchdog.timeout_message(trial.trial_id)
        self._shared.end(trial.trial_id, _death(trial, message))


def _death(trial: Any, timeout: str | None) -> str:
    """How a worker died: the stack of a run that exceeded its limit, or the end of Ray's error."""
    if timeout is not None:
        return timeout
    message = ""
    with contextlib.suppress(OSError, TypeError), open(trial.error_file) as file:
        message = file.read().strip()
    return "the worker died: " + "\n".join(message.splitlines()[-TRACEBACK_LINES:])


@dataclass(frozen=True)
class Outcome:
    """How a drive ended.

    Attributes:
        complete: whether all declared rows are there.
        seconds: wall time from the first trial's start.
        compute: the sum of `cost.seconds_total` of the rows that were written.
        slots: how many trials could run at once at the end.
        fault: why the first runs failed, if all did and the run was stopped for that.
    """

    complete: bool
    seconds: float
    compute: float
    slots: int
    fault: Reason | None = None


def drive(
    schedule: Schedule,
    dataset: Data,
    run: RunFolder,
    cpus: int | None,
    display: Display,
    *,
    address: str | None = None,
    time_limit: float | None = None,
    retry_failed: bool = False,
    callbacks: Sequence[Callback] = (),
    own_process: bool = False,
) -> Outcome:
    """Run the missing trials of a study.

    Args:
        schedule: the trials to run, made from the rows of the run.
        dataset: the data.
        run: the folder to write to; the caller holds its lock.
        cpus: CPUs to use at most; `None`, with an address: all of the cluster.
        display: shows the progress.
        address: of a Ray cluster; see `connect`.
        time_limit: seconds that one run may take; default: see `dispatcher.LIMIT_SECONDS`.
        retry_failed: whether to repeat failed runs that are not in the tables yet.
        callbacks: Tune callbacks that get the workers' reports.
        own_process: whether the process may be ended if Ray's start does not end after an
            interrupt.

    Raises:
        InputError: an object that the study file defines cannot be sent to workers.
        StorageError: the run cannot be written any more, or all workers died; no written row is
            lost.
    """
    study = schedule.study
    if MODULE in sys.modules:  # no worker can import the study file
        ray.cloudpickle.register_pickle_by_value(sys.modules[MODULE])
    try:
        ray.cloudpickle.dumps(study)
    except Exception as error:
        raise InputError(
            f"the study cannot be sent to workers: {format_error(error)}. What it defines must not "
            f"hold open files, locks or connections."
        ) from None
    # Workers on other machines may compute other last bits.
    cache = teacher_cache() if address is None else None
    dispatcher = TrialDispatcher(schedule, run, display, time_limit, retry_failed)

    def finish() -> None:
        dispatcher.closing = True
        display.print_line("Finishing the runs that are going on. Ctrl-C again stops at once.")

    with (
        Interrupts(finish, dispatcher.close, StartGuard() if own_process else None) as interrupts,
        connect(
            address, cpus, trial_cpus=study.trial_cpus, trial_memory=study.trial_memory
        ) as cluster,
        tempfile.TemporaryDirectory(prefix="qkd-study-") as scratch,
    ):
        interrupts.prepare()
        teachers, release_dead = open_teacher_store(
            run.teachers.resolve(), Waiting(Path(scratch)), cluster=address is not None
        )
        shared = _Shared(
            dispatcher,
            cluster,
            Watchdog(dispatcher, Path(scratch)),
            interrupts,
            release_dead,
            display,
        )
        started = time.monotonic()
        display.show_activity("starting workers")
        try:
            tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(
                        TrialRunner,
                        study=study,
                        dataset=dataset,
                        teachers=teachers,
                        teacher_cache=cache,
                        run_id=run.run_id,
                        scratch=scratch,
                    ),
                    {"cpu": study.trial_cpus}
                    | ({"memory": study.trial_memory} if study.trial_memory else {}),
                ),
                tune_config=tune.TuneConfig(
                    search_alg=_Searcher(shared),
                    scheduler=_Stopper(shared),
                    num_samples=-1,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name="tune",
                    storage_path=scratch,
                    callbacks=[_Events(shared), *callbacks],
                    failure_config=tune.FailureConfig(max_failures=0),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    verbose=0,
                ),
            ).fit()
        finally:
            dispatcher.close()
            if cache is not None:
                trim_cache()
        seconds = time.monotonic() - (shared.first_started or started)
        slots = cluster.slots()
    if dispatcher.broken is not None:
        raise StorageError(dispatcher.broken)
    return Outcome(schedule.done, seconds, dispatcher.compute, slots, dispatcher.fault)
