"""`StudentSpec`: all that a student is built from, apart from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.common.errors import InputError
from qkd_study.common.seeds import derive
from qkd_study.data import Dataset
from qkd_study.data.dataset import scaled
from qkd_study.models import Model, build_model
from qkd_study.students.declared import read, written
from qkd_study.study.config import Config
from qkd_study.study.models import ModelSpec
from qkd_study.study.own_parameters import config_kind


@dataclass(frozen=True)
class StudentSpec:
    """All that a student is built from, apart from its weights.

    Attributes:
        model: the declaration.
        config: its parameters.
        shape: of a sample.
        classes: how many.
        max_value: by which samples are divided; see `Dataset`.
        mean, spread: by which they were standardised; empty if they were not.
        replicate: with the seed of `config` it fixes what is drawn when the student is built.
    """

    model: ModelSpec
    config: Config
    shape: tuple[int, ...]
    classes: int
    max_value: float
    replicate: int
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    @classmethod
    def of(cls, model: ModelSpec, config: Config, dataset: Dataset, replicate: int) -> StudentSpec:
        """The student of a run."""
        data = dataset.shape, dataset.classes, float(dataset.max_value)
        return cls(model, config, *data, replicate, dataset.mean, dataset.spread)

    def build(self) -> Model:
        """The student with its initial weights."""
        return build_model(
            self.model,
            self.config,
            self.shape,
            self.classes,
            seed=derive(self.config.seed, self.replicate, "student weights"),
        )

    def scaled(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Samples (n, *shape) as they are in the data, as the model gets them."""
        if self.mean:
            mean, spread = (self._by_channel(values) for values in (self.mean, self.spread))
            samples = (samples.astype(np.float32) - mean) / spread
        return scaled(samples, self.max_value)

    def _by_channel(self, values: tuple[float, ...]) -> NDArray[np.float64]:
        """One number per feature, per channel or for all, in a shape that fits (n, *shape)."""
        return np.array(values).reshape(-1, *[1] * (len(self.shape) - 1))

    def described(self) -> dict[str, Any]:
        """As JSON values; the model is null if it is defined in the study file."""
        return {
            "model": written(self.model),
            "config": asdict(self.config),
            "shape": list(self.shape),
            "classes": self.classes,
            "max_value": self.max_value,
            "replicate": self.replicate,
            "mean": list(self.mean),
            "spread": list(self.spread),
        }

    @classmethod
    def from_description(
        cls, values: Mapping[str, Any], own: ModelSpec | None = None
    ) -> StudentSpec:
        """The student that `described` gave.

        Args:
            values: the description.
            own: the declaration, if it is defined in the study file.

        Raises:
            InputError: it is defined in the study file, but `own` is not given; or the description
                is not one.
        """
        try:
            declared = values["model"]
            if declared is None and own is None:
                raise InputError(
                    "this student's model, or a part of it, is code of its study file, which a "
                    "file of weights does not hold. Take it from the run, whose folder has the "
                    "study file: qkd_study.load(RUN).student(cell=..., arm=..., replicate=...)."
                )
            model = own if own is not None else read(declared)
            kind = config_kind(model.declares)
            known = {field.name for field in fields(kind)}
            given = {name: value for name, value in values["config"].items() if name in known}
            every: dict[str, Any] = {**dict.fromkeys(known), **given}
            config = kind(**every)
            return cls(
                model,
                config,
                tuple(int(side) for side in values["shape"]),
                int(values["classes"]),
                float(values["max_value"]),
                int(values["replicate"]),
                tuple(map(float, values["mean"])),
                tuple(map(float, values["spread"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"the description of the student is damaged: {type(error).__name__} {error}."
            ) from None
