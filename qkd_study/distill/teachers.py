"""Teachers: trained once per recipe, data and replicate; stored under a hash of all three."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qkd_study.common.artifact_store import ArtifactStore, FolderArtifactStore
from qkd_study.distill.batched import batch_models, one_thread, train_batched
from qkd_study.distill.objective import Objective
from qkd_study.distill.samples import Samples
from qkd_study.distill.teacher import Teacher
from qkd_study.distill.teacher_cache import StoredTeacher, TeacherCache
from qkd_study.distill.teacher_ending import TeacherEnding
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.distill.tensors import read_tensors, write_tensors
from qkd_study.distill.training import Diverged, TrainingResult, train
from qkd_study.models import (
    EnsembleModel,
    Model,
    Outputs,
    Shots,
    count_parameters,
    predict,
    shots_of,
)
from qkd_study.study.external import CachedTeacher

#: Beside tensors in the store: the shots that they took, if any.
SHOTS_KEY = "cost.shots"
#: Bytes of teacher outputs in the memory of a process, at most.
MEMORY_BYTES = 256 * 2**20


def _no_waiting() -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(lambda: None)


class TeacherStore:
    """Trained teachers in a store that processes share; by locks each is trained once.

    Args:
        artifacts: the store, or a folder for one.
        waiting: a context for the time of waiting for a lock; it yields a function that is called
            every few seconds.
        cache: of teachers of earlier runs, which are copied instead of trained.

    Attributes:
        seconds: of training of the teachers that this store trained or copied from the cache.
        executions: circuit executions of those teachers.
        waited: seconds of waiting for other processes that trained a teacher.
    """

    def __init__(
        self,
        artifacts: ArtifactStore | Path,
        waiting: Callable[[], AbstractContextManager[Callable[[], None]]] = _no_waiting,
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
        self._recent: OrderedDict[tuple[Any, ...], Teacher] = OrderedDict()
        self._fresh: dict[str, Model] = {}
        # Those that were trained elsewhere: one for all replicates.
        self._external: dict[str, Model] = {}
        # Executions of teachers from the cache; those of a fresh one are counted by its model.
        self._cached_executions: dict[str, int] = {}
        self._endings: dict[str, TeacherEnding] = {}
        # What the names in the store took to compute.
        self._shots: dict[str, Shots] = {}

    def get(self, spec: TeacherSpec) -> Teacher:
        """Get a teacher with its outputs for the training samples; train it if necessary."""
        config = spec.config
        key: tuple[Any, ...] = (spec.name(), config.samples, spec.wants_state)
        key = (*key, config.transfer_samples)
        if not spec.is_trained:  # its name does not depend on the draw
            key = (*key, config.seed, spec.replicate, config.validation_samples)
        if key not in self._recent:
            if spec.is_trained:
                with self._lock(spec):
                    model = self._trained(spec)
            else:
                model = self._from_elsewhere(spec)
            trained_with, before = self._shots.get(spec.name(), Shots()), shots_of(model)
            held_out = torch.zeros(0)
            if config.validation_samples:
                queries = spec.validation_queries()
                held_out = predict(model, queries, seed=spec.seed("validation")).logits
            model.keeps_state = spec.wants_state
            outputs = predict(model, spec.queries(), seed=spec.seed("outputs"))
            self.executions += _executions(model)
            self.executions += self._cached_executions.pop(spec.name(), 0)
            teacher = Teacher(
                train=outputs,
                validation=held_out,
                parameters=_parameters(spec, model),
                gates=model.circuit_gates,
                backend=model.backend,
                plan=model.plan,
                counted=model.circuit_executions is not None,
                shots=trained_with.plus(shots_of(model).minus(before)),
                ending=self._endings.get(spec.name()),
            )
            self._recent[key] = teacher
            while len(self._recent) > 1 and _bytes(self._recent.values()) > MEMORY_BYTES:
                self._recent.popitem(last=False)
        self._recent.move_to_end(key)
        return self._recent[key]

    def train(self, specs: Sequence[TeacherSpec]) -> None:
        """Train missing teachers in batches, after their own teachers.

        They are bit for bit those that `get` would train. Teachers that cannot be batched, or
        diverge, are left to `get`.

        Args:
            specs: of one arm and configuration.
        """
        known = {key[0] for key in self._recent}
        named = {spec.name(): spec for spec in specs if spec.in_batch}
        with ExitStack() as locks:
            # Locks are acquired in the same order everywhere, to avoid deadlocks: later generations
            # first, as in `_trained`.
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
            batch_size = missing[0].largest_batch
            for first in range(0, len(missing), batch_size):
                self._train_batch(missing[first : first + batch_size])

    def _train_batch(self, specs: Sequence[TeacherSpec]) -> None:
        """Train and store teachers. Call it under their locks."""
        given = []
        for spec in specs:
            try:
                given.append((spec, self.targets(spec)))
            except Diverged:  # of its own teacher: `get` raises it
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
                self._endings[spec.name()] = TeacherEnding.of([result])
                share = seconds / len(given)
                self._write(spec, spec.name(), model.state_dict(), share, _executions(model))
                self._fresh[spec.name()] = model

    def targets(self, spec: TeacherSpec) -> Outputs | None:
        """The outputs of the previous generation's teacher; `None` for the first generation.

        Raises:
            Diverged: the training of the previous teacher.
        """
        before = spec.before()
        if before is None:
            return None
        with self._lock(before):
            teacher = self._trained(before)
        self._cached_executions.pop(before.name(), None)  # not counted in rows
        count = shots_of(teacher)
        targets = predict(teacher, spec.samples()[1].inputs, seed=before.seed("targets"))
        asked = shots_of(teacher).minus(count)
        self._shots[spec.name()] = self._shots.get(before.name(), Shots()).plus(asked)
        return targets

    def test_logits(self, spec: TeacherSpec) -> Tensor:
        """Logits (t, classes) of the teacher for the whole test set, computed once.

        The spec must say that it `answers_test`. `test_shots` says what they took.
        """
        if isinstance(spec.model, CachedTeacher):
            return predict(self._from_elsewhere(spec), spec.test_queries()).logits
        name = _of_test(spec)
        with self._lock(spec):
            tensors = self._read(spec, name)
            if tensors is None:
                (tensors,) = self._answer([spec])
            self.executions += self._cached_executions.pop(name, 0)
        return tensors["logits"]

    def test_shots(self, spec: TeacherSpec) -> Shots:
        """The shots of `test_logits`, whoever asked for them first."""
        return self._shots.get(_of_test(spec), Shots())

    def answer_test(self, specs: Sequence[TeacherSpec]) -> None:
        """Compute missing logits for the test set in batches.

        They are bit for bit those that `test_logits` would compute. Teachers that cannot be batched
        are left to it.

        Args:
            specs: of one arm and configuration.
        """
        named = {spec.name(): spec for spec in specs if spec.in_batch}
        with ExitStack() as locks:
            for name in sorted(named):  # as in `train`
                locks.enter_context(self._lock(named[name]))
            missing = [
                named[name]
                for name in sorted(named)
                if self._read(named[name], _of_test(named[name])) is None
            ]
            if missing:
                self._answer(missing)

    def _answer(self, specs: Sequence[TeacherSpec]) -> list[dict[str, Tensor]]:
        """Compute and store logits for the test set. Call it under the locks of the teachers.

        Args:
            specs: one, or several that answer in a batch.
        """
        first = specs[0]
        of = self._trained if first.is_trained else self._from_elsewhere
        models, inputs = [of(spec) for spec in specs], first.test_queries()
        trained = [_executions(model) for model in models]
        if first.in_batch:
            batch = batch_models(first.model, models)  # which sets the counts of some to 0
            before = [_executions(model) for model in models]
            with one_thread():
                found = batch.test(inputs)
        else:
            before, fired = trained, [shots_of(model) for model in models]
            found = [predict(model, inputs, seed=first.seed("test")).logits for model in models]
            for spec, model, earlier in zip(specs, models, fired, strict=True):
                self._shots[_of_test(spec)] = shots_of(model).minus(earlier)
        answers = [{"logits": logits} for logits in found]
        counts = zip(trained, before, map(_executions, models), strict=True)
        executions = [past + after - start for past, start, after in counts]
        for spec, tensors, count in zip(specs, answers, executions, strict=True):
            self._write(spec, _of_test(spec), tensors, 0.0, count)
            self._cached_executions[_of_test(spec)] = count
        return answers

    @contextmanager
    def _lock(self, spec: TeacherSpec) -> Iterator[None]:
        start = time.perf_counter()
        with ExitStack() as held:
            with self._waiting() as notify:
                held.enter_context(self._artifacts.lock(spec.name(), notify))
            self.waited += time.perf_counter() - start
            yield

    def _trained(self, spec: TeacherSpec) -> Model:
        """The model with stored weights; trains and stores it if necessary. Call under the lock."""
        if spec.name() in self._fresh:
            return self._fresh.pop(spec.name())
        model = spec.build()
        tensors = self._read(spec, spec.name())
        if tensors is not None:
            model.load_state_dict(tensors)
            return model
        objective, targets = spec.objective(), self.targets(spec)
        start = time.perf_counter()
        _, training, validation = spec.samples()
        members = model.models if isinstance(model, EnsembleModel) else [model]
        given = (training, validation, objective, targets)
        results = [
            _train(spec, member, *given, spec.order_seed(number))
            for number, member in enumerate(members)
        ]
        self._endings[spec.name()] = TeacherEnding.of(results)
        seconds = time.perf_counter() - start
        self.seconds += seconds
        taught = self._shots.get(spec.name(), Shots())
        self._shots[spec.name()] = taught.plus(shots_of(model))
        self._write(spec, spec.name(), model.state_dict(), seconds, _executions(model))
        return model

    def _from_elsewhere(self, spec: TeacherSpec) -> Model:
        """The model of a teacher that was trained elsewhere, built once."""
        name = spec.name()
        if name not in self._external:
            self._external[name] = spec.build()
        return self._external[name]

    def _read(self, spec: TeacherSpec, name: str) -> dict[str, Tensor] | None:
        """Read tensors from the store, or from the cache, from which they are copied."""
        tensors = read_tensors(self._artifacts, name)
        if tensors is None and self._cache is not None:
            found = self._cache.read(name)
            if found is not None:
                tensors = found.tensors
                write_tensors(self._artifacts, name, tensors, spec.recipe())
                self.seconds += found.seconds
                self._cached_executions[name] = found.executions
        if tensors is not None and (ending := TeacherEnding.taken(tensors)) is not None:
            self._endings[name] = ending
        if tensors is not None and SHOTS_KEY in tensors:
            self._shots[name] = Shots(*map(int, tensors.pop(SHOTS_KEY)))
        return tensors

    def _write(
        self,
        spec: TeacherSpec,
        name: str,
        tensors: dict[str, Tensor],
        seconds: float,
        executions: int,
    ) -> None:
        """Write tensors, and how the training ended, to the store; with its cost to the cache."""
        if name in self._endings:
            tensors = {**tensors, **self._endings[name].tensors()}
        if any(shots := self._shots.get(name, Shots())):
            tensors = {**tensors, SHOTS_KEY: torch.tensor(shots)}
        write_tensors(self._artifacts, name, tensors, spec.recipe())
        if self._cache is not None:
            found = StoredTeacher(tensors, seconds, executions)
            self._cache.write(name, spec.recipe(), found)


def _train(
    spec: TeacherSpec,
    member: Model,
    training: Samples,
    validation: Samples,
    objective: Objective,
    targets: Outputs | None,
    seed: int,
) -> TrainingResult:
    """Train a teacher or a member of an ensemble.

    If several could be trained in one batch, it is trained as a batch of one, with equal results.
    """
    if not spec.can_batch:
        given = (training, validation, objective, spec.training_config())
        return train(member, *given, teacher=targets, seed=seed)
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
    return result


def _of_test(spec: TeacherSpec) -> str:
    """The name of a teacher's logits for the test set."""
    return f"{spec.name()}-test"


def _executions(model: Model) -> int:
    """Its circuit executions so far; 0 if they are not known."""
    return model.circuit_executions or 0


def _parameters(spec: TeacherSpec, model: Model) -> int | None:
    """The trained parameters of a teacher, here or elsewhere."""
    if spec.is_trained:
        return count_parameters(model)
    return sum(p.numel() for p in model.parameters()) or None


def _bytes(teachers: Iterable[Teacher]) -> int:
    return sum(teacher.bytes for teacher in teachers)
