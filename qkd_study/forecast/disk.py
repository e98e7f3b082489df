"""How much a run writes, from files of its kind written here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from qkd_study.data import Dataset
from qkd_study.distill import Epoch, RunResult
from qkd_study.forecast.measure import Cost
from qkd_study.forecast.shapes import Training
from qkd_study.forecast.work import BLOCK, ArmWork, Work, trainings, trainings_of
from qkd_study.results import Record, finished, start_tables, write_records
from qkd_study.results.schema import COSTS, METRICS, REAL
from qkd_study.study.study import Study
from qkd_study.study.trial import Trial

#: Bytes of the JSON beside a teacher's file, and of a trial in Optuna's journal; roughly.
TEACHER_JSON, JOURNAL = 1_000, 900
#: Epochs of the files that are written to see how large they are.
FEW, MANY = 10, 1000
#: Samples of which an accuracy is a share.
VALIDATED = 400


@dataclass(frozen=True)
class Disk:
    """What a run leaves on disk.

    Attributes:
        rows, curves, teachers: bytes.
        files: how many.
        seconds: that the rows of a report took to be on disk.
    """

    rows: float
    curves: float
    teachers: float
    files: int
    seconds: float

    @property
    def bytes(self) -> float:
        """All of it, Optuna's journal included."""
        return self.rows + self.curves + self.teachers


@dataclass(frozen=True)
class _Files:
    """Bytes of a trial's two files, linear in replicates and in rows of the curves."""

    row: tuple[float, float]
    curve: tuple[float, float]
    seconds: float


def disk(
    study: Study, dataset: Dataset, work: Work, cost: Callable[[Training], Cost], tables: int
) -> Disk:
    """What all runs of a study leave.

    Args:
        study: what is run.
        dataset: on what.
        work: its runs.
        cost: of a training.
        tables: files in `runs/`, of which each has one beside it in `curves/`.
    """
    files = _files(study, dataset)
    rows, curves = files.row[0] * tables, files.curve[0] * tables
    count = 2 + 2 * tables  # study.json and study.py
    for branch in work.branches:
        for replicates, epochs in _trials(branch, work):
            rows += files.row[1] * replicates
            curves += files.curve[1] * replicates * epochs
    both = work.search + work.confirm
    weights = _weights(study, dataset, cost)
    logits = len(dataset.test_labels) * dataset.classes * 4
    size = weights + TEACHER_JSON
    teachers = len(work.recipes) * (both * size + work.confirm * (logits + TEACHER_JSON))
    # Weights, answers to the test set, JSON beside each, and a lock.
    count += len(work.recipes) * (3 * both + 2 * work.confirm)
    rows += work.trials * JOURNAL
    return Disk(rows, curves, teachers, count, files.seconds)


def _trials(branch: ArmWork, work: Work) -> list[tuple[int, int]]:
    """Replicates and epochs of every trial of a branch."""
    search = [(work.search, job.epochs) for job in branch.trials]
    blocks = [min(BLOCK, work.confirm - first) for first in range(0, work.confirm, BLOCK)]
    return search + [(block, branch.confirmed.epochs) for block in blocks]


def _weights(study: Study, dataset: Dataset, cost: Callable[[Training], Cost]) -> float:
    """Bytes of a teacher's weights, over all that there are."""
    found = [
        cost(list(trainings_of(study, arm, configs[0], dataset))[2]).weights
        for _, arm, configs in trainings(study, dataset.name)
        if arm.needs_teacher
    ]
    return sum(found) / len(found) if found else 0.0


def _files(study: Study, dataset: Dataset) -> _Files:
    """Write files of trials, and see how large they are and how long they took."""
    rng = np.random.default_rng(0)
    cell, arm, configs = next(iter(trainings(study, dataset.name)))

    def written(replicates: int, epochs: int) -> tuple[int, int]:
        trial = Trial("confirm", cell, arm, 0, configs[0], tuple(range(replicates)))
        records = [_record(study, trial, r, epochs, rng) for r in trial.replicates]
        write_records(folder, [trial], records)
        sizes = []
        for table in ("runs", "curves"):
            (path,) = (folder / table).glob("confirm*")
            sizes.append(path.stat().st_size)
            path.unlink()
        return sizes[0], sizes[1]

    with tempfile.TemporaryDirectory(prefix="qkd-study-") as name:
        folder = Path(name)
        start_tables(folder)
        few, many = written(1, FEW), written(1, MANY)
        start = time.perf_counter()
        more = written(5, FEW)
        seconds = time.perf_counter() - start
    row = (more[0] - few[0]) / 4
    curve = (many[1] - few[1]) / (MANY - FEW)
    return _Files((few[0] - row, row), (few[1] - curve * FEW, curve), seconds)


def _record(
    study: Study, trial: Trial, replicate: int, epochs: int, rng: np.random.Generator
) -> Record:
    """A record like a real one: random numbers, every term of the arm's loss among them."""
    parts = [term.name for term in trial.arm.comparisons]

    def number() -> float:
        return float(rng.random())

    def share() -> float:
        return int(rng.integers(VALIDATED)) / VALIDATED

    curve = [
        Epoch(
            epoch=epoch + 1,
            cross_entropy=number(),
            parts={part: number() for part in parts},
            total=number(),
            train_accuracy=share(),
            val_accuracy=share(),
            seconds=number(),
        )
        for epoch in range(epochs)
    ]
    result = RunResult(
        metrics={c.name.removeprefix("metric."): number() for c in METRICS if c.type == REAL},
        costs={c.name.removeprefix("cost."): number() for c in COSTS if c.type == REAL},
        backend="lightning.qubit",
        plan="register",
        curve=curve,
    )
    return finished(study.name, "0" * 22, trial, replicate, result, datetime.now(UTC))
