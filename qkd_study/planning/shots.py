"""Checks of shots, before anything trains: what has amplitudes only cannot be measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qkd_study.common.errors import InputError
from qkd_study.study.arms import Arm
from qkd_study.study.models import ModelSpec
from qkd_study.study.study import Study


def check_shots(study: Study, arm: Arm, values: Mapping[str, Any]) -> None:
    """Check an arm against the shots that a study sets.

    Args:
        study: to check.
        arm: of it.
        values: of all parameters, resolved.

    Raises:
        InputError: a loss needs amplitudes, which shots do not give, or a trained layer stands in
            front of an embedding that has no shift rule.
    """
    student = study.setting.student_of(arm)
    _check_inputs(student, "shots", study, values)
    if not arm.needs_teacher:
        return
    teacher = study.setting.teacher_of(arm)
    if study.setting.trains_teacher(arm):
        own = study.setting.of_teacher(values, arm)
        _check_inputs(teacher, "teacher_shots", study, own)
    if not arm.compares("state"):
        return
    for name, model in (("shots", student), ("teacher_test_shots", teacher)):
        if study.sets(name) and "shots" in model.reads:
            raise InputError(
                f"arm {arm.name!r} compares amplitudes of final states, but with {name} there are "
                f"only measured frequencies. Leave {name} out, or take an arm that compares "
                f"logits or features, such as 'soft'."
            )


def _check_inputs(model: ModelSpec, name: str, study: Study, values: Mapping[str, Any]) -> None:
    if not study.sets(name) or not {"shots", "reduction"} <= model.reads:
        return
    if values["reduction"] == "linear" and values["embedding"] == "amplitude":
        raise InputError(
            f"reduction='linear' is trained, but with {name} there is no gradient with respect to "
            f"the amplitudes of embedding='amplitude'. Take embedding='angle', another reduction, "
            f"or leave {name} out."
        )
