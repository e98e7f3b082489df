"""Runs per second, one by one against side by side, for two students and two sizes of groups.

    python benchmarks/batched.py [--repeats 3]

Shapes are those of studies/q2c_low_data.py and studies/c2q_hybrid.py: confirm runs, the test set
included. Teachers are trained before the clock starts (with few epochs, which changes nothing for a
student's time), but for the last lines, which time teachers alone. Both ways alternate in one
process on one thread; printed are medians over the repeats of CPU seconds (as of this process) and
wall seconds for one run, and the ratios. On a busy machine believe the ratios of CPU time.
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
    Objective,
    TeacherSpec,
    TeacherStore,
    TrainingConfig,
    run,
    run_replicates,
    train,
)
from qkd_study.distill.teacher_spec import BATCH_SIZE
from qkd_study.study.load import load_study

STUDIES = Path(__file__).parent.parent / "studies"
#: Study, arm and the factors of a cell.
STUDENTS: list[tuple[str, str, dict[str, int]]] = [
    ("q2c_low_data", "scratch", {"samples": 20}),
    ("q2c_low_data", "soft+features", {"samples": 20}),
    ("q2c_low_data", "soft+features", {"samples": 200}),
    ("c2q_hybrid", "soft", {"samples": 60, "teacher_samples": 400}),
    ("c2q_hybrid", "soft", {"samples": 200, "teacher_samples": 400}),
]
TEACHERS: list[tuple[str, str, dict[str, int]]] = [
    ("q2c_low_data", "classical-teacher", {"samples": 200}),
    ("c2q_hybrid", "soft", {"samples": 60, "teacher_samples": 400}),
]
GROUPS = (1, 5, 20)

Timed = tuple[float, float]


def given(name: str, arm_name: str, factors: dict[str, int]) -> tuple[Any, Any, Any, Dataset]:
    """Setting, arm, configuration in the middle of the search space, and dataset."""
    study = load_study(STUDIES / f"{name}.py")
    data = load(study.datasets[0])
    arm = study.arm(arm_name)
    cell = next(c for c in study.cells() if dict(c.values) == factors)
    chosen = {key: space.ends()[0] for key, space in study.space(arm).items()}
    return study.setting, arm, study.config(cell, arm, chosen, data.name), data


def timed(step: Callable[[], object]) -> Timed:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    step()
    return time.process_time() - cpu, time.perf_counter() - wall


def show(name: str, count: int, alone: list[Timed], together: list[Timed]) -> None:
    """Print a line: for one run, and ratios."""
    cells = []
    for clock in (0, 1):
        one = statistics.median(t[clock] for t in alone) / count
        many = statistics.median(t[clock] for t in together) / count
        cells.append(f"{1 / one:8.2f} {1 / many:8.2f} {one / many:6.2f}x")
    print(f"{name:52} {count:3}  {cells[0]}   {cells[1]}", flush=True)


def students(which: tuple[str, str, dict[str, int]], count: int, repeats: int) -> None:
    """Time students whose teachers are there."""
    setting, arm, config, data = given(*which)
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
                timed(lambda: [run(*call, store, replicate=r, test=True) for r in replicates])
            )
            together.append(
                timed(lambda: run_replicates(*call, store, replicates=replicates, test=True))
            )
    show(f"{which[0]} {which[1]} {which[2]}", count, alone, together)


def teachers(which: tuple[str, str, dict[str, int]], count: int, repeats: int) -> None:
    """Time teachers: by the loop for one model against in one group."""
    call = given(*which)
    config = call[2]
    orders = [TeacherSpec.of(*call, replicate) for replicate in range(count)]
    recipe = TrainingConfig("adam", config.teacher_learning_rate, config.teacher_epochs, BATCH_SIZE)

    def one_by_one() -> None:
        for order in orders:
            _, training, validation = order.samples()
            train(order.build(), training, validation, Objective(), recipe, seed=0)

    alone, together = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            store = TeacherStore(Path(folder))
            alone.append(timed(one_by_one))
            together.append(timed(partial(store.train, orders)))
    show(f"teacher: {which[0]} {which[1]} {which[2]}", count, alone, together)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"{'':56}  {'runs per CPU second':^26}   {'runs per second':^26}")
    print(f"{'':52} {'R':>3}  " + "   ".join(["   alone together   ratio"] * 2))
    for which in STUDENTS:
        for count in GROUPS:
            students(which, count, repeats)
    for which in TEACHERS:
        teachers(which, 5, repeats)


if __name__ == "__main__":
    main()
