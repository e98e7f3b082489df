"""Calibration: chooses which trainings are timed, and interpolates the cost of the others."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

import qkd_study
from qkd_study.common.paths import read_cached, write_cached
from qkd_study.common.progress import Progress, no_progress
from qkd_study.data import Data
from qkd_study.forecast.measure import Cost, measure
from qkd_study.forecast.shapes import Shape, Training, shape_of
from qkd_study.forecast.workload import (
    suggestions_of,
    teacher_suggestions_of,
    teacher_training_of,
    trainings_of,
)
from qkd_study.study.study import Study

#: Seconds of timing, at most; the training that is going on is finished.
BUDGET = 45.0
#: Distance between two kinds of training, in doublings of a size.
KINDS_APART = 8.0
#: Where the timing had less than this share of a CPU, the times are not stored.
QUIET = 0.85
#: Packages that the cost of a training depends on: a change there invalidates all stored times.
PACKAGES_TIMED = ("compat", "data", "distill", "forecast", "models", "quantum")


@dataclass
class Calibration:
    """The costs of a study's trainings on this machine.

    Attributes:
        costs: by shape, of those that were timed, now or before.
        shapes: all that the study has.
        seconds: of the timing.
        busy: whether other processes used much of the CPU meanwhile.
    """

    study: Study
    costs: dict[Shape, Cost]
    shapes: list[Shape]
    seconds: float
    busy: bool = False
    _others: dict[Shape, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        timed = [shape for shape in self.shapes if shape in self.costs]
        others = [shape for shape in self.shapes if shape not in self.costs]
        if others:
            found = interpolated(timed, [self.costs[shape] for shape in timed], others)
            self._others = dict(zip(others, found, strict=True))

    @property
    def timed(self) -> int:
        """How many of the shapes were timed; the others were interpolated."""
        return len(self.shapes) - len(self._others)

    @property
    def memory(self) -> float:
        """Peak memory of a process, in bytes."""
        known = {**self._others, **self.costs}
        return max(known[shape].memory for shape in self.shapes)

    def cost(self, training: Training) -> Cost:
        """The cost of a training of the study."""
        shape = shape_of(self.study, training)
        return self.costs.get(shape) or self._others[shape]


def _features(shapes: Sequence[Shape]) -> NDArray[np.float64]:
    """Points (n, d); the farther apart, the more the costs of two shapes may differ."""
    kinds = sorted({shape.kind for shape in shapes})
    sizes = np.log2([shape.sizes for shape in shapes])
    of = np.array([kinds.index(shape.kind) for shape in shapes])
    apart = np.eye(len(kinds))[of] * KINDS_APART / np.sqrt(2)
    return np.hstack([sizes, apart])


def spread(points: NDArray[np.float64]) -> list[int]:
    """An order of points (n, d) in which every next one is farthest from all before it.

    It begins with the point of the smallest sum.
    """
    order = [int(points.sum(axis=1).argmin())]
    distances = np.full(len(points), np.inf)
    while len(order) < len(points):
        distances = np.minimum(distances, np.linalg.norm(points - points[order[-1]], axis=1))
        distances[order] = -1
        order.append(int(distances.argmax()))
    return order


def interpolated(
    known: Sequence[Shape], costs: Sequence[Cost], wanted: Sequence[Shape]
) -> list[Cost]:
    """The costs of shapes from those of others.

    Linear radial functions of the distance between logarithms of sizes, for the logarithm of each
    cost (`scipy.interpolate.RBFInterpolator`): exact where a cost is known.
    """
    points = _features([*known, *wanted])
    logs = np.log(np.maximum([astuple(cost) for cost in costs], 1e-9))
    if len(known) == 1:
        return [costs[0]] * len(wanted)
    surface = RBFInterpolator(points[: len(known)], logs, kernel="linear")
    return [Cost(*map(float, row)) for row in np.exp(surface(points[len(known) :]))]


def calibrate(
    study: Study,
    data: Data,
    *,
    budget: float = BUDGET,
    refresh: bool = False,
    progress: Progress = no_progress,
) -> Calibration:
    """Time trainings of a study on this machine.

    Times every shape once if the budget allows, otherwise those that are farthest apart. Times that
    were measured before on a quiet machine, with the same code and data of the same size, are read
    from the user's cache folder.

    Args:
        study, data: whose trainings are timed.
        budget: seconds of timing; one training is timed in any case.
        refresh: whether to time again what was timed before.
        progress: called with the number of timed shapes and of all.
    """
    examples: dict[Shape, Training] = {}
    for training in _all(study, data):
        examples.setdefault(shape_of(study, training), training)
    shapes = list(examples)
    cache = _TimingCache(data)
    costs = {} if refresh else cache.read(shapes)

    def measured(shape: Shape) -> Cost:
        training = examples[shape]
        return measure(study, training, data.named(training.config.dataset))

    start, worked = time.perf_counter(), time.process_time()
    missing = [shapes[i] for i in spread(_features(shapes)) if shapes[i] not in costs]
    if missing:
        measured(missing[0])  # warms up
    for shape in missing:
        if costs and time.perf_counter() - start > budget:
            break
        progress(len(costs), len(shapes))
        costs[shape] = measured(shape)
    seconds = time.perf_counter() - start
    busy = bool(missing) and time.process_time() - worked < QUIET * seconds
    if missing and not busy:
        cache.write(costs)
    return Calibration(study, costs, shapes, seconds, busy)


def _all(study: Study, data: Data) -> Iterable[Training]:
    for _, arm, suggestions in suggestions_of(study, data.name):
        for config in suggestions.configs:
            yield from trainings_of(study, arm, config, data.named(config.dataset))
    for search, suggestions in teacher_suggestions_of(study, data.name):
        for config in suggestions.configs:
            dataset = data.named(config.dataset)
            yield teacher_training_of(study, search, config, dataset)


def _machine() -> str:
    """A hash of the machine and of the versions of packages that times depend on."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    versions = [metadata.version(name) for name in ("pennylane-lightning", "torch", "numpy")]
    machine = json.dumps([platform.node(), platform.machine(), model, os.cpu_count(), *versions])
    return hashlib.sha256(machine.encode()).hexdigest()[:16]


class _TimingCache:
    """Stores the times of this machine between commands."""

    def __init__(self, data: Data) -> None:
        root = Path(qkd_study.__file__).parent
        code = hashlib.sha256()
        for name in PACKAGES_TIMED:
            for path in sorted((root / name).rglob("*.py")):
                code.update(path.read_bytes())
        self._name = f"training-{_machine()}-{code.hexdigest()[:16]}.json"
        sizes = [[one.shape, one.classes, len(one.test_labels)] for one in data.parts]
        self._data = sizes[0] if len(sizes) == 1 else sizes

    def _key(self, shape: Shape) -> str:
        key = json.dumps([shape.kind, shape.sizes, self._data])
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def _read(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = json.loads(read_cached(self._name) or b"{}")
        return found

    def read(self, shapes: Iterable[Shape]) -> dict[Shape, Cost]:
        there = self._read()
        found = {shape: there.get(self._key(shape)) for shape in shapes}
        return {s: Cost(*row) for s, row in found.items() if row and len(row) == len(fields(Cost))}

    def write(self, costs: Mapping[Shape, Cost]) -> None:
        rows = {self._key(shape): list(asdict(cost).values()) for shape, cost in costs.items()}
        write_cached(self._name, json.dumps(self._read() | rows).encode())
