"""Teachers: trained once per recipe, data and replicate; kept on disk under a hash of all three."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from qkd_study.data import Dataset, draw
from qkd_study.distill.objective import Objective
from qkd_study.distill.tensors import read_tensors, write_tensors
from qkd_study.distill.training import Samples, train
from qkd_study.models import Model, Outputs, build_teacher, count_parameters, predict
from qkd_study.seeds import derive
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.settings import Setting

#: Raised when the training of teachers changes, so that old files are not mistaken for new ones.
RECIPE_VERSION = 1
#: Bytes of teacher outputs that a process keeps.
MEMORY_BYTES = 256 * 2**20
BATCH_SIZE = 32


@dataclass(frozen=True)
class Order:
    """Which teacher is wanted: everything that it depends on."""

    setting: Setting
    config: Config
    dataset: Dataset
    replicate: int

    def recipe(self) -> dict[str, Any]:
        """All that the teacher depends on, as JSON values."""
        own = {
            name: getattr(self.config, name)
            for name, p in PARAMETERS.items()
            if p.role in ("teacher", "both", "circuit")
        }
        return {
            "version": RECIPE_VERSION,
            "setting": {"kind": self.setting.kind, **asdict(self.setting)},
            **own,
            "data": self.dataset.digest,
            "seed": self.config.seed,
            "replicate": self.replicate,
        }

    def name(self) -> str:
        """A hash of the recipe."""
        said = json.dumps(self.recipe(), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def build(self) -> Model:
        """The teacher before training."""
        return build_teacher(self.setting, self.config, self.dataset, replicate=self.replicate)

    def samples(self) -> tuple[Samples, Samples, Samples]:
        """The student's K training samples, the teacher's M, and the validation samples."""
        index = draw(
            self.dataset,
            self.config.samples,
            self.config.teacher_samples,
            self.config.validation_samples,
            seed=self.config.seed,
            replicate=self.replicate,
        )
        student, teacher, validation = (
            Samples(
                torch.from_numpy(self.dataset.pool_inputs(i)),
                torch.from_numpy(self.dataset.pool_labels[i]),
            )
            for i in (index.student, index.teacher, index.validation)
        )
        return student, teacher, validation


@dataclass(frozen=True)
class Teacher:
    """A trained teacher, as a student meets it.

    Attributes:
        train: its outputs for the student's K training samples.
        parameters: how many numbers were trained.
        gates: gates of one of its circuits.
        backend: the device that ran them; `torch` for a classical teacher.
        plan: how it ran them; `None` for a classical teacher.
    """

    train: Outputs
    parameters: int
    gates: int
    backend: str
    plan: str | None


class TeacherStore:
    """Teachers in a folder, which several processes may share: a lock lets one train each.

    Args:
        folder: created when it is first needed.

    Attributes:
        seconds: spent on training teachers by this store, so far.
        executions: circuit executions of teachers by this store, so far.
        waited: seconds spent on waiting for other processes that trained one, so far.
    """

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.executions = 0
        self.waited = 0.0
        self._folder = folder
        self._recent: OrderedDict[tuple[str, int], Teacher] = OrderedDict()

    def get(self, order: Order) -> Teacher:
        """The teacher, trained now if nobody has yet, with its outputs for the training samples."""
        key = (order.name(), order.config.samples)
        if key not in self._recent:
            with self._lock(order):
                model = self._trained(order)
            outputs = predict(model, order.samples()[0].images)
            self.executions += model.circuit_executions
            size = (count_parameters(model), model.circuit_gates)
            teacher = Teacher(outputs, *size, model.backend, model.plan)
            self._recent[key] = teacher
            while len(self._recent) > 1 and sum(map(_bytes, self._recent.values())) > MEMORY_BYTES:
                self._recent.popitem(last=False)
        self._recent.move_to_end(key)
        return self._recent[key]

    def test_logits(self, order: Order) -> Tensor:
        """Logits (t, classes) of the teacher for the whole test set, computed once."""
        path = self._folder / f"{order.name()}-test.safetensors"
        with self._lock(order):
            kept = read_tensors(path)
            if kept is None:
                model = self._trained(order)
                kept = {
                    "logits": predict(model, torch.from_numpy(order.dataset.test_inputs())).logits
                }
                self.executions += model.circuit_executions
                write_tensors(path, kept, order.recipe())
        return kept["logits"]

    @contextmanager
    def _lock(self, order: Order) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        with FileLock(self._folder / f"{order.name()}.lock"):
            self.waited += time.perf_counter() - start
            yield

    def _trained(self, order: Order) -> Model:
        """The model with its kept weights, or trained and kept. Call it under the lock."""
        path = self._folder / f"{order.name()}.safetensors"
        model = order.build()
        kept = read_tensors(path)
        if kept is not None:
            model.load_state_dict(kept)
            return model
        start = time.perf_counter()
        _, training, validation = order.samples()
        train(
            model,
            training,
            validation,
            Objective(),
            optimizer="adam",
            learning_rate=order.config.teacher_learning_rate,
            epochs=order.config.teacher_epochs,
            batch_size=BATCH_SIZE,
            seed=derive(order.config.seed, order.replicate, "teacher order"),
        )
        write_tensors(path, model.state_dict(), order.recipe())
        self.seconds += time.perf_counter() - start
        return model


def _bytes(teacher: Teacher) -> int:
    return sum(t.numel() * t.element_size() for t in teacher.train if t is not None)
