"""The trainable: one trial in a Ray worker, one replicate per step."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ray import tune

from qkd_study.data import Dataset
from qkd_study.results import finished, without_result
from qkd_study.study.plan import Trial
from qkd_study.study.study import Study

#: Lines of a traceback that a failed row keeps.
TRACEBACK_LINES = 12
#: How long a step without work takes.
IDLE_SECONDS = 0.02


class TrialRunner(tune.Trainable):  # type: ignore[misc]
    """Runs the replicates of a trial, one per step; the actor is used for trial after trial.

    Its configuration is `{"trial": Trial}`; study, dataset, folder and run come as parameters.
    """

    def setup(
        self, config: dict[str, Any], study: Study, dataset: Dataset, teachers: str, run_id: str
    ) -> None:
        """Called once per worker process."""
        # Imported here: the driver needs neither torch nor PennyLane, and starts sooner without.
        import torch

        from qkd_study.distill import TeacherStore

        torch.set_num_threads(1)
        self._study, self._dataset, self._run_id = study, dataset, run_id
        self._teachers = TeacherStore(Path(teachers))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._trial: Trial = new_config["trial"]
        self._left = list(self._trial.replicates)
        return True

    def step(self) -> dict[str, Any]:
        """Run one replicate. An error becomes a failed row: Ray would throw the process away.

        With no replicate left it waits: the driver says when a trial ends (see `_Stopper`).
        """
        if not self._left:
            time.sleep(IDLE_SECONDS)
            return {"record": None}
        from qkd_study.distill import Diverged, run

        trial, replicate = self._trial, self._left.pop(0)
        started = datetime.now(UTC)
        try:
            result = run(
                self._study.setting,
                trial.arm,
                trial.config,
                self._dataset,
                self._teachers,
                replicate=replicate,
                test=trial.phase == "confirm",
            )
            record = finished(self._study.name, self._run_id, trial, replicate, result, started)
        except Exception as error:
            reason = f"diverged: {error}" if isinstance(error, Diverged) else _tail()
            record = without_result(
                self._study.name, self._run_id, trial, replicate, "failed", reason, started
            )
        return {"record": record}


def _tail() -> str:
    lines = traceback.format_exc().strip().splitlines()
    return "\n".join([lines[-1], *lines[-TRACEBACK_LINES:-1]])
