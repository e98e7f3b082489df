"""The trainable: trials in a Ray worker, one or more runs per step."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import ray
from ray import tune

from qkd_study.common.errors import StorageError, format_error
from qkd_study.data import Dataset
from qkd_study.distill.artifact_store import ArtifactStore
from qkd_study.results import Record, finished, mean_score, score, without_result
from qkd_study.study.study import Study
from qkd_study.study.trial import Trial
from qkd_study.tune.in_flight import TrialRequest
from qkd_study.tune.waiting import TimeLimit, Waiting

if TYPE_CHECKING:
    from qkd_study.distill import RunResult

#: Lines of a traceback that a failed row keeps.
TRACEBACK_LINES = 12
#: A step ends with the first run that ends after this long.
STEP_SECONDS = 0.5
#: How long a step without work takes.
IDLE_SECONDS = 0.02
#: Where torch calls a module's `forward`.
_TORCH_CALLS = os.path.join("torch", "nn", "modules", "module.py")


class TrialRunner(tune.Trainable):  # type: ignore[misc]
    """Runs orders one after another; the actor is used for one bundle of them after another.

    Its configuration is `{"orders": [TrialRequest, ...], "limit": seconds per run}`; study,
    dataset, folders and run come as parameters. A step returns `{"records": [Record, ...]}` and,
    if a folder failed, `"storage"`: what the system said.
    """

    def setup(
        self,
        config: dict[str, Any],
        study: Study,
        dataset: Dataset,
        teachers: ArtifactStore,
        run_id: str,
        scratch: str,
    ) -> None:
        """Called once per worker process."""
        # Imported here: the driver needs neither torch nor PennyLane, and starts sooner without.
        import torch

        from qkd_study.distill import TeacherStore

        torch.set_num_threads(1)
        self._study, self._dataset, self._run_id = study, dataset, run_id
        self._teachers = TeacherStore(teachers, self._waiting)
        self._waits = Waiting(Path(scratch))
        self._time = TimeLimit(_traces(Path(scratch)))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next bundle."""
        self._limit: float = new_config["limit"]
        self._open = deque(map(_Open.of, new_config["orders"]))
        return True

    def process(self) -> tuple[str, int, str]:
        """The node, the process and the actor id of this worker."""
        context = ray.get_runtime_context()
        return context.get_node_id(), os.getpid(), context.get_actor_id()

    def step(self) -> dict[str, Any]:
        """Run for a while. An error becomes a failed row: Ray would throw the process away.

        With nothing left it waits: the driver says when a bundle ends (see `_Stopper`).
        """
        if not self._open:
            time.sleep(IDLE_SECONDS)
            return {"records": []}
        records: list[Record] = []
        started = time.monotonic()
        while self._open and (
            time.monotonic() - started < STEP_SECONDS or self._open[0].should_prune() is not None
        ):
            try:
                records += self._next(self._open[0])
            except StorageError as error:
                return {"records": records, "storage": str(error)}
            if not self._open[0].left:
                self._open.popleft()
        return {"records": records}

    def _next(self, open_: _Open) -> list[Record]:
        """Records of the next replicates of a trial: all that are left, where that is cheaper."""
        from qkd_study.distill import runs_in_batch

        trial, reason = open_.trial, open_.should_prune()
        if reason is not None:
            stopped = [self._without(trial, r, "stopped", reason) for r in open_.left]
            open_.left.clear()
            return stopped
        if runs_in_batch(self._study.setting, trial.arm, trial.config, self._dataset):
            replicates = tuple(open_.left)
        else:
            replicates = (open_.left[0],)
        for _ in replicates:
            open_.left.popleft()
        records = self._run(trial, replicates)
        for record in records:
            value = score(record.row)
            if value is None:
                open_.failed = True
            else:
                open_.scores.append(value)
        return records

    def _run(self, trial: Trial, replicates: tuple[int, ...]) -> list[Record]:
        from qkd_study.distill import run_replicates

        started = datetime.now(UTC)
        self._time.begin(self._limit * len(replicates))
        try:
            results = run_replicates(
                self._study.setting,
                trial.arm,
                trial.config,
                self._dataset,
                self._teachers,
                replicates=replicates,
                test=trial.phase == "confirm",
            )
        except StorageError:
            raise
        except Exception as error:  # of what they share
            results = [error] * len(replicates)
        finally:
            self._time.end()
        return [
            self._record(trial, replicate, result, started)
            for replicate, result in zip(replicates, results, strict=True)
        ]

    @contextmanager
    def _waiting(self) -> Iterator[Callable[[], None]]:
        """While another worker trains a teacher, this one's run takes no time."""
        worker = ray.get_runtime_context().get_actor_id()
        with self._time.paused():
            yield partial(self._waits.tell, worker)

    def _record(
        self, trial: Trial, replicate: int, result: RunResult | Exception, started: datetime
    ) -> Record:
        from qkd_study.distill import Diverged

        if not isinstance(result, Exception):
            return finished(self._study.name, self._run_id, trial, replicate, result, started)
        reason = f"diverged: {result}" if isinstance(result, Diverged) else reason_of(result)
        return self._without(trial, replicate, "failed", reason, started)

    def _without(self, trial: Trial, replicate: int, status: Any, reason: str, *at: Any) -> Record:
        return without_result(self._study.name, self._run_id, trial, replicate, status, reason, *at)


@dataclass
class _Open:
    """A trial whose replicates are being run."""

    trial: Trial
    left: deque[int]
    scores: list[float]
    failed: bool

    @classmethod
    def of(cls, order: TrialRequest) -> _Open:
        return cls(order.trial, deque(order.replicates), list(order.scores), order.failed)

    def should_prune(self) -> str | None:
        """Why the rest of a search trial should not be run, if so."""
        if self.trial.phase != "search":
            return None
        if self.failed:
            return "another replicate of this configuration failed"
        done, thresholds = len(self.scores), self.trial.pruning_thresholds
        if not 1 <= done <= len(thresholds) or mean_score(self.scores) >= thresholds[done - 1]:
            return None
        return (
            f"validation accuracy {mean_score(self.scores):.3f} after {done} of "
            f"{len(self.trial.replicates)} replicates is below {thresholds[done - 1]:.3f}, the "
            f"lower quartile of all trials of the batches before it"
        )


def reason_of(error: Exception) -> str:
    """What a failed row says of an error: one line, and the end of its traceback.

    Calls inside of torch's modules are left out: between a model and its layers they would fill it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    calls = [frame for frame in frames if not frame.filename.endswith(_TORCH_CALLS)] or frames
    lines = "".join(traceback.format_list(calls)).splitlines()
    return "\n".join([format_error(error), *lines[-TRACEBACK_LINES:]])


def _traces(scratch: Path) -> IO[str]:
    """Where the stack of a run goes that overstays: the driver's folder, if it is on this node."""
    if scratch.is_dir():
        return (scratch / f"stuck-{os.getpid()}.txt").open("w")
    return sys.stderr
