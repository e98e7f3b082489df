"""Shapes of trainings: configurations of one shape cost the same per epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from qkd_study.distill.teacher_spec import BATCH_SIZE
from qkd_study.study.arms import Arm
from qkd_study.study.canonical import canonical
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.study import Study

#: Parameters of models that are no numbers and change the cost.
UNORDERED = (
    "ansatz",
    "reduction",
    "embedding",
    "device",
    "precision",
    "plan",
    "activation",
    "noise_in",
    "mitigation",
)
#: Every parameter that the cost of a run depends on.
COSTLY = frozenset(p.name for p in PARAMETERS.values() if p.changes_time)


@dataclass(frozen=True)
class Shape:
    """All that the cost of a training per epoch depends on.

    Attributes:
        kind: what is no number, as JSON.
        sizes: positive numbers; the cost is smooth in their logarithms.
    """

    kind: str
    sizes: tuple[float, ...]


@dataclass(frozen=True)
class Training:
    """A student or a teacher whose training can be measured.

    Attributes:
        arm, config: of the student; they determine the teacher.
        generation: of the teacher; `None` for the student.
        group: replicates that are trained in one batch.
    """

    arm: Arm
    config: Config
    generation: int | None = None
    group: int = 1

    @property
    def epochs(self) -> int:
        """How many it has."""
        return self.config.epochs if self.generation is None else self.config.teacher_epochs

    @property
    def validations(self) -> int:
        """How many of them are validated: the last is."""
        if self.generation is None and self.config.epoch_choice == "last":
            return 1
        return ceil(self.epochs / (self.config.validate_every or 1))

    @property
    def validates_all(self) -> bool:
        """Whether every epoch is validated."""
        return self.validations == self.epochs


def as_labelled(config: Config) -> Config:
    """A configuration whose student costs as much, with labels instead of transfer samples."""
    if not config.transfer_samples:
        return config
    samples = config.samples + config.transfer_samples
    return replace(
        config,
        samples=samples,
        teacher_samples=max(config.teacher_samples, samples),
        batch_size=ceil(samples / ceil(config.samples / config.batch_size)),
        transfer_samples=0,
    )


def shape_of(study: Study, training: Training) -> Shape:
    """The shape of a training; all arms with the same loss terms share that of the student."""
    arm, config, setting = training.arm, training.config, study.setting
    own: Mapping[str, Any]
    if training.generation is None:
        model = setting.student_of(arm)
        own = {name: value for name, value in vars(config).items() if name in model.reads}
        kind = {"terms": canonical(arm.terms), "optimizer": config.optimizer}
        config = as_labelled(config)
        if callable(arm.optimizer):
            kind["optimizer"] = canonical(arm.optimizer)
        samples, batch, answered = config.samples, config.batch_size, config.teacher_samples
        validation = config.validation_samples
    else:
        model = setting.teacher_of(arm)
        own = setting.decided_by(vars(config), arm, training.generation)
        kind = {"frozen": arm.teacher == "random", "taught": training.generation > 1}
        samples, batch, answered = own["teacher_samples"], BATCH_SIZE, config.samples
        validation = own["validation_samples"]
    kind["validates_all"] = training.validates_all
    kind |= {"model": canonical(model), **{name: own.get(name) for name in UNORDERED}}
    if DATASET in study.factors:
        kind[DATASET] = config.dataset
    kind |= {one.name: vars(config)[one.name] for one in model.declares if one.kind != "int"}
    kind["drops"], kind["noisy"] = bool(own.get("dropout")), bool(own.get("noise_scale"))
    wires, depth = 2.0 ** (own.get("qubits") or 0), own.get("depth") or 1
    sizes = samples, ceil(samples / batch), answered, validation, wires, depth, training.group
    width = own.get("hidden") or 1
    counts = [max(vars(config)[one.name] or 1, 1) for one in model.declares if one.kind == "int"]
    return Shape(json.dumps(kind, sort_keys=True), tuple(map(float, (*sizes, width, *counts))))
