"""Runs of the phase `teacher`: trains teachers and scores them on validation samples."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from qkd_study.common.errors import StorageError
from qkd_study.data import Dataset
from qkd_study.distill import scores
from qkd_study.distill.batched import one_thread
from qkd_study.distill.copies import copies
from qkd_study.distill.replicates import run_replicates
from qkd_study.distill.run import RunResult, teacher_shots
from qkd_study.distill.teacher import Teacher
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.distill.teachers import TeacherStore
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.models import Ensemble
from qkd_study.study.setting import Setting
from qkd_study.study.trial import Phase


def run_phase(
    phase: Phase,
    setting: Setting,
    arm: Arm,
    config: Config,
    dataset: Dataset,
    teachers: TeacherStore,
    replicates: Sequence[int],
) -> list[RunResult | Exception]:
    """Run some replicates of a configuration as its phase asks: teachers alone, or students.

    Raises:
        StorageError: a folder cannot be read or written.
    """
    given = (setting, arm, config, dataset, teachers)
    if phase == "teacher":
        return run_teachers(*given, replicates=replicates)
    return run_replicates(*given, replicates=replicates, test=phase == "confirm")


def teachers_in_batch(setting: Setting, arm: Arm, config: Config, dataset: Dataset) -> bool:
    """Whether an arm's teachers of several replicates are trained in one batch."""
    spec = TeacherSpec.of(setting, arm, config, dataset, 0)
    return not isinstance(spec.model, Ensemble) and spec.can_batch


def run_teachers(
    setting: Setting,
    arm: Arm,
    config: Config,
    dataset: Dataset,
    teachers: TeacherStore,
    *,
    replicates: Sequence[int],
) -> list[RunResult | Exception]:
    """Train teachers of some replicates of one configuration, and keep them for students.

    The metrics are those of the teacher with the weights that its students get. Times are an even
    share.

    Args:
        setting, arm, config: whose teacher is trained; see `TeacherSearch.config`.
        dataset: from which the samples are drawn.
        teachers: the store that keeps them.
        replicates: all different.

    Returns:
        For each replicate its result, or the error, such as `Diverged`.

    Raises:
        StorageError: a folder cannot be read or written.
    """
    start, waited, trained = time.perf_counter(), teachers.waited, teachers.seconds
    specs = [TeacherSpec.of(setting, arm, config, dataset, replicate) for replicate in replicates]
    found: list[tuple[TeacherSpec, Teacher, int] | Exception] = []
    with one_thread():
        teachers.train(specs)
        for spec in specs:
            before = teachers.executions
            try:
                teacher = teachers.get(spec)
            except StorageError:
                raise
            except Exception as error:
                found.append(error)
            else:
                found.append((spec, teacher, teachers.executions - before))
    seconds = {
        "seconds_teacher": (teachers.seconds - trained) / len(specs),
        "seconds_total": (time.perf_counter() - start - teachers.waited + waited) / len(specs),
    }
    return [one if isinstance(one, Exception) else _result(*one, seconds) for one in found]


def _result(
    spec: TeacherSpec, teacher: Teacher, executions: int, seconds: Mapping[str, float]
) -> RunResult:
    _, _, validation = spec.samples()
    logits, labels = teacher.validation, validation.labels
    metrics: dict[str, float | int | None] = {
        "val_accuracy": scores.accuracy(logits, labels),
        "val_f1_macro": scores.f1_macro(logits, labels),
        "teacher_val_ece": scores.expected_calibration_error(logits, labels),
    }
    if teacher.ending is not None:
        metrics |= teacher.ending.metrics()
    costs: dict[str, float | int | None] = {
        "teacher_parameters": teacher.parameters,
        "gates": teacher.gates,
        "circuit_executions": executions if teacher.counted else None,
        **teacher_shots(teacher),
        "teacher_copies": copies(
            spec.model, spec.config, spec.config.teacher_samples + len(labels)
        ),
        **seconds,
    }
    return RunResult(metrics, costs, teacher.backend, teacher.plan, [])
