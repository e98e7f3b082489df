"""The driver: one Ray Tune run over all cells and arms of a study.

The rows in `runs/` are the truth. A driver starts from them, runs what is missing with a fresh
Tuner, and never restores Tune's own state. `dispatcher.py` writes; this module speaks with Tune.
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
from qkd_study.data import Dataset
from qkd_study.results import Reason, RunFolder
from qkd_study.search.schedule import Schedule
from qkd_study.study.canonical import MODULE
from qkd_study.tune.cluster import Cluster, connect
from qkd_study.tune.dispatcher import TrialDispatcher
from qkd_study.tune.interrupts import Interrupts
from qkd_study.tune.progress import Display
from qkd_study.tune.teacher_store_actor import teachers_in
from qkd_study.tune.waiting import Waiting
from qkd_study.tune.watchdog import Watchdog
from qkd_study.tune.worker import TRACEBACK_LINES, TrialRunner

#: How long a worker may take to start before it is replaced: where many start on few cores, or
#: import from a network folder, a minute is common.
START_SECONDS = 180.0
#: How long a worker may take to take over its next bundle, which it does in milliseconds.
TAKE_OVER_SECONDS = 15.0
#: How long the runs that are going on may take to end where the study cannot work.
LAST_SECONDS = 10.0


class _Shared:
    """What the searcher, the scheduler and the callback of the Tune run share."""

    def __init__(
        self,
        dispatcher: TrialDispatcher,
        cluster: Cluster,
        watch: Watchdog,
        interrupts: Interrupts,
        release_dead: Callable[[str], None],
        display: Display,
    ) -> None:
        self.dispatcher, self.cluster, self.watch, self._display = (
            dispatcher,
            cluster,
            watch,
            display,
        )
        self.interrupts, self._release_dead = interrupts, release_dead
        self.controller: Any = None
        self.first_started: float | None = None
        self._fault_since: float | None = None
        self._starting: dict[str, float] = {}

    def __reduce__(self) -> tuple[type, tuple[str]]:
        # Tune pickles searchers and callbacks into its state, of which nothing is ever restored.
        return str, ("what a driver shares",)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        dispatcher = self.dispatcher
        if dispatcher.schedule.done or dispatcher.closing:
            return str(Searcher.FINISHED)
        workers = self.cluster.slots()
        if len(dispatcher.out) >= workers:
            return None
        bundle = dispatcher.bundle(trial_id, workers)
        if bundle is None:
            return None
        self._starting[trial_id] = time.monotonic()
        return {"orders": [work.order() for work in bundle.works], "limit": bundle.limit}

    def started(self, trial_id: str, actor: Any) -> None:
        self._starting.pop(trial_id, None)
        self.watch.started(trial_id, actor)
        self.dispatcher.out[trial_id].last_heartbeat = time.monotonic()
        if self.first_started is None:
            self.first_started = time.monotonic()
            self._display.doing("running the first trainings")

    def poll(self, trials: Sequence[Any]) -> None:
        """Look after workers that say nothing, those among them that are to begin."""
        waiting = set(self._starting)
        for trial in reversed(trials):  # those that start are the newest
            if not waiting:
                break
            if trial.trial_id in waiting:
                waiting.remove(trial.trial_id)
                actor, seconds = trial.temporary_state.ray_actor, TAKE_OVER_SECONDS
                if actor is None:  # a new one
                    actor, seconds = self._new(trial), START_SECONDS
                if actor is not None:
                    self.watch.expect_start(trial.trial_id, actor, seconds)
        self.watch.poll()

    @property
    def must_stop(self) -> bool:
        """Whether to stop at once, without the runs that are going on."""
        dispatcher = self.dispatcher
        dispatcher.broken = dispatcher.broken or self.cluster.trouble() or dispatcher.trouble()
        if dispatcher.fault is not None and self._fault_since is None:
            self._fault_since = time.monotonic()
        since = self._fault_since
        return dispatcher.broken is not None or (
            since is not None and time.monotonic() - since > LAST_SECONDS
        )

    def _new(self, trial: Any) -> Any:
        """The actor that starts for a trial, which Tune does not tell before it has started."""
        with contextlib.suppress(Exception):
            tracked = self.controller._trial_to_actor[trial]
            return self.controller._actor_manager._live_actors_to_ray_actors_resources[tracked][0]
        return None

    def take(self, trial_id: str, result: dict[str, Any]) -> bool:
        ends = self.dispatcher.take(trial_id, result["records"], result.get("storage"))
        if self.dispatcher.closing:
            return True
        if (
            len(self.dispatcher.out) > self.cluster.slots()
        ):  # a node died: for some there is no room
            return ends
        # A worker that is free would take over the trial of one that is still starting, and Ray
        # would end the start: with short trials, for ever. One that is stuck the watch ends sooner.
        since = time.monotonic() - 1.5 * START_SECONDS
        return ends and not any(begun > since for begun in self._starting.values())

    def end(self, trial_id: str, death: str | None = None) -> None:
        self._starting.pop(trial_id, None)
        worker = self.watch.worker(trial_id)
        if death is not None and worker is not None:
            self._release_dead(worker)
        self.watch.ended(trial_id)
        self.dispatcher.end(trial_id, death)


class _Searcher(Searcher):  # type: ignore[misc]
    """Hands the schedule's trials to Tune, in bundles."""

    def __init__(self, shared: _Shared) -> None:
        super().__init__(metric="training_iteration", mode="max")
        self._shared = shared

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self._shared.suggest(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The callback does this, after the rows are written."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing of Tune's is ever restored."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing of Tune's is ever restored."""


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
    """Tells the dispatcher what happens to bundles, and watches workers that say nothing."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._shared.interrupts.take_over()
        self._shared.poll(trials)
        if self._shared.must_stop:
            self._shared.interrupts.stop()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._shared.started(trial.trial_id, trial.temporary_state.ray_actor)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._shared.end(trial.trial_id)
        trial.run_metadata.last_result.pop("records", None)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._shared.end(trial.trial_id, _death(trial, self._shared.watch.said(trial.trial_id)))


def _death(trial: Any, trace: str | None) -> str:
    """How a worker died: the end of what Ray says, or of the stack of a run that overstayed."""
    if trace is not None:
        return trace
    said = ""
    with contextlib.suppress(OSError, TypeError), open(trial.error_file) as file:
        said = file.read().strip()
    return "the worker died: " + "\n".join(said.splitlines()[-TRACEBACK_LINES:])


@dataclass(frozen=True)
class Outcome:
    """How a drive ended.

    Attributes:
        complete: whether all declared rows are there.
        seconds: wall time from the first trial's start.
        compute: the sum of `cost.seconds_total` of the rows that were written.
        slots: how many trials could run at once, at the end.
        fault: why the first runs failed, if the run was stopped because all of them did.
    """

    complete: bool
    seconds: float
    compute: float
    slots: int
    fault: Reason | None = None


def drive(
    schedule: Schedule,
    dataset: Dataset,
    run: RunFolder,
    cpus: int | None,
    display: Display,
    *,
    address: str | None = None,
    time_limit: float | None = None,
    retry_failed: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Outcome:
    """Run what is missing of a study.

    Args:
        schedule: what is to be run, made from the rows of the run.
        dataset: on what.
        run: where; its lock is held by the caller.
        cpus: how many trials at once; `None`, with an address: as many as fit.
        display: notified of every trial that ends, and of what goes on before.
        address: of a Ray cluster; see `connect`.
        time_limit: seconds that one run may take; default: see `dispatcher.LIMIT_SECONDS`.
        retry_failed: whether to run again what failed before it was written to the tables.
        callbacks: of Tune, notified of what workers report.

    Raises:
        InputError: what the study file defines cannot be sent to workers.
        StorageError: the run cannot be written any more, or no worker lives; nothing that was
            written is lost.
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
    dispatcher = TrialDispatcher(schedule, run, display, time_limit, retry_failed)

    def finish() -> None:
        dispatcher.closing = True
        display.say("Finishing the runs that are going on. Ctrl-C again stops at once.")

    with (
        Interrupts(finish, dispatcher.close) as interrupts,
        connect(
            address, cpus, trial_cpus=study.trial_cpus, trial_memory=study.trial_memory
        ) as cluster,
        tempfile.TemporaryDirectory(prefix="qkd-study-") as scratch,
    ):
        interrupts.prepare()
        teachers, release_dead = teachers_in(
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
        display.doing("starting workers")
        try:
            tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(
                        TrialRunner,
                        study=study,
                        dataset=dataset,
                        teachers=teachers,
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
        seconds = time.monotonic() - (shared.first_started or started)
        slots = cluster.slots()
    if dispatcher.broken is not None:
        raise StorageError(dispatcher.broken)
    return Outcome(schedule.done, seconds, dispatcher.compute, slots, dispatcher.fault)
