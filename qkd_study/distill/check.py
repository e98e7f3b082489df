"""What only shows when it is built: models and loss terms of a study's own, run on few samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from qkd_study.data import Dataset
from qkd_study.distill.objective import Objective
from qkd_study.errors import InputError
from qkd_study.models import Model, Outputs, build_model
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.models import ModelSpec
from qkd_study.study.study import Cell, Study

#: Samples that are tried.
TRIED = 4


def check_built(study: Study, cell: Cell, arm: Arm, dataset: Dataset) -> None:
    """Build an arm's student and teacher and compute its loss on a few training samples.

    Raises:
        InputError: a model or loss term fails or gives what cannot be used.
    """
    chosen = {name: space.ends()[0] for name, space in study.space(arm).items()}
    config = study.config(cell, arm, chosen, dataset.name)
    index = torch.arange(TRIED).numpy()
    inputs = torch.from_numpy(dataset.pool_inputs(index))
    labels = torch.from_numpy(dataset.pool_labels[index])
    states = "fidelity" in arm.terms
    student = _outputs(study.setting.student_model, config, dataset, inputs, states)
    if not arm.needs_teacher:
        return
    values: Mapping[str, Any] = study.setting.of_teacher(vars(config), arm)
    teacher = _outputs(study.setting.teacher_of(arm), Config(**values), dataset, inputs, states)
    if "features" in arm.terms and student.features.shape != teacher.features.shape:
        raise InputError(
            f"arm {arm.name!r} compares feature maps, but a sample's are of shape "
            f"{tuple(student.features.shape[1:])} in the student and "
            f"{tuple(teacher.features.shape[1:])} in the teacher."
        )
    for term in arm.own_terms:
        name = getattr(term, "__name__", "the arm's own term")
        try:
            value = term(student, teacher, labels)
        except Exception as error:
            raise InputError(
                f"{name} of arm {arm.name!r} failed on {TRIED} samples: "
                f"{type(error).__name__}: {error}"
            ) from None
        if not isinstance(value, Tensor) or value.ndim != 0 or not value.isfinite():
            raise InputError(
                f"{name} of arm {arm.name!r} must give one finite number as a tensor, but gave "
                f"{value!r}."
            )
    try:
        Objective.of(config, arm)(student, labels, teacher)
    except Exception as error:
        raise InputError(
            f"the loss of arm {arm.name!r} failed on {TRIED} samples: "
            f"{type(error).__name__}: {error}"
        ) from None


def _outputs(
    of: ModelSpec, config: Config, dataset: Dataset, inputs: Tensor, states: bool
) -> Outputs:
    try:
        model: Model = build_model(of, config, dataset.shape, dataset.classes, seed=0)
        model.keeps_state = states
        model.fit(inputs)
        outputs = model(model.prepare(inputs))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{of!r} failed on {TRIED} samples of shape {dataset.shape}: "
            f"{type(error).__name__}: {error}"
        ) from None
    if not isinstance(outputs, Outputs) or outputs.logits.shape != (len(inputs), dataset.classes):
        shape = tuple(outputs.logits.shape) if isinstance(outputs, Outputs) else outputs
        raise InputError(
            f"{of!r} must give Outputs with logits of shape ({len(inputs)}, {dataset.classes}): "
            f"one number for each class of {dataset.name}; but gave {shape}."
        )
    if not isinstance(outputs.features, Tensor) or len(outputs.features) != len(inputs):
        raise InputError(
            f"{of!r} must give Outputs with features of shape ({len(inputs)}, ...), a row for each "
            f"sample; but gave {outputs.features!r}."
        )
    return outputs
