"""Times short real trainings and computes from them the times of long ones.

Times are CPU times of this process, the minimum of a few, so that other processes on the machine
change them little.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

import torch

from qkd_study.data import Dataset
from qkd_study.distill import (
    Objective,
    Samples,
    TeacherSpec,
    TrainingConfig,
    runs_in_batch,
    sample_splits,
    scores,
    train,
    training_config,
)
from qkd_study.distill.batched import batch_models, train_batched
from qkd_study.distill.teacher_spec import BATCH_SIZE
from qkd_study.forecast.shapes import Training, as_labelled
from qkd_study.models import EnsembleModel, Model, Outputs, build_model, predict
from qkd_study.study.external import CachedTeacher
from qkd_study.study.models import ModelSpec
from qkd_study.study.study import Study

#: Seconds that one measured training should take at least, for precision.
ENOUGH = 0.1
#: Seconds that one measured epoch, or evaluation on the test set, may take; what takes longer is
#: measured on fewer samples.
LONGEST = 0.5
#: Epochs of a measured training at most.
MOST_EPOCHS = 25
#: Every time is the minimum of so many.
REPEATS = 3


@dataclass(frozen=True)
class Cost:
    """The cost of a training; of a batch of trainings, the share of one.

    Attributes:
        start: CPU seconds once: drawing samples, building and preparing.
        epoch: CPU seconds of every epoch; its validation is included if all are validated.
        validation: CPU seconds of a validation if not all epochs are validated; else 0.
        outputs: CPU seconds of a teacher's outputs on the student's samples; 0 for a student.
        test: CPU seconds of the outputs on the test set, and of their scores.
        weights: bytes of the weights.
        memory: peak memory of the measuring process, in bytes.
    """

    start: float
    epoch: float
    validation: float
    outputs: float
    test: float
    weights: float
    memory: float

    def seconds(self, training: Training) -> float:
        """CPU seconds of a training of this cost, with all its epochs."""
        apart = 0 if training.validates_all else training.validations
        return self.start + training.epochs * self.epoch + apart * self.validation


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _least(work: Callable[[], float]) -> float:
    """The minimum of `REPEATS` times; a long time is measured once."""
    first = work()
    return first if first > LONGEST else min([first, *(work() for _ in range(REPEATS - 1))])


def _part(samples: Samples, share: float) -> Samples:
    count = max(2, round(len(samples.inputs) * share))
    return Samples(samples.inputs[:count], samples.labels[:count])


def _share(seconds_of_two: float, samples: int, batch: int) -> float:
    """The share of the samples that a measured epoch uses, from the seconds of two samples."""
    most = LONGEST / max(seconds_of_two / 2, 1e-9)
    if most >= samples:
        return 1.0
    whole = most // batch * batch if most >= batch else max(2, most)
    return min(1.0, whole / samples)


@dataclass(frozen=True)
class _Measured:
    """A training that can be made shorter: fewer epochs, fewer samples.

    Attributes:
        config: makes the configuration of a training with so many epochs.
        outputs: computes the teacher's outputs on some samples.
        group: how many are trained in one batch.
        batched: the declaration of the models, if they are trained in one batch.
        validates_all: whether every epoch is validated.
    """

    build: Callable[[], Model]
    training: Samples
    validation: Samples
    objective: Objective
    config: Callable[[int], TrainingConfig]
    outputs: Callable[[Samples], Outputs | None]
    group: int
    batched: ModelSpec | None
    validates_all: bool

    def _trained(self, epochs: int, share: float, choice: str = "best") -> float:
        few, validation = _part(self.training, share), _part(self.validation, share)
        models = [self.build() for _ in range(self.group)]
        teacher, config = self.outputs(few), replace(self.config(epochs), epoch_choice=choice)
        if self.batched is None:
            return _seconds(
                lambda: train(
                    models[0], few, validation, self.objective, config, teacher=teacher, seed=0
                )
            )
        count = len(models)
        teachers = None if teacher is None else [teacher] * count
        several = ([few] * count, [validation] * count, self.objective, config)
        batch = batch_models(self.batched, models)
        seconds = _seconds(
            lambda: train_batched(batch, *several, teachers=teachers, seeds=range(count))
        )
        return seconds / count

    def times(self) -> tuple[float, float, float]:
        """Seconds of all but the epochs, of an epoch, and of a validation; see `Cost`."""
        count, batch = len(self.training.inputs), self.config(1).batch_size
        share = _share(self._trained(1, 2 / count), count, batch)
        one = _least(lambda: self._trained(1, share))
        more = min(max(2, ceil(ENOUGH / max(one, 1e-4))), MOST_EPOCHS)
        many = _least(lambda: self._trained(1 + more, share))
        epoch, validation = max(many - one, 1e-6) / more, 0.0
        start = max(one - epoch, 1e-6)
        if not self.validates_all:
            few = _least(lambda: self._trained(1 + more, share, "last"))
            validation = max(many - few, 1e-6) / more
            epoch = max(few - one, 1e-6) / more
        return start / share, epoch / share, validation / share


def _test(model: Model, dataset: Dataset) -> float:
    labels = torch.from_numpy(dataset.test_labels.copy())

    def answered(count: int) -> float:
        def work() -> None:
            inputs = torch.from_numpy(dataset.test_inputs())[:count]
            logits = predict(model, inputs).logits
            scores.accuracy(logits, labels[:count])
            scores.f1_macro(logits, labels[:count])
            scores.negative_log_likelihood(logits, labels[:count])
            scores.expected_calibration_error(logits, labels[:count])

        return _seconds(work)

    few = min(100, len(labels))
    most = LONGEST / max(answered(few) / few, 1e-9)
    count = min(len(labels), max(few, int(most)))
    return _least(lambda: answered(count)) * len(labels) / count


def peak_memory() -> int:
    """Peak memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _bytes(model: Model) -> int:
    return sum(t.numel() * t.element_size() for t in model.state_dict().values())


def measure(study: Study, training: Training, dataset: Dataset) -> Cost:
    """Time a student or a teacher."""
    torch.set_num_threads(1)
    if training.generation is None:
        return _student(study, training, dataset)
    return _teacher(study, training, dataset)


def _student(study: Study, of: Training, dataset: Dataset) -> Cost:
    arm, config = of.arm, as_labelled(of.config)
    student = study.setting.student_of(arm)
    spec = TeacherSpec.of(study.setting, arm, config, dataset, 0)
    samples, _, validated = sample_splits(config, dataset, 0)

    def build() -> Model:
        model = build_model(student, config, dataset.shape, dataset.classes, seed=0)
        model.keeps_state = spec.wants_state
        return model

    setup = _least(lambda: _seconds(lambda: (sample_splits(config, dataset, 0), build())))
    start, epoch, validation = _Measured(
        build,
        samples,
        validated,
        Objective.of(config, arm),
        lambda epochs: TrainingConfig(
            config.optimizer, 1e-3, epochs, config.batch_size, own=training_config(config, arm).own
        ),
        lambda few: _untrained(spec, few) if arm.needs_teacher else None,
        of.group,
        student if runs_in_batch(study.setting, arm, config, dataset) else None,
        of.validates_all,
    ).times()
    model = build()
    model.fit(samples.inputs)
    test = _test(model, dataset)
    return Cost(setup + start, epoch, validation, 0.0, test, _bytes(model), peak_memory())


def _untrained(spec: TeacherSpec, few: Samples) -> Outputs:
    """The outputs of an untrained teacher, which cost as much as those of a trained one."""
    model = spec.build()
    if isinstance(spec.model, CachedTeacher):  # of the first samples, whichever they are
        return predict(model, torch.arange(len(few.inputs)))
    model.keeps_state = spec.wants_state
    for part in _members(model):
        part.fit(few.inputs)
    return predict(model, few.inputs)


def _members(model: Model) -> list[Model]:
    return list(model.models) if isinstance(model, EnsembleModel) else [model]


def _teacher(study: Study, of: Training, dataset: Dataset) -> Cost:
    spec = TeacherSpec(study.setting, of.arm, of.config, dataset, 0, of.generation or 1)
    taught = spec.before() is not None
    students, training, validated = spec.samples()
    setup = _least(lambda: _seconds(lambda: (spec.samples(), spec.build())))
    start, epoch, validation = _Measured(
        lambda: _members(spec.build())[0],
        training,
        validated,
        spec.objective(),
        lambda epochs: TrainingConfig("adam", 1e-3, epochs, BATCH_SIZE),
        lambda few: _untrained(spec, few) if taught else None,
        min(of.group, spec.largest_batch),
        spec.member if spec.can_batch else None,
        of.validates_all,
    ).times()
    model = spec.build()
    members = _members(model)
    for member in members:
        member.fit(training.inputs)
    some = _part(students, _share(1e-3, len(students.inputs), 1))
    outputs = _least(lambda: _seconds(lambda: predict(model, some.inputs)))
    return Cost(
        start=setup + len(members) * start,
        epoch=len(members) * epoch,
        validation=len(members) * validation,
        outputs=setup + outputs * len(students.inputs) / len(some.inputs),
        test=setup + _test(model, dataset),
        weights=_bytes(model),
        memory=peak_memory(),
    )
