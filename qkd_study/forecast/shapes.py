"""What decides the cost of a training: configurations of one shape cost the same per epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from typing import Any

from qkd_study.study.arms import Arm
from qkd_study.study.canonical import canonical
from qkd_study.study.config import Config
from qkd_study.study.study import Study

#: What of a circuit has no order, and decides what it costs.
WORDS = ("ansatz", "reduction", "embedding", "device", "precision", "plan")
#: Every parameter that the cost of a run depends on; a search over others changes no cost.
COSTLY = frozenset(
    {
        *WORDS,
        "optimizer",
        *("samples", "teacher_samples", "validation_samples", "batch_size", "epochs"),
        *("qubits", "depth", "teacher_qubits", "teacher_depth", "teacher_epochs", "generations"),
    }
)
TEACHER_BATCH = 32  # of distill.teachers, which imports torch


@dataclass(frozen=True)
class Shape:
    """A kind of training.

    Attributes:
        kind: all that has no order, as JSON.
        sizes: positive numbers; the cost is smooth in their logarithms.
    """

    kind: str
    sizes: tuple[float, ...]


@dataclass(frozen=True)
class Training:
    """A student or a teacher whose training can be measured.

    Attributes:
        arm, config: of the student, which say which teacher there is.
        generation: of the teacher; `None` for the student.
        group: replicates that are trained side by side, if the model can.
    """

    arm: Arm
    config: Config
    generation: int | None = None
    group: int = 1


def _kind(**parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)


def _steps(samples: int, batch: int) -> int:
    return ceil(samples / batch)


def student_shape(study: Study, arm: Arm, config: Config, group: int) -> Shape:
    """The shape of a student's training; all arms with the same loss terms share it."""
    model = study.setting.student_model
    own = {name: value for name, value in vars(config).items() if name in model.reads}
    kind = _kind(
        model=canonical(model),
        terms=canonical(arm.terms),
        optimizer=config.optimizer,
        **{name: own.get(name) for name in WORDS},
    )
    sizes = (
        config.samples,
        _steps(config.samples, config.batch_size),
        config.teacher_samples,
        config.validation_samples,
        2.0 ** (own.get("qubits") or 0),
        own.get("depth") or 1,
        group,
    )
    return Shape(kind, tuple(map(float, sizes)))


def teacher_shape(study: Study, arm: Arm, config: Config, generation: int, group: int) -> Shape:
    """The shape of a teacher's training, and of its answers to the student's samples."""
    own = study.setting.decided_by(vars(config), arm, generation)
    kind = _kind(
        model=canonical(study.setting.teacher_of(arm)),
        frozen=arm.teacher == "random",
        taught=generation > 1,
        **{name: own.get(name) for name in WORDS},
    )
    sizes = (
        own["teacher_samples"],
        _steps(own["teacher_samples"], TEACHER_BATCH),
        config.samples,
        own["validation_samples"],
        2.0 ** (own.get("qubits") or 0),
        own.get("depth") or 1,
        group,
    )
    return Shape(kind, tuple(map(float, sizes)))


def shape_of(study: Study, training: Training) -> Shape:
    """The shape of either."""
    if training.generation is None:
        return student_shape(study, training.arm, training.config, training.group)
    return teacher_shape(study, training.arm, training.config, training.generation, training.group)
