"""Rehearsal: trains arms with parts of the study's own for one epoch on few samples."""

from __future__ import annotations

import math
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from qkd_study.common.errors import InputError, StorageError, StudyWarning, format_error, safe_repr
from qkd_study.data import Dataset
from qkd_study.distill.replicates import run_replicates
from qkd_study.distill.run import RunResult
from qkd_study.distill.teacher_spec import BATCH_SIZE, TeacherSpec
from qkd_study.distill.teachers import TeacherStore
from qkd_study.distill.training import Diverged
from qkd_study.study.arms import Arm
from qkd_study.study.canonical import MODULE
from qkd_study.study.config import Config
from qkd_study.study.parameters import Value
from qkd_study.study.space import Choice
from qkd_study.study.study import Cell, Study

#: Samples per step; the last step of an epoch has 2, or 1 if that can happen in the study.
BATCH = 3
VALIDATION = 10
#: Tolerance for losses of the same seed.
SAME = 1e-3

Result = TypeVar("Result")


def rehearse(
    study: Study, cell: Cell, arm: Arm, config: Config, dataset: Dataset, tried: set[object]
) -> None:
    """Train an arm's teacher and student forward and backward, in batches of different sizes.

    It warns if the same seed gives different losses.

    Args:
        study, cell, arm, dataset: to train.
        config: the parameters, those that are searched at the lower ends of their ranges.
        tried: what was rehearsed before, and is skipped; updated.

    Raises:
        InputError: a part of the study's own fails, or its loss or gradient is not finite.
    """
    samples, batches = (_values(study, cell, name) for name in ("samples", "batch_size"))
    single = [(k, b) for k in samples for b in batches if k % b == 1 or b == 1]
    _try(study, arm, _small(config, dataset, 2), dataset, tried, "")
    if single:
        why = ", which happens with samples={}, batch_size={}".format(*single[0])
        _try(study, arm, _small(config, dataset, 1), dataset, tried, why)


def _values(study: Study, cell: Cell, name: str) -> list[int]:
    """The values that an integer parameter may have in a cell."""
    space = study.search.get(name)
    values: list[Value] | range
    if space is None:
        values = [study.extremes(cell)[0][name]]
    elif isinstance(space, Choice):
        values = list(space.values)
    else:
        low, high = map(int, space.ends())
        values = range(low, min(high, low + 999) + 1)
    return [int(value) for value in values]


def _small(config: Config, dataset: Dataset, rest: int) -> Config:
    """The configuration with few samples, a last batch of `rest`, and a learning rate of 0.

    After a step of length 0 a weight is finite only if the loss and its gradient are.
    """
    batch = min(BATCH, config.batch_size)
    least = max(dataset.classes, batch + 1)
    samples = min(least + (rest - least) % batch, config.samples)
    # Teachers have their own batch size.
    teachers = min(
        config.teacher_samples, BATCH_SIZE + (config.teacher_samples % BATCH_SIZE == 1 or 2)
    )
    return replace(
        config,
        samples=samples,
        teacher_samples=max(samples, teachers),
        validation_samples=min(config.validation_samples, VALIDATION),
        transfer_samples=min(config.transfer_samples or 0, BATCH),
        batch_size=batch,
        epochs=1,
        teacher_epochs=1,
        generations=min(config.generations, 2),
        learning_rate=0.0,
        teacher_learning_rate=0.0,
    )


def _try(
    study: Study, arm: Arm, config: Config, dataset: Dataset, tried: set[object], why: str
) -> None:
    if (arm.name, config) in tried:
        return
    tried.add((arm.name, config))
    setting = study.setting
    with tempfile.TemporaryDirectory(prefix="qkd-study-") as folder:
        if arm.needs_teacher:
            spec = TeacherSpec.of(setting, arm, config, dataset, 0)
            of = f"{safe_repr(setting.teacher_of(arm))}, the teacher of arm {arm.name!r},"
            _attempt(of, _sizes(config.teacher_samples, BATCH_SIZE), lambda: _teacher(folder, spec))

        def run() -> RunResult:
            store = TeacherStore(Path(folder))
            given = (setting, arm, config, dataset, store)
            (result,) = run_replicates(*given, replicates=(0,), test=False)
            if isinstance(result, Exception):
                raise result
            return result

        of = f"{safe_repr(setting.student_of(arm))} with the loss of arm {arm.name!r}"
        sizes = _sizes(config.samples, config.batch_size) + why
        first, second = (_attempt(of, sizes, run) for _ in range(2))
    counts = {"qubits": config.qubits, "gates": first.costs["gates"]}
    if study.minimise in counts and counts[study.minimise] is None:
        raise InputError(
            f"minimise={study.minimise!r} needs a number that "
            f"{safe_repr(setting.student_of(arm))} does "
            f"not say: set qubits in `search`, `factors` or `fixed`, and give the model a property "
            f"circuit_gates."
        )
    losses = [result.curve[0].total for result in (first, second)]
    if not math.isclose(*losses, rel_tol=SAME, abs_tol=SAME):
        warnings.warn(
            f"{of} gave the loss {losses[0]:.6g} and then {losses[1]:.6g} with the same seed: it "
            f"draws random numbers that no seed reaches, so its rows cannot be computed again. "
            f"Draw from the global generators of torch, NumPy or Python.",
            StudyWarning,
            stacklevel=2,
        )


def _teacher(folder: str, spec: TeacherSpec) -> None:
    TeacherStore(Path(folder)).get(spec)


def _sizes(samples: int, batch: int) -> str:
    last = samples % batch
    return f"in batches of {min(batch, samples)}" + (f" and {last}" if 0 < last < samples else "")


def _attempt(of: str, sizes: str, what: Callable[[], Result]) -> Result:
    """Call a rehearsal and return its result.

    Raises:
        InputError: it fails.
    """
    try:
        return what()
    except (InputError, StorageError):
        raise
    except Diverged as error:
        raise InputError(
            f"{of} cannot be trained {sizes}: the loss or its gradient is not finite at the "
            f"initial weights ({error})."
        ) from None
    except Exception as error:
        raise InputError(
            f"{of} cannot be trained {sizes}: {format_error(error)}{_line(error)}"
        ) from None


def _line(error: Exception) -> str:
    """The line of the study file in which an error arose, as text."""
    walked = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in walked if frame.f_globals.get("__name__") == MODULE]
    return f" (line {lines[-1]} of the study file)" if lines else ""
