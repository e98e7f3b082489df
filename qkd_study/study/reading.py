"""Which parameters a run reads. Others are null in its row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from qkd_study.study.arms import Arm
from qkd_study.study.models import Ensemble, Own
from qkd_study.study.own_parameters import together
from qkd_study.study.parameters import Parameter
from qkd_study.study.setting import NETWORKS, SHOTS, TAUGHT, TEACHERS, Setting
from qkd_study.study.space import Range


class Declaration(Protocol):
    """The part of `qkd_study.study.study.Study` that this module uses."""

    @property
    def setting(self) -> Setting: ...
    @property
    def parameters(self) -> Mapping[str, Parameter]: ...
    @property
    def generations(self) -> int: ...
    @property
    def search(self) -> Mapping[str, Range]: ...
    @property
    def factors(self) -> Mapping[str, Any]: ...
    @property
    def all_arms(self) -> Sequence[Arm]: ...

    def sets(self, name: str) -> bool: ...
    def space(self, arm: Arm) -> Mapping[str, Range]: ...
    def cells(self) -> Sequence[Any]: ...
    def extremes(self, cell: Any) -> Sequence[Mapping[str, Any]]: ...
    def resolved(self, values: Mapping[str, Any], arm: Arm) -> Mapping[str, Any]: ...


def declared_by(setting: Setting, arms: object) -> dict[str, Parameter]:
    """The parameters that a study declares itself: those of its models and of its loss terms.

    Raises:
        InputError: two that differ have one name.
    """
    models = (setting.student_model, setting.teacher_model, setting.classical_teacher)
    of_models = [one for model in models if model is not None for one in model.declares]
    given = arms if isinstance(arms, tuple | list) else ()
    terms = (term for arm in given if isinstance(arm, Arm) for term in arm.own_terms)
    return together([*of_models, *(one for term in terms for one in term.parameters)])


def reads(study: Declaration, arm: Arm, what: Parameter) -> bool:
    """Whether some runs of an arm depend on a parameter."""
    if _by_term(arm, what):
        return True
    if what.role == "declared":
        models = [study.setting.student_of(arm)]
        models += [study.setting.teacher_of(arm)] if arm.needs_teacher else []
        return any(what.name == one.name for model in models for one in model.declares)
    trains_teacher = arm.needs_teacher and study.setting.trains_teacher(arm)
    if what.name in TAUGHT and trains_teacher and study.generations > 1:
        return True
    if what.terms:
        return False
    if what.unlabelled:
        return any(not term.labels for term in arm.comparisons)
    if what.name == "gradient":
        return _estimates_gradients(study, arm, trains_teacher)
    if what.role in ("student", "both"):
        return _matters(study, arm, what)
    if what.role in ("circuit", "network") and what.name in study.setting.student_of(arm).reads:
        return True
    if not trains_teacher:
        return False
    if what.name in (*TEACHERS.values(), *NETWORKS, *NETWORKS.values(), *SHOTS, *SHOTS.values()):
        return what.name in study.setting.read_by_teacher(arm, study.generations)
    return what.role == "teacher" or what.name in study.setting.teacher_of(arm).reads


def _by_term(arm: Arm, what: Parameter) -> bool:
    """Whether a loss term of an arm reads a parameter, or is weighed by it."""
    if not set(what.terms).isdisjoint(arm.term_names):
        return True
    return any(what.name in term.term.reads for term in arm.own_terms)


def _estimates_gradients(study: Declaration, arm: Arm, trains_teacher: bool) -> bool:
    """Whether student or teacher are circuits that are trained with shots."""
    models = {"shots": study.setting.student_of(arm)}
    if trains_teacher:
        models["teacher_shots"] = study.setting.teacher_of(arm)
    return any(study.sets(shots) and "gradient" in of.reads for shots, of in models.items())


def _matters(study: Declaration, arm: Arm, what: Parameter) -> bool:
    """Whether an arm's student can have the optimiser with which a parameter is read."""
    other, allowed = what.only_with or ("", ())
    if what.name == "optimizer":
        return arm.optimizer is None
    if other != "optimizer":
        return True
    if callable(arm.optimizer):  # it is unknown what a function of the study's own reads
        return study.sets(what.name)
    if arm.optimizer is not None:
        return arm.optimizer in allowed
    if other in study.search:
        return True
    return any(
        values[other] in allowed for cell in study.cells() for values in study.extremes(cell)[:1]
    )


def reads_with(study: Declaration, arm: Arm, name: str, values: Mapping[str, Any]) -> bool:
    """Whether a run of an arm depends on a parameter, given all values of that run."""
    what = study.parameters[name]
    if not reads(study, arm, what):
        return False
    if not _is_known(study, arm, name):
        return False
    if what.only_with is not None:
        other, allowed = what.only_with
        if other == "optimizer" and callable(arm.optimizer):
            return True
        of_teacher = arm.needs_teacher and values.get(TEACHERS.get(other, "")) in allowed
        return values[other] in allowed or of_teacher or (what.role == "both" and arm.needs_teacher)
    if name in TAUGHT and not _by_term(arm, what):
        return bool(values["generations"] > 1)
    return True


def _is_known(study: Declaration, arm: Arm, name: str) -> bool:
    """Whether a declared model reads a parameter of circuits, or the study itself sets it.

    It is unknown which ones a quantum model of the study's own reads.
    """
    base = name.removeprefix("teacher_") if name in TEACHERS.values() else name
    if study.parameters[base].role != "circuit":
        return True
    models = [study.setting.teacher_of(arm)] if arm.needs_teacher else []
    if name == base:
        models.append(study.setting.student_of(arm))
    inner = [model.of if isinstance(model, Ensemble) else model for model in models]
    if not all(isinstance(model, Own) for model in inner if base in model.reads):
        return True
    return study.sets(name) or study.sets(base)


def only_read(study: Declaration, arm: Arm, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run, null if nothing reads them; searched values stay."""
    result, space = dict(values), study.space(arm)
    for name, what in study.parameters.items():
        if name not in space and not reads_with(study, arm, name, values):
            result[name] = what.unread(values[name])
    return result


def unread(study: Declaration, names: Iterable[str]) -> list[str]:
    """Those of some parameters that the study sets on which no run of any arm depends."""
    found = []
    for name in names:
        arms = [arm for arm in study.all_arms if reads(study, arm, study.parameters[name])]
        other, _ = study.parameters[name].only_with or (None, ())
        if arms and (other is None or other in study.search):
            continue
        if not any(
            reads_with(study, arm, name, {**values, **study.resolved(values, arm)})
            for arm in arms
            for cell in study.cells()
            for values in study.extremes(cell)[:1]
        ):
            found.append(name)
    return found
