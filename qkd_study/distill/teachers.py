"""Teachers: trained once per recipe, data and replicate; kept under a hash of all three."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from qkd_study.common.artifact_store import ArtifactStore, FolderArtifactStore
from qkd_study.distill.batched import batch_models, train_batched
from qkd_study.distill.objective import Objective
from qkd_study.distill.samples import Samples
from qkd_study.distill.teacher_cache import CachedTeacher, TeacherCache
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.distill.tensors import read_tensors, write_tensors
from qkd_study.distill.training import Diverged, train
from qkd_study.models import EnsembleModel, Model, Outputs, count_parameters, predict
from qkd_study.study.models import Ensemble

#: Bytes of teacher outputs that a process keeps.
MEMORY_BYTES = 256 * 2**20


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
        cache: of teachers of earlier runs, which are copied from there and not trained.

    Attributes:
        seconds: spent on training the teachers that this store trained or took from the cache.
        executions: circuit executions of those teachers.
        waited: seconds spent on waiting for other processes that trained one, so far.
    """

    def __init__(
        self,
        artifacts: ArtifactStore | Path,
        waiting: Callable[[], AbstractContextManager[Callable[[], None]]] = _unnoticed,
        cache: TeacherCache | None = None,
    ) -> None:
        self._cache = cache
        self.seconds = 0.0
        self.executions = 0
        self.waited = 0.0
        self._waiting = waiting
        self._artifacts = (
            FolderArtifactStore(artifacts) if isinstance(artifacts, Path) else artifacts
        )
        self._recent: OrderedDict[tuple[str, int, bool], Teacher] = OrderedDict()
        self._fresh: dict[str, Model] = {}
        # Executions of teachers from the cache; those of a fresh one are counted by its model.
        self._cached_executions: dict[str, int] = {}

    def get(self, spec: TeacherSpec) -> Teacher:
        """The teacher, trained now if nobody has yet, with its outputs for the training samples."""
        key = (spec.name(), spec.config.samples, spec.wants_state)
        if key not in self._recent:
            with self._lock(spec):
                model = self._trained(spec)
            model.keeps_state = spec.wants_state
            outputs = predict(model, spec.samples()[0].inputs, seed=spec.seed("outputs"))
            self.executions += model.circuit_executions or 0
            self.executions += self._cached_executions.pop(spec.name(), 0)
            size = (count_parameters(model), model.circuit_gates)
            counted = model.circuit_executions is not None
            teacher = Teacher(outputs, *size, model.backend, model.plan, counted)
            self._recent[key] = teacher
            while len(self._recent) > 1 and sum(map(_bytes, self._recent.values())) > MEMORY_BYTES:
                self._recent.popitem(last=False)
        self._recent.move_to_end(key)
        return self._recent[key]

    def train(self, specs: Sequence[TeacherSpec]) -> None:
        """Train in batches those teachers that nobody has trained yet, and their own teachers.

        The teachers are those that `get` would train, to the last bit. What cannot be trained so,
        or diverges, is left to `get`.

        Args:
            specs: of one arm and configuration.
        """
        known = {name for name, _, _ in self._recent}
        named = {
            spec.name(): spec
            for spec in specs
            if not isinstance(spec.model, Ensemble) and spec.can_batch
        }
        with ExitStack() as locks:
            # In one order everywhere, so that no two processes wait for each other: later
            # generations first, as in `_trained`.
            for name in sorted(named.keys() - known):
                locks.enter_context(self._lock(named[name]))
            missing = [
                named[name]
                for name in sorted(named.keys() - known)
                if self._read(named[name], name) is None
            ]
            if not missing:
                return
            before = [spec.before() for spec in missing]
            self.train([spec for spec in before if spec is not None])
            room = missing[0].largest_batch
            for first in range(0, len(missing), room):
                self._train_batch(missing[first : first + room])

    def _train_batch(self, specs: Sequence[TeacherSpec]) -> None:
        """Train and keep teachers. Call it under their locks."""
        given = []
        for spec in specs:
            try:
                given.append((spec, self.targets(spec)))
            except Diverged:  # its own teacher: `get` will say so
                continue
        if not given:
            return
        start = time.perf_counter()
        first = given[0][0]
        models = [spec.build() for spec, _ in given]
        samples = [spec.samples() for spec, _ in given]
        trained = train_batched(
            batch_models(first.model, models),
            [training for _, training, _ in samples],
            [validation for _, _, validation in samples],
            first.objective(),
            first.training_config(),
            teachers=[targets for _, targets in given if targets is not None] or None,
            seeds=[spec.order_seed() for spec, _ in given],
        )
        seconds = time.perf_counter() - start
        self.seconds += seconds
        for (spec, _), model, result in zip(given, models, trained, strict=True):
            if not isinstance(result, Diverged):
                self._write(spec, spec.name(), model.state_dict(), seconds / len(given), model)
                self._fresh[spec.name()] = model

    def targets(self, spec: TeacherSpec) -> Outputs | None:
        """What a teacher of a later generation is taught by the one before it; else `None`.

        Raises:
            Diverged: the one before it has no weights.
        """
        before = spec.before()
        if before is None:
            return None
        with self._lock(before):
            teacher = self._trained(before)
        self._cached_executions.pop(before.name(), None)  # no row counts them
        return predict(teacher, spec.samples()[1].inputs, seed=before.seed("targets"))

    def test_logits(self, spec: TeacherSpec) -> Tensor:
        """Logits (t, classes) of the teacher for the whole test set, computed once."""
        name = f"{spec.name()}-test"
        with self._lock(spec):
            kept = self._read(spec, name)
            if kept is None:
                model = self._trained(spec)
                inputs = torch.from_numpy(spec.dataset.test_inputs())
                kept = {"logits": predict(model, inputs, seed=spec.seed("test")).logits}
                self.executions += model.circuit_executions or 0
                self._write(spec, name, kept, 0.0, model)
            self.executions += self._cached_executions.pop(name, 0)
        return kept["logits"]

    @contextmanager
    def _lock(self, spec: TeacherSpec) -> Iterator[None]:
        start = time.perf_counter()
        with ExitStack() as held:
            with self._waiting() as tell:
                held.enter_context(self._artifacts.lock(spec.name(), tell))
            self.waited += time.perf_counter() - start
            yield

    def _trained(self, spec: TeacherSpec) -> Model:
        """The model with its kept weights, or trained and kept. Call it under the lock."""
        if spec.name() in self._fresh:
            return self._fresh.pop(spec.name())
        model = spec.build()
        kept = self._read(spec, spec.name())
        if kept is not None:
            model.load_state_dict(kept)
            return model
        objective, targets = spec.objective(), self.targets(spec)
        start = time.perf_counter()
        _, training, validation = spec.samples()
        members = model.models if isinstance(model, EnsembleModel) else [model]
        for number, member in enumerate(members):
            seed = spec.order_seed(number)
            _train(spec, member, training, validation, objective, targets, seed)
        seconds = time.perf_counter() - start
        self.seconds += seconds
        self._write(spec, spec.name(), model.state_dict(), seconds, model)
        return model

    def _read(self, spec: TeacherSpec, name: str) -> dict[str, Tensor] | None:
        """What is kept under a name, here or in the cache; that is copied to here."""
        kept = read_tensors(self._artifacts, name)
        if kept is None and self._cache is not None:
            found = self._cache.read(name)
            if found is not None:
                kept = found.tensors
                write_tensors(self._artifacts, name, kept, spec.recipe())
                self.seconds += found.seconds
                self._cached_executions[name] = found.executions
        return kept

    def _write(
        self,
        spec: TeacherSpec,
        name: str,
        tensors: dict[str, Tensor],
        seconds: float,
        model: Model,
    ) -> None:
        """Keep tensors here and in the cache, with what they took."""
        write_tensors(self._artifacts, name, tensors, spec.recipe())
        if self._cache is not None:
            found = CachedTeacher(tensors, seconds, model.circuit_executions or 0)
            self._cache.write(name, spec.recipe(), found)


def _train(
    spec: TeacherSpec,
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
    if not spec.can_batch:
        given = (training, validation, objective, spec.training_config())
        train(member, *given, teacher=targets, seed=seed)
        return
    (result,) = train_batched(
        batch_models(spec.member, [member]),
        [training],
        [validation],
        objective,
        spec.training_config(),
        teachers=None if targets is None else [targets],
        seeds=[seed],
    )
    if isinstance(result, Diverged):
        raise result


def _bytes(teacher: Teacher) -> int:
    return sum(t.numel() * t.element_size() for t in teacher.train if t is not None)
