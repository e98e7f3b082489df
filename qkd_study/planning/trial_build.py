"""Builds models and loss terms of a study's own and runs them on few samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

from qkd_study.common.errors import InputError, format_error, safe_repr
from qkd_study.data import Dataset
from qkd_study.distill.objective import Objective
from qkd_study.models import Model, Outputs, build_model
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.external import CachedTeacher
from qkd_study.study.models import ModelSpec
from qkd_study.study.study import Study

#: The number of samples.
TRIED = 4


def check_built(study: Study, arm: Arm, config: Config, dataset: Dataset) -> None:
    """Build an arm's student and teacher and compute its loss on a few training samples.

    Raises:
        InputError: a model or loss term fails, or returns a wrong type or shape.
    """
    index = torch.arange(TRIED).numpy()
    inputs = torch.from_numpy(dataset.pool_inputs(index))
    labels = torch.from_numpy(dataset.pool_labels[index])
    states = arm.compares("state")
    student = _outputs(study.setting.student_of(arm), config, dataset, inputs, states)
    if not arm.needs_teacher:
        return
    values: Mapping[str, Any] = study.setting.of_teacher(vars(config), arm)
    teacher = _outputs(
        study.setting.teacher_of(arm), type(config)(**values), dataset, inputs, states
    )
    shapes_differ = student.features.shape != teacher.features.shape
    if arm.compares("features", same_shape=True) and shapes_differ:
        raise InputError(
            f"arm {arm.name!r} compares feature maps, but a sample's are of shape "
            f"{tuple(student.features.shape[1:])} in the student and "
            f"{tuple(teacher.features.shape[1:])} in the teacher."
        )
    for term in arm.own_terms:
        name = getattr(term.function, "__name__", "the arm's own term")
        try:
            value = term.under(config)(student, teacher, labels)
        except Exception as error:
            raise InputError(
                f"{name} of arm {arm.name!r} failed on {TRIED} samples: {format_error(error)}"
            ) from None
        if not _is_tensor(value) or value.ndim != 0 or not value.isfinite():
            raise InputError(
                f"{name} of arm {arm.name!r} must give one finite number as a tensor, but gave "
                f"{safe_repr(value)}."
            )
    try:
        Objective.of(config, arm)(student, labels, teacher)
    except Exception as error:
        raise InputError(
            f"the loss of arm {arm.name!r} failed on {TRIED} samples: {format_error(error)}"
        ) from None


def _is_tensor(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor)


def _outputs(
    of: ModelSpec, config: Config, dataset: Dataset, inputs: Tensor, states: bool
) -> Outputs:
    try:
        model: Model = build_model(of, config, dataset.shape, dataset.classes, seed=0)
        if isinstance(of, CachedTeacher):  # which takes numbers of samples
            inputs = torch.arange(len(inputs))
        model.keeps_state = states
        model.fit(inputs)
        outputs = model(model.prepare(inputs))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{safe_repr(of)} failed on {TRIED} samples of shape {dataset.shape}: "
            f"{format_error(error)}"
        ) from None
    logits = outputs.logits if isinstance(outputs, Outputs) else outputs
    wanted = (len(inputs), dataset.classes)
    if not isinstance(outputs, Outputs) or not _is_tensor(logits) or logits.shape != wanted:
        gave = tuple(logits.shape) if _is_tensor(logits) else safe_repr(logits)
        raise InputError(
            f"{safe_repr(of)} must give Outputs with logits of shape {wanted}: one number for each "
            f"class of {dataset.name}; but gave {gave}."
        )
    features = outputs.features
    if not _is_tensor(features) or features.ndim < 1 or len(features) != len(inputs):
        gave = tuple(features.shape) if _is_tensor(features) else safe_repr(features)
        raise InputError(
            f"{safe_repr(of)} must give Outputs with features of shape ({len(inputs)}, ...), a "
            f"row for "
            f"each sample; but gave {gave}."
        )
    return outputs
