"""A student without its study file: its own ansatze are recorded circuits."""

from __future__ import annotations

from dataclasses import fields, replace

from qkd_study.common.errors import InputError
from qkd_study.common.seeds import derive
from qkd_study.students.declared import written
from qkd_study.students.recorded import circuits_of, recorded
from qkd_study.students.student import Student
from qkd_study.students.weights import description, digest_of, restored, weights_of
from qkd_study.study.config import Config


def without_study(student: Student) -> Student:
    """The same student with the circuits of its own ansatze in place of their functions.

    Returns:
        `student` itself if its weights can be read without its study file already.

    Raises:
        InputError: another part of it is code of the study file, or an ansatz gives several
            circuits.
    """
    if description(student.weights)["model"] is not None:
        return student
    spec = student.spec
    seed = derive(spec.config.seed, spec.replicate, "student weights")
    model = recorded(spec.model, spec.config, spec.shape, spec.classes, seed)
    about = student.about
    from_run = (
        f"Take it from its run: qkd_study.load(RUN).student(cell={about['cell']!r}, "
        f"arm={about['arm']!r}, replicate={about['replicate']})."
    )
    if written(model) is None:
        raise InputError(
            f"the student of arm {about['arm']!r} is defined in the study file, as a whole or in a "
            f"part that is no ansatz, so that an export would not load without that file. "
            f"{from_run}"
        )
    config = Config(**{one.name: getattr(spec.config, one.name) for one in fields(Config)})
    body = weights_of(replace(spec, model=model, config=config), student.model)
    assert body is not None  # as it was for the run
    spec, again = restored(body)
    if circuits_of(again) != circuits_of(student.model):
        raise InputError(
            f"the ansatz of arm {about['arm']!r} gave several circuits, one for each of the "
            f"student's parts, and an export has one. {from_run}"
        )
    return Student(spec, again, body, {**about, "sha256": digest_of(body)})
