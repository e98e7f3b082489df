"""Teachers: trained once per recipe, data and replicate; kept under a hash of all three."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qkd_study.common.artifact_store import ArtifactStore, FolderArtifactStore
from qkd_study.common.seeds import derive
from qkd_study.data import Dataset, draw, noisy_labels
from qkd_study.distill.batched import batch_models, can_batch, train_batched
from qkd_study.distill.objective import Objective, values_of
from qkd_study.distill.tensors import read_tensors, write_tensors
from qkd_study.distill.training import Diverged, Samples, TrainingConfig, train
from qkd_study.models import (
    EnsembleModel,
    Model,
    Outputs,
    build_model,
    count_parameters,
    predict,
)
from qkd_study.study.arms import Arm
from qkd_study.study.canonical import canonical
from qkd_study.study.config import Config
from qkd_study.study.models import Ensemble, ModelSpec
from qkd_study.study.parameters import Term
from qkd_study.study.settings import TEACHING, Setting

#: Raised when the training of teachers changes, so that old files are not mistaken for new ones.
RECIPE_VERSION = 4
#: Bytes of teacher outputs that a process keeps.
MEMORY_BYTES = 256 * 2**20
BATCH_SIZE = 32


@dataclass(frozen=True)
class TeacherSpec:
    """Which teacher is wanted: everything that it depends on.

    Attributes:
        generation: of teachers in a row; the first is trained without a teacher.
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
        return cls(setting, arm, config, dataset, replicate, config.generations)

    def recipe(self) -> dict[str, Any]:
        """All that the teacher depends on, as JSON values."""
        own = self.setting.decided_by(vars(self.config), self.arm, self.generation)
        return {
            "version": RECIPE_VERSION,
            "model": canonical(self.spec),
            "frozen": self.arm.teacher == "random",
            **own,
            "generation": self.generation,
            "data": self.dataset.digest,
            "seed": self.config.seed,
            "replicate": self.replicate,
        }

    @property
    def wants_state(self) -> bool:
        """Whether the arm compares quantum states."""
        return self.arm.needs_same("state")

    def name(self) -> str:
        """A hash of the recipe."""
        said = json.dumps(self.recipe(), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def before(self) -> TeacherSpec | None:
        """The teacher of this teacher; `None` for the first generation."""
        return None if self.generation == 1 else replace(self, generation=self.generation - 1)

    @property
    def spec(self) -> ModelSpec:
        """The teacher as it is declared."""
        return self.setting.teacher_of(self.arm)

    @property
    def member(self) -> ModelSpec:
        """What is trained at a time: the teacher, or a member of an ensemble."""
        return self.spec.of if isinstance(self.spec, Ensemble) else self.spec

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms of its loss: from the second generation on it is taught itself."""
        return () if self.generation == 1 else (TEACHING,)

    @property
    def can_batch(self) -> bool:
        """Whether several such members can be trained in one batch."""
        frozen = self.arm.teacher == "random"
        return not frozen and can_batch(self.member, self.terms, self._config(), self.dataset.shape)

    def _config(self) -> Config:
        return Config(**self.setting.of_teacher(vars(self.config), self.arm))

    def objective(self) -> Objective:
        """What it is trained on: the labels, and from the second generation on soft targets."""
        weights = {term.name: 1.0 for term in self.terms}
        return Objective(weights=weights, values=values_of(self.config, self.terms))

    def seed(self, purpose: str) -> int:
        """The seed for a purpose of this teacher."""
        whose = "teacher" + (f" {self.generation}" if self.generation > 1 else "")
        return derive(self.config.seed, self.replicate, f"{whose} {purpose}")

    def build(self) -> Model:
        """The teacher before training. Of frozen random ones, only the last layer is trained."""
        purpose = "teacher weights" + (f" {self.generation}" if self.generation > 1 else "")
        model = build_model(
            self.spec,
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


def sample_splits(
    config: Config, dataset: Dataset, replicate: int
) -> tuple[Samples, Samples, Samples]:
    """The student's K training samples, the teacher's M, and the validation samples.

    Wrong labels, if any, are the same for teacher and student; validation labels stay right.
    """
    index = draw(
        dataset,
        config.samples,
        config.teacher_samples,
        config.validation_samples,
        seed=config.seed,
        replicate=replicate,
    )
    labels = dataset.pool_labels[index.teacher]
    if config.label_noise:
        labels = noisy_labels(
            labels, config.label_noise, dataset.classes, seed=config.seed, replicate=replicate
        )
    teacher = Samples(
        torch.from_numpy(dataset.pool_inputs(index.teacher)), torch.from_numpy(labels)
    )
    student = Samples(teacher.inputs[: config.samples], teacher.labels[: config.samples])
    validation = Samples(
        torch.from_numpy(dataset.pool_inputs(index.validation)),
        torch.from_numpy(dataset.pool_labels[index.validation]),
    )
    return student, teacher, validation


@dataclass(frozen=True)
class Teacher:
    """A trained teacher, as a student meets it.

    Attributes:
        train: its outputs for the student's K training samples.
        parameters: how many numbers were trained.
        gates: gates of one of its circuits; `None` if it does not say.
        backend: the device that ran them; `torch` for a classical teacher; `None` as above.
        plan: how it ran them; `None` for a classical teacher.
        counted: whether its circuit executions are known.
    """

    train: Outputs
    parameters: int
    gates: int | None
    backend: str | None
    plan: str | None
    counted: bool


def _unnoticed() -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(lambda: None)


class TeacherStore:
    """Trained teachers in a store that several processes may share: a lock lets one train each.

    Args:
        artifacts: where they are kept; a folder is made into one.
        waiting: entered while a lock is waited for; gives what is called every few seconds then.

    Attributes:
        seconds: spent on training teachers by this store, so far.
        executions: circuit executions of teachers by this store, so far.
        waited: seconds spent on waiting for other processes that trained one, so far.
    """

    def __init__(
        self,
        artifacts: ArtifactStore | Path,
        waiting: Callable[[], AbstractContextManager[Callable[[], None]]] = _unnoticed,
    ) -> None:
        self.seconds = 0.0
        self.executions = 0
        self.waited = 0.0
        self._waiting = waiting
        self._artifacts = (
            FolderArtifactStore(artifacts) if isinstance(artifacts, Path) else artifacts
        )
        self._recent: OrderedDict[tuple[str, int, bool], Teacher] = OrderedDict()
        self._fresh: dict[str, Model] = {}

    def get(self, order: TeacherSpec) -> Teacher:
        """The teacher, trained now if nobody has yet, with its outputs for the training samples."""
        key = (order.name(), order.config.samples, order.wants_state)
        if key not in self._recent:
            with self._lock(order):
                model = self._trained(order)
            model.keeps_state = order.wants_state
            outputs = predict(model, order.samples()[0].inputs, seed=order.seed("outputs"))
            self.executions += model.circuit_executions or 0
            size = (count_parameters(model), model.circuit_gates)
            counted = model.circuit_executions is not None
            teacher = Teacher(outputs, *size, model.backend, model.plan, counted)
            self._recent[key] = teacher
            while len(self._recent) > 1 and sum(map(_bytes, self._recent.values())) > MEMORY_BYTES:
                self._recent.popitem(last=False)
        self._recent.move_to_end(key)
        return self._recent[key]

    def train(self, orders: Sequence[TeacherSpec]) -> None:
        """Train in one batch those first-generation teachers that nobody has trained yet.

        The teachers are those that `get` would train, to the last bit. What cannot be trained so,
        or diverges, is left to `get`.
        """
        known = {name for name, _, _ in self._recent}
        named = {
            order.name(): order
            for order in orders
            if order.generation == 1 and order.member is order.spec and order.can_batch
        }
        with ExitStack() as locks:
            # In one order everywhere, so that no two processes wait for each other.
            for name in sorted(named.keys() - known):
                locks.enter_context(self._lock(named[name]))
            missing = [
                named[name]
                for name in sorted(named.keys() - known)
                if read_tensors(self._artifacts, name) is None
            ]
            if not missing:
                return
            start = time.perf_counter()
            models = [order.build() for order in missing]
            samples = [order.samples() for order in missing]
            trained = train_batched(
                batch_models(missing[0].spec, models),
                [training for _, training, _ in samples],
                [validation for _, _, validation in samples],
                Objective(),
                _recipe(missing[0]),
                seeds=[_order_seed(order, 0) for order in missing],
            )
            for order, model, result in zip(missing, models, trained, strict=True):
                if not isinstance(result, Diverged):
                    write_tensors(self._artifacts, order.name(), model.state_dict(), order.recipe())
                    self._fresh[order.name()] = model
            self.seconds += time.perf_counter() - start

    def test_logits(self, order: TeacherSpec) -> Tensor:
        """Logits (t, classes) of the teacher for the whole test set, computed once."""
        name = f"{order.name()}-test"
        with self._lock(order):
            kept = read_tensors(self._artifacts, name)
            if kept is None:
                model = self._trained(order)
                inputs = torch.from_numpy(order.dataset.test_inputs())
                kept = {"logits": predict(model, inputs, seed=order.seed("test")).logits}
                self.executions += model.circuit_executions or 0
                write_tensors(self._artifacts, name, kept, order.recipe())
        return kept["logits"]

    @contextmanager
    def _lock(self, order: TeacherSpec) -> Iterator[None]:
        start = time.perf_counter()
        with ExitStack() as held:
            with self._waiting() as tell:
                held.enter_context(self._artifacts.lock(order.name(), tell))
            self.waited += time.perf_counter() - start
            yield

    def _trained(self, order: TeacherSpec) -> Model:
        """The model with its kept weights, or trained and kept. Call it under the lock."""
        if order.name() in self._fresh:
            return self._fresh.pop(order.name())
        model = order.build()
        kept = read_tensors(self._artifacts, order.name())
        if kept is not None:
            model.load_state_dict(kept)
            return model
        start = time.perf_counter()
        _, training, validation = order.samples()
        objective, targets, before = order.objective(), None, order.before()
        if before is not None:
            with self._lock(before):
                targets = predict(
                    self._trained(before), training.inputs, seed=before.seed("targets")
                )
        members = model.models if isinstance(model, EnsembleModel) else [model]
        for number, member in enumerate(members):
            seed = _order_seed(order, number)
            _train(order, member, training, validation, objective, targets, seed)
        write_tensors(self._artifacts, order.name(), model.state_dict(), order.recipe())
        self.seconds += time.perf_counter() - start
        return model


def _recipe(order: TeacherSpec) -> TrainingConfig:
    config = order.config
    return TrainingConfig("adam", config.teacher_learning_rate, config.teacher_epochs, BATCH_SIZE)


def _order_seed(order: TeacherSpec, member: int) -> int:
    """The seed of a member's order of samples."""
    purpose = "teacher order" + (f" {member}" if member else "")
    return derive(order.config.seed, order.replicate, purpose)


def _train(
    order: TeacherSpec,
    member: Model,
    training: Samples,
    validation: Samples,
    objective: Objective,
    targets: Outputs | None,
    seed: int,
) -> None:
    """Train a teacher or a member of an ensemble.

    Where several could be trained in one batch it is a batch of one: so its numbers are the same.
    """
    if not order.can_batch:
        given = (training, validation, objective, _recipe(order))
        train(member, *given, teacher=targets, seed=seed)
        return
    (result,) = train_batched(
        batch_models(order.member, [member]),
        [training],
        [validation],
        objective,
        _recipe(order),
        teachers=None if targets is None else [targets],
        seeds=[seed],
    )
    if isinstance(result, Diverged):
        raise result


def _bytes(teacher: Teacher) -> int:
    return sum(t.numel() * t.element_size() for t in teacher.train if t is not None)
