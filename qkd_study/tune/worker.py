"""The trainable: runs trials in a Ray worker, one or more runs per step."""

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
from typing import IO, TYPE_CHECKING, Any, cast

import ray
from ray import tune

from qkd_study.common.artifact_store import ArtifactStore
from qkd_study.common.errors import StorageError, format_error
from qkd_study.data import Data
from qkd_study.results import Record, Row, finished, mean_score, score, without_result
from qkd_study.search.dominance import size_of
from qkd_study.study.study import Study
from qkd_study.study.trial import Trial
from qkd_study.tune.in_flight import STEP_SECONDS, TrialRequest
from qkd_study.tune.waiting import TimeLimit, Waiting

if TYPE_CHECKING:
    from qkd_study.distill import RunResult

#: Lines of a traceback in the reason of a failed row.
TRACEBACK_LINES = 12
#: Seconds of a step that has nothing to run.
IDLE_SECONDS = 0.02
#: The file in which torch calls a module's `forward`.
_TORCH_CALLS = os.path.join("torch", "nn", "modules", "module.py")


class TrialRunner(tune.Trainable):  # type: ignore[misc]
    """Runs the trials of one bundle after another.

    Its configuration is `{"requests": [TrialRequest, ...], "limit": seconds per run}`; study,
    dataset, folders and run come as parameters. A step returns `{"records": [Record, ...]}` and,
    if a folder cannot be used, the error message under `"storage"`.
    """

    def setup(
        self,
        config: dict[str, Any],
        study: Study,
        dataset: Data,
        teachers: ArtifactStore,
        teacher_cache: Path | None,
        run_id: str,
        scratch: str,
    ) -> None:
        """Called once per worker process."""
        # Imported here: the driver does not need torch, and starts faster without it.
        import torch

        from qkd_study.distill import TeacherCache, TeacherStore

        torch.set_num_threads(1)
        self._study, self._dataset, self._run_id = study, dataset, run_id
        cache = None if teacher_cache is None else TeacherCache(teacher_cache)
        self._teachers = TeacherStore(teachers, self._waiting, cache)
        self._waits = Waiting(Path(scratch))
        self._time = TimeLimit(_traces(Path(scratch)))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin with the next bundle."""
        self._limit: float = new_config["limit"]
        self._queue = deque(map(_RunningTrial.of, new_config["requests"]))
        return True

    def process(self) -> tuple[str, int, str]:
        """The node, the process and the actor id of this worker."""
        context = ray.get_runtime_context()
        return context.get_node_id(), os.getpid(), context.get_actor_id()

    def step(self) -> dict[str, Any]:
        """Run for about `STEP_SECONDS`. An error becomes a failed row: Ray would end the process.

        If no trial is left it waits: the driver ends the bundle (see `driver._Stopper`).
        """
        if not self._queue:
            time.sleep(IDLE_SECONDS)
            return {"records": []}
        records: list[Record] = []
        started = time.monotonic()
        while self._queue and (
            time.monotonic() - started < STEP_SECONDS or self._queue[0].should_prune() is not None
        ):
            try:
                records += self._next(self._queue[0])
            except StorageError as error:
                return {"records": records, "storage": str(error)}
            if not self._queue[0].left:
                self._queue.popleft()
        return {"records": records}

    def _next(self, running: _RunningTrial) -> list[Record]:
        """Run the next replicate of a trial, or all that are left if they can form a batch."""
        from qkd_study.distill import runs_in_batch, teachers_in_batch

        trial, reason = running.trial, running.should_prune()
        if reason is not None:
            stopped = [self._without(trial, r, "stopped", reason) for r in running.left]
            running.left.clear()
            return stopped
        in_batch = teachers_in_batch if trial.phase == "teacher" else runs_in_batch
        dataset = self._dataset.named(trial.config.dataset)
        if in_batch(self._study.setting, trial.arm, trial.config, dataset):
            replicates = tuple(running.left)
        else:
            replicates = (running.left[0],)
        for _ in replicates:
            running.left.popleft()
        records = self._run(trial, replicates)
        for record in records:
            value = score(record.row)
            if record.row["status"] == "failed":
                running.failed = True
            elif value is not None:  # there may be no validation samples
                running.add(value, record.row)
        return records

    def _run(self, trial: Trial, replicates: tuple[int, ...]) -> list[Record]:
        from qkd_study.distill import run_phase

        started = datetime.now(UTC)
        self._time.begin(self._limit * len(replicates))
        try:
            results = run_phase(
                trial.phase,
                self._study.setting,
                trial.arm,
                trial.config,
                self._dataset.named(trial.config.dataset),
                self._teachers,
                replicates,
            )
        except StorageError:
            raise
        except Exception as error:  # in what they share
            results = [error] * len(replicates)
        finally:
            self._time.end()
        return [
            self._record(trial, replicate, result, started)
            for replicate, result in zip(replicates, results, strict=True)
        ]

    @contextmanager
    def _waiting(self) -> Iterator[Callable[[], None]]:
        """Stop the clock of this worker's run while another worker trains a teacher."""
        worker = ray.get_runtime_context().get_actor_id()
        with self._time.paused():
            yield partial(self._waits.mark, worker)

    def _record(
        self, trial: Trial, replicate: int, result: RunResult | Exception, started: datetime
    ) -> Record:
        from qkd_study.distill import Diverged

        if not isinstance(result, Exception):
            return finished(
                self._study.name,
                self._run_id,
                trial,
                replicate,
                result,
                started,
                predictions=self._study.predictions,
                weights=self._study.weights,
            )
        reason = f"diverged: {result}" if isinstance(result, Diverged) else reason_of(result)
        return self._without(trial, replicate, "failed", reason, started)

    def _without(self, trial: Trial, replicate: int, status: Any, reason: str, *at: Any) -> Record:
        return without_result(self._study.name, self._run_id, trial, replicate, status, reason, *at)


@dataclass
class _RunningTrial:
    """A trial whose replicates are run: those left, and the scores so far."""

    trial: Trial
    left: deque[int]
    scores: list[float]
    failed: bool
    sizes: list[float]
    _pruning: Any = None

    @classmethod
    def of(cls, request: TrialRequest) -> _RunningTrial:
        left, scores, sizes = deque(request.replicates), list(request.scores), list(request.sizes)
        return cls(request.trial, left, scores, request.failed, sizes)

    def add(self, value: float, row: Row) -> None:
        """Add the score of a replicate, and its size if the trial's pruning compares sizes."""
        self.scores.append(value)
        if self.trial.pruning is not None and (column := self.trial.pruning.column) is not None:
            self.sizes.append(size_of(row, column))

    def should_prune(self) -> str | None:
        """Return why the rest of a search trial is not worth running, if so."""
        if self.trial.phase == "confirm":
            return None
        if self.failed:
            return "another replicate of this configuration failed"
        if self.trial.pruning is not None:
            return self._stopped_by_pruner()
        done, thresholds = len(self.scores), self.trial.pruning_thresholds
        if not 1 <= done <= len(thresholds) or mean_score(self.scores) >= thresholds[done - 1]:
            return None
        return (
            f"validation accuracy {mean_score(self.scores):.3f} after {done} of "
            f"{len(self.trial.replicates)} replicates is below {thresholds[done - 1]:.3f}, the "
            f"lower quartile of all trials of the batches before it"
        )

    def _stopped_by_pruner(self) -> str | None:
        done, replicates = len(self.scores), len(self.trial.replicates)
        if not 1 <= done < replicates:
            return None
        if self._pruning is None:
            self._pruning = self.trial.pruning.begin()
        return cast("str | None", self._pruning.reason(self.scores, replicates, self.sizes))


def reason_of(error: Exception) -> str:
    """The reason of a failed row: the error in one line, and the end of its traceback.

    Frames of torch's `module.py` are left out: there are several between a model and its layers.
    """
    frames = traceback.extract_tb(error.__traceback__)
    calls = [frame for frame in frames if not frame.filename.endswith(_TORCH_CALLS)] or frames
    lines = "".join(traceback.format_list(calls)).splitlines()
    return "\n".join([format_error(error), *lines[-TRACEBACK_LINES:]])


def _traces(scratch: Path) -> IO[str]:
    """The file for the stack of a run that exceeds its limit; standard error on other nodes."""
    if scratch.is_dir():
        return (scratch / f"stuck-{os.getpid()}.txt").open("w")
    return sys.stderr
