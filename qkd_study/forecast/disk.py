"""How much a run writes, computed from the sizes of a few files like those of a run."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from qkd_study.common.predictions import Predictions
from qkd_study.data import Data, Dataset
from qkd_study.distill import Epoch, RunResult
from qkd_study.forecast.workload import Workload, suggestions_of
from qkd_study.results import Record, finished, start_tables, write_records
from qkd_study.results.column import REAL
from qkd_study.results.costs import COSTS
from qkd_study.results.schema import METRICS
from qkd_study.students import StudentSpec
from qkd_study.study.study import Study
from qkd_study.study.trial import Trial

#: Approximate bytes of the JSON beside a teacher's file, and of a trial in Optuna's journal.
TEACHER_JSON, JOURNAL = 1_000, 900
#: Epochs of the files that are written to measure their sizes.
FEW, MANY = 10, 1000
#: Validation samples: accuracies are multiples of one over this.
VALIDATED = 400
#: The share of test samples that a run predicts correctly; of the others, some by chance.
RIGHT = 0.7


@dataclass(frozen=True)
class Disk:
    """What a run writes to disk.

    Attributes:
        rows, curves, predictions, weights, teachers: bytes of tables of runs, of curves, of
            predictions and of students' weights, and of teachers.
        files: how many.
        seconds: of writing the rows that a worker reports at once.
    """

    rows: float
    curves: float
    predictions: float
    weights: float
    teachers: float
    files: int
    seconds: float

    @property
    def bytes(self) -> float:
        """Bytes of all files, Optuna's journal included."""
        return self.rows + self.curves + self.predictions + self.weights + self.teachers


@dataclass(frozen=True)
class _Files:
    """Sizes of a trial's files, linear in replicates and in rows of the curves.

    Attributes:
        row: bytes of a table of runs without rows, and of each row.
        curve: the same of a table of curves.
        predictions: the same of a table of predictions, per run.
        weights: the same of a table of students, per student without its numbers.
        seconds: of writing them.
    """

    row: tuple[float, float]
    curve: tuple[float, float]
    predictions: tuple[float, float]
    weights: tuple[float, float]
    seconds: float


def disk(work: Workload, data: Data, tables: int, confirm_tables: int) -> Disk:
    """What all runs of a study write.

    Args:
        work: the runs.
        data: whose test sets the teachers' outputs are stored for.
        tables: files in `runs/`, of which each has one beside it in `curves/`.
        confirm_tables: those of confirm runs, which have one in `predictions/` and in `weights/` if
            they are kept.
    """
    files = _files(work.study, data)
    rows, curves = files.row[0] * tables, files.curve[0] * tables
    replicates = work.study.replicates
    for arm in work.arms.values():
        runs = len(arm.trials) * replicates.search + replicates.confirm
        searched = sum(cost.epochs for cost in arm.trials)
        epochs = searched * replicates.search + arm.confirmed.epochs * replicates.confirm
        rows += files.row[1] * runs + len(arm.trials) * JOURNAL
        curves += files.curve[1] * epochs
    kept = confirm_tables if work.study.predictions else 0
    runs = len(work.arms) * replicates.confirm if kept else 0
    predictions = kept * files.predictions[0] + runs * files.predictions[1]
    with_weights = confirm_tables if work.study.weights else 0
    students = sum(arm.confirmed.weights + files.weights[1] for arm in work.arms.values())
    weights = with_weights * files.weights[0]
    weights += replicates.confirm * students if with_weights else 0.0
    for search in work.teacher_searches.values():
        rows += files.row[1] * len(search.trials) * replicates.search + len(search.trials) * JOURNAL
    both = replicates.search * replicates.searches + replicates.confirm
    sizes = [len(dataset.test_labels) * dataset.classes * 4 for dataset in data.parts]
    answers = sum(sizes) / len(sizes) + TEACHER_JSON
    tried = _only_tried(work)
    teaching = [teacher for n, teacher in enumerate(work.teachers) if n not in tried]
    teachers = sum(
        both * (teacher.weights + TEACHER_JSON) + replicates.confirm * answers
        for teacher in teaching
    )
    teachers += sum(replicates.search * (work.teachers[n].weights + TEACHER_JSON) for n in tried)
    # study.json and study.py; tables, curves, predictions and students; teachers' weights, answers
    # to the test set, JSON beside each, and a lock.
    count = (
        2 + 2 * tables + kept + with_weights + len(teaching) * (3 * both + 2 * replicates.confirm)
    )
    count += len(tried) * 3 * replicates.search
    return Disk(rows, curves, predictions, weights, teachers, count, files.seconds)


def _only_tried(work: Workload) -> set[int]:
    """Indices of the teachers that a search for one tries, and no student is taught by."""
    tried = {
        cost.teacher
        for search in work.teacher_searches.values()
        for cost in search.trials
        if cost.teacher is not None
    }
    return tried - {cost.teacher for arm in work.arms.values() for cost in arm.trials}


def _files(study: Study, data: Data) -> _Files:
    """Write files of trials and measure their sizes and times."""
    rng = np.random.default_rng(0)
    cell, arm, suggestions = next(suggestions_of(study, data.name))
    # Of several datasets, the one with the most test samples.
    dataset = max(data.parts, key=lambda one: len(one.test_labels))

    def written(replicates: int, epochs: int) -> dict[str, int]:
        trial = Trial("confirm", cell, arm, 0, suggestions.configs[0], tuple(range(replicates)))
        records = [_record(study, dataset, trial, r, epochs, rng) for r in trial.replicates]
        sizes = {}
        for path in write_records(folder, [trial], records):
            sizes[path.parent.name] = path.stat().st_size
            path.unlink()
        return sizes

    with tempfile.TemporaryDirectory(prefix="qkd-study-") as name:
        folder = Path(name)
        start_tables(folder)
        few, many = written(1, FEW), written(1, MANY)
        start = time.perf_counter()
        more = written(5, FEW)
        seconds = time.perf_counter() - start
    tables = ("runs", "predictions", "weights")
    row, run, student = ((more[name] - few[name]) / 4 for name in tables)
    curve = (many["curves"] - few["curves"]) / (MANY - FEW)
    return _Files(
        (few["runs"] - row, row),
        (few["curves"] - curve * FEW, curve),
        (few["predictions"] - run, run),
        (few["weights"] - student, student),
        seconds,
    )


def _record(
    study: Study,
    dataset: Dataset,
    trial: Trial,
    replicate: int,
    epochs: int,
    rng: np.random.Generator,
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
    label = dataset.test_labels.astype(np.int32)
    guesses = rng.integers(dataset.classes, size=len(label), dtype=np.int32)
    shares = rng.random((len(label), dataset.classes), dtype=np.float32)
    predicted = np.where(rng.random(len(label)) < RIGHT, label, guesses)
    spec = StudentSpec.of(study.setting.student_of(trial.arm), trial.config, dataset, replicate)
    result = RunResult(
        metrics={c.name.removeprefix("metric."): number() for c in METRICS if c.type == REAL},
        costs={c.name.removeprefix("cost."): number() for c in COSTS if c.type == REAL},
        backend="lightning.qubit",
        plan="register",
        curve=curve,
        predictions=Predictions(label, predicted, shares),
        weights=json.dumps(spec.described()).encode(),
    )
    return finished(study.name, "0" * 22, trial, replicate, result, datetime.now(UTC))
