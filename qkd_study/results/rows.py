"""Rows of the tables, made from the result of a run or from the reason why there is none."""

from __future__ import annotations

import math
import os
import resource
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from qkd_study.common.predictions import Predictions
from qkd_study.study.trial import Trial

if TYPE_CHECKING:  # tables are read without torch
    from qkd_study.distill import RunResult

Status = Literal["ok", "stopped", "failed"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """The rows of one replicate of a trial: one for `runs`, those of its curve, and what is kept.

    Attributes:
        row, curve: of the tables `runs` and `curves`.
        predictions: on the test samples, if they are kept.
        weights: of the student, as a safetensors file, if they are kept.
    """

    row: Row
    curve: list[Row]
    predictions: Predictions | None = None
    weights: bytes | None = None


def _keys(study: str, run_id: str, trial: Trial, replicate: int) -> Row:
    return {
        "study": study,
        "run_id": run_id,
        "phase": trial.phase,
        "cell": trial.cell.key,
        "arm": trial.arm.name,
        "search": trial.search,
        "trial": trial.number,
        "replicate": replicate,
    }


def _prefixed(prefix: str, values: Mapping[str, Any]) -> Row:
    return {f"{prefix}.{name}": value for name, value in values.items()}


def finished(
    study: str,
    run_id: str,
    trial: Trial,
    replicate: int,
    result: RunResult,
    started: datetime,
    *,
    predictions: bool = True,
    weights: bool = True,
) -> Record:
    """The record of a successful run; called in the worker that ran it.

    Args:
        predictions, weights: whether to keep them, if there are any.
    """
    keys = _keys(study, run_id, trial, replicate)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {
        **keys,
        "status": "ok",
        "reason": None,
        **_prefixed("config", asdict(trial.config)),
        **_prefixed("metric", result.metrics),
        **_prefixed("cost", result.costs),
        # Linux counts in KiB, macOS in bytes.
        "cost.peak_rss_mb": peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024),
        **_where(result.backend, result.plan, started),
    }
    curve = [
        {
            **keys,
            "epoch": e.epoch,
            "loss.cross_entropy": e.cross_entropy,
            **_prefixed("loss", e.parts),
            "loss.total": e.total,
            "metric.train_accuracy": e.train_accuracy,
            "metric.val_accuracy": e.val_accuracy,
            "seconds": e.seconds,
        }
        for e in result.curve
    ]
    return Record(
        row,
        curve,
        result.predictions if predictions else None,
        result.weights if weights else None,
    )


def without_result(
    study: str,
    run_id: str,
    trial: Trial,
    replicate: int,
    status: Status,
    reason: str,
    started: datetime | None = None,
) -> Record:
    """The record of a replicate that was stopped before it ran, or that failed."""
    row = {
        **_keys(study, run_id, trial, replicate),
        "status": status,
        "reason": reason,
        **_prefixed("config", asdict(trial.config)),
        **({} if started is None else _where(None, None, started)),
    }
    return Record(row, [])


def _where(backend: str | None, plan: str | None, started: datetime) -> Row:
    return {
        "where.backend": backend,
        "where.plan": plan,
        "where.node": socket.gethostname(),
        "where.worker": os.getpid(),
        "where.started_at": started,
        "where.ended_at": datetime.now(started.tzinfo),
    }


def mean_score(values: Iterable[float]) -> float:
    """The mean of a configuration's scores, equal for equal scores in any order.

    Accuracies are fractions with small denominators, so ties are common; without rounding, the
    order of summation would break them.
    """
    numbers = list(values)
    return round(math.fsum(numbers) / len(numbers), 12)


def score(row: Row) -> float | None:
    """The value that a search maximises: the validation accuracy of a successful run."""
    value: float | None = row.get("metric.val_accuracy") if row["status"] == "ok" else None
    return value
