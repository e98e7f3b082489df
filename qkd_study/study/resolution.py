"""Values of a configuration that follow from its other values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qkd_study.common.errors import InputError
from qkd_study.study.arms import Arm
from qkd_study.study.config import OWN
from qkd_study.study.models import ModelSpec
from qkd_study.study.noise import NOISE
from qkd_study.study.setting import NETWORKS, TEACHERS, Setting


def resolved_values(setting: Setting, values: Mapping[str, Any], arm: Arm) -> dict[str, Any]:
    """Values that follow from other parameters, such as `embedding`, checked.

    Args:
        setting: who teaches whom.
        values: of all parameters, by name.
        arm: whose student is trained.

    Raises:
        InputError: a circuit cannot work, or the arm's teacher does not exist.
    """
    found: dict[str, Any] = {}
    if arm.optimizer is not None:
        found["optimizer"] = OWN if callable(arm.optimizer) else arm.optimizer
    student = setting.student_of(arm)
    if student.embeds:
        found["embedding"] = student.embedding(values)
    found |= student.network(values)
    if arm.needs_teacher:
        teacher = setting.teacher_of(arm)
        if values["generations"] > 1 and not setting.trains_teacher(arm):
            raise InputError(
                f"generations={values['generations']} trains teachers in a row, but "
                f"{type(teacher).__name__}, the teacher of arm {arm.name!r}, was trained "
                f"elsewhere. Allowed with it: generations=1."
            )
        own = setting.of_teacher({**values, **found}, arm)
        if teacher.embeds and setting.has_own_circuit(arm):
            own["embedding"] = _embedding_of_own_circuit(teacher, own, arm)
        elif teacher.embeds:  # the student's embedding is the teacher's, if it has one
            found["embedding"] = own["embedding"] = teacher.embedding(own)
        for name, teachers in TEACHERS.items():
            found[teachers] = own[name]
        if setting.has_own_network(arm):
            of_network = teacher.network(own)
            found |= {NETWORKS[name]: value for name, value in of_network.items()}
    return found


def _embedding_of_own_circuit(teacher: ModelSpec, own: Mapping[str, Any], arm: Arm) -> str:
    """The embedding of a teacher whose circuit has parameters apart from the student's."""
    try:
        return teacher.embedding(own)
    except InputError as error:
        # Parameters of noise are read only where there is some.
        unread = NOISE - teacher.reads
        names = [teachers for name, teachers in TEACHERS.items() if name not in unread]
        raise InputError(
            f"{error} This is about {type(teacher).__name__}, the teacher of arm {arm.name!r}, "
            f"whose circuit {', '.join(names)} set."
        ) from None
