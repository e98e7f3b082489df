"""`TeacherSearch`: the search for the best configuration of a teacher, before its students run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.parameters import Value
from qkd_study.study.setting import TEACHERS
from qkd_study.study.space import Range
from qkd_study.study.study import Cell, Study
from qkd_study.study.teacher_reading import decides_teacher, teacher_space

#: What a teacher's configuration holds beside what the teacher reads.
_NEEDED = frozenset({"dataset", "seed", "samples", "generations"})


@dataclass(frozen=True)
class TeacherSearch:
    """The search for the best teacher of one kind on the same data.

    Attributes:
        cell: the values of those factors that the teacher reads.
        arm: its name is the kind of the teacher; see `teacher_kind`.
        space: the ranges that the teacher reads.
        within: one of the study's cells in which this teacher is used.
    """

    cell: Cell
    arm: Arm
    space: Mapping[str, Range]
    within: Cell

    @property
    def key(self) -> tuple[str, str]:
        """Cell and arm in the tables."""
        return self.cell.key, self.arm.name

    def config(self, study: Study, chosen: Mapping[str, Value], dataset: str) -> Config:
        """The configuration of a teacher; null where the first teacher does not read a parameter.

        All its samples count as the student's, so that it does not depend on a student.
        """
        config = study.config(self.within, self.arm, chosen, dataset)
        found = vars(config)
        reads = {*study.setting.read_by_teacher(self.arm, 1), *self.space, *_NEEDED}
        if study.setting.has_own_circuit(self.arm):
            reads -= TEACHERS.keys()
        values = {f.name: found[f.name] if f.name in reads else None for f in fields(config)}
        return type(config)(**values | {"samples": values["teacher_samples"], "generations": 1})


def teacher_kind(arm: Arm) -> str:
    """The kind of an arm's teacher: that of `Arm.teacher`, and of which student if of its kind."""
    of_another = arm.teacher == "self" and arm.student != "own"
    return f"{arm.teacher}-{arm.student}" if of_another else arm.teacher


class TeacherSearches:
    """The searches for the teachers of a study; what an arm's teacher reads is found once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._of_arm: dict[str, tuple[dict[str, Range], set[str]]] = {}

    def of(self, cell: Cell, arm: Arm) -> TeacherSearch | None:
        """The search for the teacher of an arm in a cell; `None` if there is nothing to search."""
        if arm.name not in self._of_arm:
            space = teacher_space(self._study, arm)
            decides = decides_teacher(self._study, arm, 1) if space else set[str]()
            self._of_arm[arm.name] = space, decides
        space, decides = self._of_arm[arm.name]
        if not space:
            return None
        part = Cell(tuple((name, value) for name, value in cell.values if name in decides))
        student = arm.student if arm.teacher == "self" else "own"
        of = Arm(teacher_kind(arm), ("soft",), arm.teacher, student=student)
        return TeacherSearch(part, of, space, cell)

    def all(self) -> list[TeacherSearch]:
        """Every search, once, in the order of cells and arms."""
        found: dict[tuple[str, str], TeacherSearch] = {}
        for cell in self._study.cells() if self._study.teacher_search else ():
            for arm in self._study.all_arms:
                search = self.of(cell, arm)
                if search is not None:
                    found.setdefault(search.key, search)
        return list(found.values())


def teacher_searches(study: Study) -> list[TeacherSearch]:
    """Every search for a teacher of a study; see `TeacherSearches.all`."""
    return TeacherSearches(study).all()
