"""Which parameters decide a teacher, and which of them a study may search for teachers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Protocol

from qkd_study.common.errors import InputError, StudyWarning
from qkd_study.study.arms import Arm
from qkd_study.study.reading import Declaration
from qkd_study.study.setting import TEACHERS
from qkd_study.study.space import Range


class TeacherDeclaration(Declaration, Protocol):
    """The part of `qkd_study.study.study.Study` that this module uses."""

    @property
    def teacher_search(self) -> Mapping[str, Range]: ...


def decides_teacher(study: Declaration, arm: Arm, generation: int) -> set[str]:
    """The parameters on which an arm's teacher of a generation depends, as a study declares them.

    A parameter of the teacher that the study does not set has the student's value, so that one
    decides too.
    """
    if not study.setting.trains_teacher(arm):
        return set()
    reads = set(study.setting.read_by_teacher(arm, generation))
    unset = {name for name in reads if not study.sets(name)}
    reads |= {p for name in unset if (p := study.parameters[name].follows) is not None}
    if study.sets("validation_share"):  # the validation samples of both
        reads.add("samples")
    if study.setting.has_own_circuit(arm):
        reads -= {name for name, teachers in TEACHERS.items() if study.sets(teachers)}
    return reads


def teacher_space(study: TeacherDeclaration, arm: Arm) -> dict[str, Range]:
    """The ranges out of `teacher_search` that the teacher of an arm reads; none without one."""
    if not (study.teacher_search and arm.needs_teacher):
        return {}
    decides = decides_teacher(study, arm, 1)
    return {name: space for name, space in study.teacher_search.items() if name in decides}


def check_teacher_search(study: TeacherDeclaration) -> None:
    """Check that a study can search its teachers; warn of teachers that it would not search.

    Raises:
        InputError: no arm has a teacher, none reads a parameter, a student reads it too, or what
            the students search decides the teachers.
    """
    if not study.teacher_search:
        return
    arms = [arm for arm in study.all_arms if arm.needs_teacher]
    if not arms:
        raise InputError(
            f"teacher_search tunes teachers, but no arm of this study has one: "
            f"{', '.join(arm.name for arm in study.all_arms)}. Add one that has, such as 'soft', "
            f"or leave teacher_search out."
        )
    decides = {arm.name: decides_teacher(study, arm, 1) for arm in arms}
    allowed = [name for name in study.parameters if _is_teachers(study, arms, name)]
    for name in study.teacher_search:
        if name not in allowed:
            why = (
                "which students read too"
                if any(name in names for names in decides.values())
                else "which no teacher of this study reads"
            )
            raise InputError(
                f"teacher_search varies {name}, {why}. Allowed here: {', '.join(allowed)}."
            )
    for arm in arms:
        if both := decides[arm.name] & set(study.search):
            raise InputError(
                f"search varies {', '.join(sorted(both))}, on which the teacher of arm "
                f"{arm.name!r} depends, so there is not one teacher to tune. Move it into "
                f"teacher_search, fixed or factors."
            )
    for kind in dict.fromkeys(arm.teacher for arm in arms):
        if not any(teacher_space(study, arm) for arm in arms if arm.teacher == kind):
            warnings.warn(
                f"the {kind} teacher reads nothing of teacher_search, so it is not tuned, but "
                f"others are.",
                StudyWarning,
                stacklevel=4,
            )


def _is_teachers(study: TeacherDeclaration, arms: list[Arm], name: str) -> bool:
    """Whether teachers read a parameter, and students do not."""
    what = study.parameters[name]
    if what.role in ("student", "both") or what.terms:
        return False
    for student in map(study.setting.student_of, study.all_arms):
        if name in student.reads or any(name == one.name for one in student.declares):
            return False
    return any(name in study.setting.read_by_teacher(arm, 1) for arm in arms)
