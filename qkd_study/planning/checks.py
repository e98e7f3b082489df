"""Checks of a study against the dataset it gets, before anything trains."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

from qkd_study.common.errors import InputError, StudyWarning
from qkd_study.common.memory import check_memory
from qkd_study.data import Data, Dataset, Datasets, check_draw
from qkd_study.planning.external import check_external, external_features
from qkd_study.planning.shots import check_shots
from qkd_study.study.arms import Arm
from qkd_study.study.circuits import Quanvolution
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.external import ExternalTeacher
from qkd_study.study.matched import EffectiveMlp
from qkd_study.study.models import Ensemble, ModelSpec, Own
from qkd_study.study.qnodes import PennyLaneModel
from qkd_study.study.sizes import misfit
from qkd_study.study.study import Cell, Study


def check_study(study: Study, data: Data) -> None:
    """Check every cell at the ends of every searched range.

    Raises:
        InputError: a draw, a model or a comparison of two models cannot work, or does not fit into
            memory; the message names the cell.
    """
    devices = {values["device"] for cell in study.cells() for values in study.extremes(cell)}
    for device in devices:
        _check_device(device)
    for dataset in data.parts if isinstance(data, Datasets) else (data,):
        check_external(study, dataset)
    tried: set[object] = set()
    for cell in study.cells():
        dataset = _of_cell(data, cell)
        try:
            for values in study.extremes(cell):
                check_draw(
                    dataset,
                    values["samples"],
                    values["teacher_samples"],
                    values["validation_samples"],
                    values["transfer_samples"],
                )
                for arm in study.all_arms:
                    _check_arm(study, arm, values, dataset)
            for arm in study.all_arms:
                _check_built(study, cell, arm, dataset, tried)
        except InputError as error:
            where = f" (cell {cell.key})" if study.factors else ""
            raise InputError(f"{error}{where}") from None
    for dataset in data.parts:
        _warn_of_sizes(study, data, dataset)


def _of_cell(data: Data, cell: Cell) -> Dataset:
    """The dataset of a cell."""
    return data.named(str(dict(cell.values).get(DATASET, "")))


def _warn_of_sizes(study: Study, data: Data, dataset: Dataset) -> None:
    """Warn, once, of features that are far larger or smaller than a model can be trained on."""
    expected = set()
    for cell in study.cells():
        if _of_cell(data, cell) is not dataset:
            continue
        for values in study.extremes(cell):
            for arm in study.all_arms:
                own = {**values, **study.resolved(values, arm)}
                expected.add(study.setting.student_of(arm).expects(own))
                if arm.needs_teacher:
                    teachers = study.setting.of_teacher(own, arm)
                    expected.add(study.setting.teacher_of(arm).expects(teachers))
    if message := misfit(dataset, (one for one in expected if one is not None)):
        warnings.warn(message, StudyWarning, stacklevel=2)


def _check_device(name: str) -> None:
    if name == "lightning.qubit":  # always installed; importing PennyLane takes seconds
        return
    from qkd_study.quantum.device import check_device

    try:
        check_device(name)
    except ValueError as error:
        raise InputError(f"{error}") from None


def _check_arm(study: Study, arm: Arm, values: Mapping[str, Any], dataset: Dataset) -> None:
    student = study.setting.student_of(arm)
    values = {**values, **study.resolved(values, arm)}
    _check_model(student, values, dataset, "student")
    check_shots(study, arm, values)
    if isinstance(student, EffectiveMlp):
        from qkd_study.models import effective_widths  # needs torch

        searched = study.space(arm).get("activation")
        for activation in searched.ends() if searched else (values["activation"],):
            given = {**values, "activation": activation}
            effective_widths(student, given, dataset.shape, dataset.classes)
    if not arm.needs_teacher:
        return
    teacher, own = study.setting.teacher_of(arm), study.setting.of_teacher(values, arm)
    _check_model(teacher, own, dataset, f"teacher of arm {arm.name!r}")
    if arm.compares("features", same_shape=True):
        shapes = [
            external_features(model, dataset)
            if isinstance(model, ExternalTeacher)
            else model.feature_shape(of, dataset.shape)
            for model, of in ((student, values), (teacher, own))
        ]
        if None not in shapes and shapes[0] != shapes[1]:
            raise InputError(
                f"arm {arm.name!r} compares feature maps, but those of the student, "
                f"{type(student).__name__}, are of shape {shapes[0]} and those of the teacher, "
                f"{type(teacher).__name__}, of shape {shapes[1]}. Take arms without `features`, or "
                f"`relational`, which compares samples with each other."
            )
    if arm.compares("state"):
        for model, of in ((student, values), (teacher, own)):
            if _is_noisy(model, of):
                raise InputError(
                    f"arm {arm.name!r} compares amplitudes, but {type(model).__name__} has noise, "
                    f"which leaves no pure state. Take another loss term, or noise_scale=0."
                )
            if not model.quantum or isinstance(model, Quanvolution | Ensemble | PennyLaneModel):
                raise InputError(
                    f"arm {arm.name!r} compares quantum states, but {type(model).__name__} has no "
                    f"final state."
                )
        if arm.compares("state", same_shape=True) and values["qubits"] != own["qubits"]:
            raise InputError(
                f"arm {arm.name!r} compares quantum states, but the student has qubits="
                f"{values['qubits']} and the teacher qubits={own['qubits']}: they must be equal."
            )


def _is_noisy(model: ModelSpec, values: Mapping[str, Any]) -> bool:
    return getattr(_inner(model), "noise", None) is not None and bool(values["noise_scale"])


def _check_model(model: ModelSpec, values: Mapping[str, Any], dataset: Dataset, whose: str) -> None:
    try:
        model.check(values, dataset.shape, dataset.classes)
    except InputError as error:
        kind = type(model).__name__
        if kind in str(error):
            raise
        raise InputError(f"{error} This is about {kind}, the {whose}.") from None
    if _is_noisy(model, values):
        from qkd_study.planning.noise import check_noisy_model  # needs torch

        check_noisy_model(_inner(model), values, dataset, teaches=whose != "student")
    if model.quantum:
        check_memory(
            values["qubits"],
            lambda n: model.embedding_numbers({**values, "qubits": n}, dataset.shape),
            max(values["teacher_samples"], values["samples"] + values["transfer_samples"])
            + values["validation_samples"],
            matrices=isinstance(_inner(model), Quanvolution),
        )


def _check_built(study: Study, cell: Cell, arm: Arm, dataset: Dataset, tried: set[object]) -> None:
    """Build and train the study's own models and loss terms on few samples."""
    models = [study.setting.student_of(arm)]
    if arm.needs_teacher:
        models.append(study.setting.teacher_of(arm))
    for model in models:
        _check_overrides(model)
    if arm.own_terms or callable(arm.optimizer) or any(map(_has_own_code, models)):
        from qkd_study.planning.rehearsal import rehearse
        from qkd_study.planning.trial_build import check_built

        lowest = {name: space.ends()[0] for name, space in study.space(arm).items()}
        config = study.config(cell, arm, lowest, dataset.name)
        check_built(study, arm, config, dataset)
        rehearse(study, cell, arm, config, dataset, tried)


def _has_own_code(model: ModelSpec) -> bool:
    """Whether a model uses code that is not of this package."""
    parts = (model, _inner(model))
    return any(
        isinstance(part, Own | PennyLaneModel)
        or getattr(part, "ansatz", None) is not None
        or not type(part).__module__.startswith("qkd_study.")
        for part in parts
    )


def _check_overrides(model: ModelSpec) -> None:
    """Check that a subclass of a declared model sets no field where it has no effect."""
    kind, inner = type(model), _inner(model)
    if dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            if getattr(kind, field.name, field.default) is not field.default:
                raise InputError(
                    f"{kind.__name__} sets {field.name} without effect: write @dataclass("
                    f"frozen=True) above `class {kind.__name__}`, and {field.name} with its type."
                )
    if inner is not model:
        _check_overrides(inner)


def _inner(model: ModelSpec) -> ModelSpec:
    """A model, or the model of an ensemble's members."""
    return model.of if isinstance(model, Ensemble) else model
