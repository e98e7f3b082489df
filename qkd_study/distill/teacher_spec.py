"""`TeacherSpec`: everything on which a teacher depends."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qkd_study.common.seeds import derive
from qkd_study.data import Dataset
from qkd_study.distill.batched import can_batch, largest_batch
from qkd_study.distill.objective import Objective, values_of
from qkd_study.distill.samples import Samples, drawn, sample_splits, transfer_inputs
from qkd_study.distill.training import TrainingConfig
from qkd_study.models import Model, build_model
from qkd_study.study.arms import Arm
from qkd_study.study.canonical import canonical
from qkd_study.study.config import Config
from qkd_study.study.external import CachedTeacher
from qkd_study.study.models import Ensemble, ModelSpec
from qkd_study.study.parameters import Term
from qkd_study.study.setting import TEACHING, Setting

#: Incremented when the training of teachers changes, so that old files are not used.
RECIPE_VERSION = 6
#: Samples per step.
BATCH_SIZE = 32


@dataclass(frozen=True)
class TeacherSpec:
    """Everything on which a teacher depends.

    Attributes:
        generation: counted from 1; the first is trained without a teacher.
    """

    setting: Setting
    arm: Arm
    config: Config
    dataset: Dataset
    replicate: int
    generation: int = 1

    @classmethod
    def of(
        cls, setting: Setting, arm: Arm, config: Config, dataset: Dataset, replicate: int
    ) -> TeacherSpec:
        """The teacher of an arm's run."""
        generations = config.generations if setting.trains_teacher(arm) else 1
        return cls(setting, arm, config, dataset, replicate, generations)

    def recipe(self) -> dict[str, Any]:
        """Everything on which the teacher depends, as JSON values."""
        if not self.is_trained:
            about = {"model": canonical(self.model), "data": self.dataset.digest}
            return {"version": RECIPE_VERSION, **about}
        own = self.setting.decided_by(vars(self.config), self.arm, self.generation)
        del own["dataset"]  # the digest names it
        return {
            "version": RECIPE_VERSION,
            "model": canonical(self.model),
            "frozen": self.arm.teacher == "random",
            **own,
            "generation": self.generation,
            "data": self.dataset.digest,
            "seed": self.config.seed,
            "replicate": self.replicate,
        }

    @property
    def is_trained(self) -> bool:
        """Whether the teacher is trained here, and not elsewhere."""
        return self.setting.trains_teacher(self.arm)

    @property
    def wants_state(self) -> bool:
        """Whether the arm compares quantum states."""
        return self.arm.compares("state")

    def name(self) -> str:
        """A hash of the recipe."""
        content = json.dumps(self.recipe(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def before(self) -> TeacherSpec | None:
        """The teacher of this teacher; `None` for the first generation."""
        return None if self.generation == 1 else replace(self, generation=self.generation - 1)

    @property
    def model(self) -> ModelSpec:
        """The declaration of the teacher."""
        return self.setting.teacher_of(self.arm)

    @property
    def member(self) -> ModelSpec:
        """The declaration that is trained: the teacher, or a member of an ensemble."""
        return self.model.of if isinstance(self.model, Ensemble) else self.model

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms of its loss: from the second generation on it has a teacher itself."""
        return () if self.generation == 1 else (TEACHING,)

    @property
    def can_batch(self) -> bool:
        """Whether several such members can be trained in one batch."""
        return can_batch(self.member, self.terms, self._config(), self.dataset.shape)

    @property
    def in_batch(self) -> bool:
        """Whether several such teachers, and not only their members, run in one batch."""
        return not isinstance(self.model, Ensemble) and self.can_batch

    @property
    def largest_batch(self) -> int:
        """How many such members fit into memory; 1 if they are not trained in one batch."""
        if not self.can_batch:
            return 1
        trained = self.config.teacher_samples
        config = replace(self._config(), samples=trained, batch_size=BATCH_SIZE)
        samples = trained + self.config.validation_samples
        return largest_batch(self.member, config, self.dataset.shape, samples)

    def _config(self) -> Config:
        return type(self.config)(**self.setting.of_teacher(vars(self.config), self.arm))

    def objective(self) -> Objective:
        """Its loss: on the labels, and from the second generation on also on soft targets."""
        weights = {term.name: 1.0 for term in self.terms}
        return Objective(weights=weights, values=values_of(self.config, self.terms))

    def seed(self, purpose: str) -> int:
        """The seed for a purpose of this teacher."""
        whose = "teacher" + (f" {self.generation}" if self.generation > 1 else "")
        return derive(self.config.seed, self.replicate, f"{whose} {purpose}")

    def build(self) -> Model:
        """Build the untrained teacher. Of random teachers, only the last layer is trainable."""
        purpose = "teacher weights" + (f" {self.generation}" if self.generation > 1 else "")
        model = build_model(
            self.model,
            self._config(),
            self.dataset.shape,
            self.dataset.classes,
            seed=derive(self.config.seed, self.replicate, purpose),
        )
        if self.arm.teacher == "random":
            head = {id(p) for p in model.head_parameters()}
            for parameter in model.parameters():
                parameter.requires_grad_(id(parameter) in head)
        return model

    def samples(self) -> tuple[Samples, Samples, Samples]:
        """The student's K training samples, the teacher's M, and the validation samples."""
        return sample_splits(self.config, self.dataset, self.replicate)

    def queries(self) -> Tensor:
        """What the model takes for the student's K training samples, then its T transfer samples.

        (K + T, ...).
        """
        given = self.config, self.dataset, self.replicate
        if isinstance(self.model, CachedTeacher):
            index = drawn(*given)
            return torch.from_numpy(np.concatenate([index.student, index.transfer]))
        inputs, transfer = self.samples()[0].inputs, transfer_inputs(*given)
        return inputs if transfer is None else torch.cat([inputs, transfer])

    def validation_queries(self) -> Tensor:
        """What the model takes for the validation samples (V, ...)."""
        if isinstance(self.model, CachedTeacher):
            return torch.from_numpy(drawn(self.config, self.dataset, self.replicate).validation)
        return self.samples()[2].inputs

    @property
    def answers_test(self) -> bool:
        """Whether there are outputs for the test set: a file of them may have none."""
        model = self.model
        return not isinstance(model, CachedTeacher) or model.outputs.test_logits is not None

    def test_queries(self) -> Tensor:
        """What the model takes for the test set (t, ...)."""
        if not isinstance(self.model, CachedTeacher):
            return torch.from_numpy(self.dataset.test_inputs())
        first = len(self.dataset.pool_labels)
        return torch.arange(first, first + len(self.dataset.test_labels))

    def training_config(self) -> TrainingConfig:
        """The parameters of its training."""
        config = self.config
        rate, epochs = config.teacher_learning_rate, config.teacher_epochs
        every, choice = config.validate_every or 1, "best" if config.validation_samples else "last"
        return TrainingConfig(
            "adam", rate, epochs, BATCH_SIZE, epoch_choice=choice, validate_every=every
        )

    def order_seed(self, member: int = 0) -> int:
        """The seed of a member's order of samples."""
        purpose = "teacher order" + (f" {member}" if member else "")
        return derive(self.config.seed, self.replicate, purpose)
