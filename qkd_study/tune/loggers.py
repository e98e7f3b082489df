"""TensorBoard and MLflow, through Ray's own callbacks.

A Tune trial is a bundle of several trials of ours, so Tune gets `RunLoggers`, which passes every
run to Ray's callbacks as if it were a Tune trial. The package never reads what they write.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ray.tune import Callback
from ray.tune.logger import LoggerCallback, TBXLoggerCallback

from qkd_study.common.errors import InputError
from qkd_study.results import Record
from qkd_study.results.schema import RUN_KEY


class _Run:
    """A run with the attributes of a Tune trial that Ray's callbacks use."""

    def __init__(self, record: Record, folder: Path) -> None:
        row = record.row
        self.trial_id = "/".join(quote(str(row[name]), safe="=,.+ ") for name in RUN_KEY)
        self.local_path = str(folder / self.trial_id)
        keys = ("study", "run_id", *RUN_KEY, "status")
        known = {name: row[name] for name in keys}
        known |= {n: v for n, v in row.items() if n.startswith("config.") and v is not None}
        self.config = self.evaluated_params = known

    def init_local_path(self) -> None:
        """Make the folder."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return self.trial_id


def _numbers(row: dict[str, Any], *prefixes: str) -> dict[str, float]:
    return {n: v for n, v in row.items() if n.startswith(prefixes) and isinstance(v, int | float)}


def _results(record: Record, *, epochs: bool) -> list[dict[str, Any]]:
    """The results of a run: one per epoch, if wanted; the last has the metrics of its row too."""
    row = record.row
    found: list[dict[str, Any]] = []
    for entry in record.curve if epochs else ():
        numbers = _numbers(entry, "loss.", "metric.", "seconds")
        curve = {f"curve/{name}": value for name, value in numbers.items()}
        found.append({"training_iteration": entry["epoch"], **curve})
    if not found:
        found.append({"training_iteration": int(row.get("config.epochs") or 1)})
    found[-1] |= _numbers(row, "metric.", "cost.")
    return found


class RunLoggers(Callback):  # type: ignore[misc]
    """Passes the runs that workers report to Ray's callbacks.

    If a callback fails, one line names it and it is not used any more; the study goes on.

    Args:
        loggers: by name.
        folder: of the run.
    """

    def __init__(self, loggers: dict[str, LoggerCallback], folder: Path) -> None:
        self._loggers, self._folder = dict(loggers), folder

    def __reduce__(self) -> tuple[type, tuple[str]]:
        # Tune pickles callbacks into its state, which is never restored.
        return str, ("loggers of runs",)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Log the runs in a worker's report."""
        for record in result.get("records", ()):
            self.log(record)

    def log(self, record: Record) -> None:
        """Log one run."""
        for name, logger in list(self._loggers.items()):
            run = _Run(record, self._folder / name)
            try:
                logger.log_trial_start(run)
                for result in _results(record, epochs=name == "tensorboard"):
                    logger.log_trial_result(result["training_iteration"], run, result)
                logger.log_trial_end(run, failed=record.row["status"] == "failed")
            except Exception as error:
                del self._loggers[name]
                message = f"{type(error).__name__}: {error}".splitlines()[0]
                print(f"warning: nothing more is logged to {name}: {message}", file=sys.stderr)


def check_loggers(names: Sequence[str]) -> None:
    """Check that the packages of these loggers are installed.

    Raises:
        InputError: one is not.
    """
    for name, module, called in (
        ("tensorboard", "tensorboardX", "tensorboardX"),
        ("mlflow", "mlflow", "MLflow"),
    ):
        if name in names and importlib.util.find_spec(module) is None:
            raise InputError(f"--log {name} needs {called}: pip install 'qkd-study[{name}]'.")


def loggers(names: Sequence[str], folder: Path, study: str) -> list[Callback]:
    """The callbacks for a Tune run.

    Args:
        names: `tensorboard`, `mlflow`.
        folder: of the run; logs go into `tensorboard/` and `mlflow/` in it; MLflow's go to
            `MLFLOW_TRACKING_URI` instead if that is set.
        study: the name of MLflow's experiment.

    Raises:
        InputError: one is not installed, or cannot be reached.
    """
    check_loggers(names)
    made: dict[str, LoggerCallback] = {}
    for name in dict.fromkeys(names):
        made[name] = TBXLoggerCallback() if name == "tensorboard" else _mlflow(folder, study)
    return [RunLoggers(made, folder)] if made else []


def _mlflow(folder: Path, study: str) -> LoggerCallback:
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    uri = os.environ.get("MLFLOW_TRACKING_URI") or (folder.resolve() / "mlflow").as_uri()
    if uri.startswith("file:"):
        # MLflow writes files only if this is set.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        logger = MLflowLoggerCallback(tracking_uri=uri, experiment_name=study)
        logger.setup()
    except Exception as error:
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"--log mlflow: {uri} does not work: {message}") from None
    return logger
