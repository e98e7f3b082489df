"""Runs per second, one by one against side by side, for each kind of student and teacher.

    python benchmarks/batched.py [--repeats 3] [--only WORD]

Shapes are those of the studies in studies/: confirm runs, the test set included. Teachers are
trained before the clock starts (with few epochs, which changes nothing for a student's time), but
for the last lines, which time teachers alone. Both ways alternate in one process on one thread, one
by one with up to 5 replicates; printed are medians over the repeats of runs per second of CPU time
(of this process) and of wall time, and the ratios. On a busy machine believe the ratios of CPU
time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from qkd_study.data import Dataset, load
from qkd_study.distill import (
    TeacherSpec,
    TeacherStore,
    run,
    run_replicates,
    train,
)
from qkd_study.study.load import load_study

STUDIES = Path(__file__).parent.parent / "studies"
#: Study, arm, the factors of a cell, and what else differs from the study.
Which = tuple[str, str, dict[str, Any], dict[str, Any]]
IMAGES = {"embedding": "amplitude", "qubits": 8, "features": 0}
STUDENTS: list[Which] = [
    ("q2c_low_data", "scratch", {"samples": 20}, {}),
    ("q2c_low_data", "soft+features", {"samples": 20}, {}),
    ("q2c_low_data", "soft+features", {"samples": 200}, {}),
    ("c2q_hybrid", "soft", {"samples": 60, "teacher_samples": 400}, {}),
    ("c2q_hybrid", "soft", {"samples": 200, "teacher_samples": 400}, {}),
    ("c2q_fully_quantum", "soft", {"samples": 100, "ansatz": "brickwork"}, {}),
    ("qnn_compression", "soft", {"qubits": 4, "depth": 3}, {}),
    ("c2q_images", "soft", {**IMAGES, "reduction": "average"}, {}),
    ("c2q_images", "soft", {**IMAGES, "reduction": "linear"}, {}),
]
TEACHERS: list[Which] = [
    ("q2c_low_data", "classical-teacher", {"samples": 200}, {}),
    ("q2c_low_data", "soft", {"samples": 200}, {}),
    (
        "q2c_low_data",
        "soft",
        {"samples": 200},
        {"teacher_samples": 500, "validation_samples": 1000},
    ),
    ("q2c_teacher_data", "random-teacher", {"teacher_samples": 200}, {}),
    ("c2q_hybrid", "soft", {"samples": 60, "teacher_samples": 400}, {}),
    ("qnn_compression", "soft", {"qubits": 4, "depth": 3}, {}),
    ("self_distillation", "soft", {"optimizer": "adam", "generations": 1}, {}),
    ("self_distillation", "soft", {"optimizer": "adam", "generations": 2}, {}),
]
#: Replicates side by side, and one by one at most.
GROUPS = (1, 5, 20)
ALONE = 5

Timed = tuple[float, float]


def given(which: Which) -> tuple[Any, Any, Any, Dataset]:
    """Setting, arm, configuration at the start of the search space, and dataset."""
    name, arm_name, factors, changes = which
    study = load_study(STUDIES / f"{name}.py")
    data = load(study.datasets[0])
    arm = study.arm(arm_name)
    cell = next(c for c in study.cells() if dict(c.values) == factors)
    chosen = {key: space.ends()[0] for key, space in study.space(arm).items()}
    config = dataclasses.replace(study.config(cell, arm, chosen, data.name), **changes)
    return study.setting, arm, config, data


def timed(step: Callable[[], object]) -> Timed:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    step()
    return time.process_time() - cpu, time.perf_counter() - wall


def show(name: str, count: int, alone: list[Timed], together: list[Timed]) -> None:
    """Print a line: for one run, and ratios."""
    cells = []
    for clock in (0, 1):
        one = statistics.median(t[clock] for t in alone) / min(count, ALONE)
        many = statistics.median(t[clock] for t in together) / count
        cells.append(f"{1 / one:8.2f} {1 / many:8.2f} {one / many:6.2f}x")
    print(f"{name:102} {count:3}  {cells[0]}   {cells[1]}", flush=True)


def named(which: Which) -> str:
    """What a line says."""
    name, arm, factors, changes = which
    return f"{name} {arm} {factors | changes}"


def students(which: Which, count: int, repeats: int) -> None:
    """Time students whose teachers are there."""
    setting, arm, config, data = given(which)
    config = dataclasses.replace(config, teacher_epochs=2)
    replicates = range(1000, 1000 + count)
    call = (setting, arm, config, data)
    with tempfile.TemporaryDirectory() as folder:
        store = TeacherStore(Path(folder))
        run_replicates(*call, store, replicates=replicates, test=True)
        run(*call, store, replicate=1000, test=True)
        alone, together = [], []
        for _ in range(repeats):
            alone.append(
                timed(
                    lambda: [run(*call, store, replicate=r, test=True) for r in replicates[:ALONE]]
                )
            )
            together.append(
                timed(lambda: run_replicates(*call, store, replicates=replicates, test=True))
            )
    show(named(which), count, alone, together)


def teachers(which: Which, count: int, repeats: int) -> None:
    """Time teachers: by the loop for one model against in one group."""
    call = given(which)
    orders = [TeacherSpec.of(*call, replicate) for replicate in range(count)]
    recipe = orders[0].training_config()

    def one_by_one(store: TeacherStore) -> None:
        for order in orders[:ALONE]:
            _, training, validation = order.samples()
            targets = store.targets(order)
            given = (order.build(), training, validation, order.objective(), recipe)
            train(*given, teacher=targets, seed=0)

    alone, together = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            store = TeacherStore(Path(folder))
            # Those of the generation before are there.
            store.train([before for order in orders if (before := order.before()) is not None])
            alone.append(timed(partial(one_by_one, store)))
            together.append(timed(partial(store.train, orders)))
    show(f"teacher: {named(which)}", count, alone, together)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="lines that have this word in them")
    asked = parser.parse_args()
    repeats = asked.repeats
    torch.set_num_threads(1)
    print(f"{'':106}  {'runs per CPU second':^26}   {'runs per second':^26}")
    print(f"{'':102} {'R':>3}  " + "   ".join(["   alone together   ratio"] * 2))
    for which in STUDENTS:
        for count in GROUPS if asked.only in named(which) else ():
            students(which, count, repeats)
    for which in TEACHERS:
        if asked.only in f"teacher: {named(which)}":
            teachers(which, GROUPS[-1], repeats)


if __name__ == "__main__":
    main()
