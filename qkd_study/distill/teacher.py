"""`Teacher`: a trained teacher, what its training cost and how it ended, and its outputs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from qkd_study.distill.teacher_ending import TeacherEnding
from qkd_study.models import Outputs, Shots


@dataclass(frozen=True)
class Teacher:
    """A trained teacher and its outputs for a student.

    Attributes:
        train: its outputs for the student's K training samples, then its T transfer samples.
        validation: its logits (V, classes) for the validation samples; empty without any.
        parameters: the number of trained parameters; `None` if only its outputs are known.
        gates: gates of one of its circuits; `None` if unknown.
        backend: the device of its circuits; `torch` for a classical teacher; `None` if unknown.
        plan: their execution plans; `None` for a classical teacher.
        counted: whether its circuit executions are known.
        ending: of its training; `None` if it was trained elsewhere, or by an earlier version.
        shots: of its training, of its teachers' trainings, and of the outputs above.
    """

    train: Outputs
    validation: Tensor
    parameters: int | None
    gates: int | None
    backend: str | None
    plan: str | None
    counted: bool
    shots: Shots
    ending: TeacherEnding | None = None

    @property
    def bytes(self) -> int:
        """The size of its outputs."""
        tensors = (self.validation, *self.train)
        return sum(t.numel() * t.element_size() for t in tensors if t is not None)
