"""`Setting`: who teaches whom. `qkd_study.study.settings` has the kinds of it."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from qkd_study.common.errors import InputError
from qkd_study.study.arms import ARMS, Arm
from qkd_study.study.config import PARAMETERS, TERMS
from qkd_study.study.controls import stand_in
from qkd_study.study.external import ExternalTeacher
from qkd_study.study.models import ModelSpec

#: Parameters of which both models have their own if both are quantum: student's -> teacher's.
TEACHERS = {
    p.follows: p.name
    for p in PARAMETERS.values()
    if p.follows and PARAMETERS[p.follows].role == "circuit"
}
#: Parameters of classical students -> those of their classical teachers.
NETWORKS = {name: f"teacher_{name}" for name, what in PARAMETERS.items() if what.role == "network"}
#: Parameters of a student's measurements -> those of its teacher's.
SHOTS = {"shots": "teacher_shots", "test_shots": "teacher_test_shots"}
#: The term by which successive teachers teach each other.
TEACHING = TERMS["soft"]
#: Parameters that a teacher reads if it was taught itself.
TAUGHT = frozenset(TEACHING.reads)

#: Shapes of samples: features, grey images, images of three channels.
TYPICAL_SHAPES = ((64,), (28, 28), (3, 32, 32))


class Setting(ABC):
    """Who teaches whom.

    Attributes:
        kind: for messages.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def student_model(self) -> ModelSpec:
        """The model that is trained in every run."""

    @property
    @abstractmethod
    def teacher_model(self) -> ModelSpec:
        """The model that teaches it."""

    @property
    def classical_teacher(self) -> ModelSpec | None:
        """The classical counterpart of a quantum teacher, for the control; `None` without one."""
        return None

    def student_of(self, arm: Arm) -> ModelSpec:
        """The student of an arm: the setting's, or a stand-in of a quantum one.

        Raises:
            InputError: the control has no meaning in this setting.
        """
        if arm.student == "own":
            return self.student_model
        found = stand_in(self.student_model, arm.student)
        if found is None:
            others = [
                name
                for name, other in ARMS.items()
                if other.student != "own" and stand_in(self.student_model, other.student)
            ]
            why = _why_none(self.student_model, "student")
            article = "an" if arm.student == "effective" else "a"
            raise InputError(
                f"arm {arm.name!r} asks for {article} {arm.student} student in place of the "
                f"quantum one, but the setting ({self.kind}) has none: {why}. Arms with another "
                f"student that it has: {', '.join(others) or 'none'}."
            )
        return found

    def teacher_of(self, arm: Arm) -> ModelSpec:
        """The teacher of an arm: the setting's, or a control's.

        Raises:
            InputError: the control has no meaning in this setting.
        """
        found = self._teacher(arm)
        if found is None:
            others = [
                name
                for name, other in ARMS.items()
                if other.teacher != "own" and self._teacher(other) is not None
            ]
            if isinstance(self.teacher_model, ExternalTeacher):
                raise InputError(
                    f"arm {arm.name!r} asks for a {arm.teacher} teacher in place of the setting's, "
                    f"but {type(self.teacher_model).__name__} was trained elsewhere, so there is "
                    f"no such one. Arms with another teacher that the setting ({self.kind}) has: "
                    f"{', '.join(others)}."
                )
            article = "another" if arm.teacher == "kernel" else f"a {arm.teacher}"
            why = _why_none(self.teacher_model, "teacher")
            if arm.teacher == "classical":
                why = self._why_no_counterpart()
            raise InputError(
                f"arm {arm.name!r} asks for {article} teacher in place of the quantum one, but "
                f"the setting ({self.kind}) has none: {why}. Arms with another teacher that it "
                f"has: {', '.join(others)}."
            )
        return found

    def _why_no_counterpart(self) -> str:
        """Why there is no classical teacher."""
        if not self.teacher_model.quantum:
            return "its teacher is classical already"
        of = f"no counterpart of {type(self.teacher_model).__name__} was declared"
        return f"{of} (classical=Mlp((8,)))" if hasattr(self, "classical") else of

    def _teacher(self, arm: Arm) -> ModelSpec | None:
        match arm.teacher:
            case "self":
                return self.student_of(arm)
            case "random" if isinstance(self.teacher_model, ExternalTeacher):
                return None  # nothing of it is trained here
            case "own" | "random":
                return self.teacher_model
            case "classical":
                return self.classical_teacher
        return stand_in(self.teacher_model, arm.teacher)

    def trains_teacher(self, arm: Arm) -> bool:
        """Whether an arm's teacher is trained here, and not elsewhere."""
        return not isinstance(self.teacher_of(arm), ExternalTeacher)

    def features_alike(self, values: Mapping[str, Any], arm: Arm) -> bool:
        """Whether feature maps of student and teacher have the same shape for all samples."""
        own = self.of_teacher(values, arm)
        models = (self.student_of(arm), values), (self.teacher_of(arm), own)
        same = []
        for shape in TYPICAL_SHAPES:
            with contextlib.suppress(InputError):  # a model does not take such samples
                student, teacher = (model.feature_shape(given, shape) for model, given in models)
                same.append(student is not None and student == teacher)
        return bool(same) and all(same)

    def read_by_teacher(self, arm: Arm, generation: int) -> list[str]:
        """The parameters on which the teacher of an arm depends, by their names in a study."""
        reads, own = self.teacher_of(arm).reads, self.has_own_circuit(arm)
        circuit = (teachers for name, teachers in TEACHERS.items() if own and name in reads)
        networks = NETWORKS if self.has_own_network(arm) else {}
        apart = {**networks, **SHOTS}
        names = (apart.get(name, name) for name in self._teacher_reads(arm, generation))
        return [*names, *circuit]

    def _teacher_reads(self, arm: Arm, generation: int) -> list[str]:
        if not self.trains_teacher(arm):
            return []
        reads = self.teacher_of(arm).reads | (TAUGHT if generation > 1 else frozenset())
        # A teacher does not depend on later ones.
        apart = {*TEACHERS.values(), *NETWORKS.values(), *SHOTS.values(), "generations"}
        built_in = [
            name
            for name, what in PARAMETERS.items()
            if (what.role in ("teacher", "both") or name in reads) and name not in apart
        ]
        return [*built_in, *(one.name for one in self.teacher_of(arm).declares)]

    def decided_by(self, values: Mapping[str, Any], arm: Arm, generation: int) -> dict[str, Any]:
        """The values of all parameters on which a teacher of an arm depends.

        Args:
            values: parameters by name.
            arm: of the teacher.
            generation: of the teacher, counted from 1.
        """
        own = self.of_teacher(values, arm)
        found = {name: own[name] for name in self._teacher_reads(arm, generation)}
        for name in (*SHOTS, "gradient"):  # so that a recipe without shots is as before them
            if name in found and own["shots" if name == "gradient" else name] is None:
                del found[name]
        return found

    def has_own_circuit(self, arm: Arm) -> bool:
        """Whether an arm's teacher has a circuit apart from the student's: see `TEACHERS`."""
        if arm.teacher == "self" or not self.student_model.quantum:
            return False
        return not self.teacher_of(arm).reads.isdisjoint(TEACHERS)

    def has_own_network(self, arm: Arm) -> bool:
        """Whether an arm's teacher has an activation, width and dropout apart from a student's."""
        return arm.teacher != "self"

    def of_teacher(self, values: Mapping[str, Any], arm: Arm) -> dict[str, Any]:
        """The parameters of an arm's teacher, with those of its own circuit.

        `activation`, `hidden` and `dropout` are those with `teacher_` before them, unless the
        teacher is a student. If only the teacher is quantum, `qubits`, `depth`, `reduction`,
        `ansatz` and `embedding` are its own; if both are, those with `teacher_` before them are,
        which default to the former. `shots` and `test_shots` are `teacher_shots` and
        `teacher_test_shots` in any case.
        """
        own = {**values, **{name: values[teachers] for name, teachers in SHOTS.items()}}
        if self.has_own_circuit(arm):
            for name, teachers in TEACHERS.items():
                own[name] = values[name] if values[teachers] is None else values[teachers]
        if self.has_own_network(arm):
            own |= {name: values[teachers] for name, teachers in NETWORKS.items()}
        return own


def _why_none(model: ModelSpec, whose: str) -> str:
    """Why nothing stands in for a model."""
    if model.quantum:
        return f"there is none for {type(model).__name__}"
    return f"its {whose} is classical already"
