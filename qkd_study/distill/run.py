"""A run: trains one student of one replicate, from the draw to its scores."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from qkd_study.common.predictions import Predictions
from qkd_study.common.seeds import derive
from qkd_study.data import Dataset
from qkd_study.distill import scores
from qkd_study.distill.copies import copies
from qkd_study.distill.objective import Objective, spoiled
from qkd_study.distill.own_optimizer import OwnMaker
from qkd_study.distill.samples import Samples, sample_splits, transfer_inputs
from qkd_study.distill.teacher import Teacher
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.distill.teachers import TeacherStore
from qkd_study.distill.training import Epoch, TrainingConfig, TrainingResult, train
from qkd_study.models import Model, Outputs, Shots, count_parameters, predict, shots_of
from qkd_study.students import StudentSpec, probabilities, weights_of
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.setting import Setting


@dataclass(frozen=True)
class RunResult:
    """The result of a run: metrics, costs and learning curve.

    Attributes:
        metrics, costs: by the names of their columns.
        backend: the device that ran circuits; `torch` if there were none; `None` if it is not known
            of a model of the study's own.
        plan: the execution plans; `None` if there were no circuits.
        curve: one entry per epoch.
        predictions: on the test samples; `None` if the test set was not evaluated.
        weights: the student as `students.weights_of` writes it; `None` likewise.
    """

    metrics: dict[str, float | int | None]
    costs: dict[str, float | int | None]
    backend: str | None
    plan: str | None
    curve: list[Epoch]
    predictions: Predictions | None = None
    weights: bytes | None = None


def training_config(config: Config, arm: Arm) -> TrainingConfig:
    """The training parameters of a configuration's student in an arm."""
    return TrainingConfig(
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        batch_size=config.batch_size,
        momentum=config.momentum or 0.0,
        weight_decay=config.weight_decay or 0.0,
        schedule=config.schedule,
        epoch_choice=config.epoch_choice,
        validate_every=config.validate_every or 1,
        own=OwnMaker(arm.optimizer, config) if callable(arm.optimizer) else None,
    )


def run(
    setting: Setting,
    arm: Arm,
    config: Config,
    dataset: Dataset,
    teachers: TeacherStore,
    *,
    replicate: int,
    test: bool,
) -> RunResult:
    """Train a student and score it.

    Args:
        setting, arm, config: what to train.
        dataset: from which the samples are drawn.
        teachers: the store of teachers, if the arm needs one.
        replicate: fixes the draw, the initial weights and the order of the samples.
        test: whether to evaluate the test set: in the confirm phase only.

    Raises:
        Diverged: the loss is not finite.
    """
    start, waited_before = time.perf_counter(), teachers.waited
    seconds_before, executions_before = teachers.seconds, teachers.executions
    setup = set_up_run(setting, arm, config, dataset, teachers, replicate)
    started = time.perf_counter()
    trained = train(
        setup.student,
        setup.training,
        setup.validation,
        Objective.of(config, arm),
        training_config(config, arm),
        teacher=setup.targets,
        transfer=setup.transfer,
        seed=setup.seed,
    )
    seconds_train = time.perf_counter() - started
    metrics, predictions, seconds_test = setup.validation_metrics(trained), None, 0.0
    if test:
        started = time.perf_counter()
        labels = torch.from_numpy(dataset.test_labels.copy())
        inputs = torch.from_numpy(dataset.test_inputs())
        seed = derive(config.seed, replicate, "student test")
        logits = predict(setup.student, inputs, seed=seed).logits
        metrics |= setup.test_metrics(logits, labels, teachers)
        predictions = predictions_of(logits, labels)
        seconds_test = time.perf_counter() - started
    seconds = {
        "seconds_train": seconds_train,
        "seconds_validation": trained.seconds_validation,
        "seconds_test": seconds_test,
        "seconds_teacher": teachers.seconds - seconds_before,
        "seconds_total": time.perf_counter() - start - (teachers.waited - waited_before),
    }
    executions = teachers.executions - executions_before
    tested = teachers.test_shots(setup.teacher_spec) if test else None
    return setup.result(trained, metrics, executions, seconds, predictions, tested)


@dataclass(frozen=True)
class RunSetup:
    """A student before its training, with everything that the training needs.

    Attributes:
        spec: what the student is built from.
        student: with its initial weights.
        training, validation: its samples.
        teacher_spec: of its teacher.
        teacher: `None` if the arm needs none.
        targets: the teacher's outputs for the training samples, then the transfer samples; spoiled
            if the arm says so.
        transfer: samples without labels (T, ...); `None` without any.
        temperature: that softens the teacher's outputs; `None` if the arm reads none.
        seed: of the order of the samples.
    """

    spec: StudentSpec
    student: Model
    training: Samples
    validation: Samples
    teacher_spec: TeacherSpec
    teacher: Teacher | None
    targets: Outputs | None
    transfer: Tensor | None
    temperature: float | None
    seed: int

    @property
    def labels(self) -> int:
        """Labelled samples of the draw: for training, also the teacher's, and for validation."""
        trained = len(self.training.labels)
        # The student's samples are among the teacher's own.
        if self.teacher is not None and self.teacher_spec.is_trained:
            trained = self.teacher_spec.config.teacher_samples
        return trained + len(self.validation.labels)

    def validation_metrics(self, trained: TrainingResult) -> dict[str, float | int | None]:
        """Metrics on the validation samples, and of the teacher before the test."""
        labels = self.validation.labels
        metrics: dict[str, float | int | None] = {"best_epoch": trained.best_epoch}
        if len(labels):
            metrics |= {
                "val_accuracy": scores.accuracy(trained.val_logits, labels),
                "val_f1_macro": scores.f1_macro(trained.val_logits, labels),
            }
        if self.teacher is None:
            return metrics
        held_out, train = self.teacher.validation, self.teacher.train
        if len(labels):
            metrics |= {
                "teacher_val_accuracy": scores.accuracy(held_out, labels),
                "teacher_val_ece": scores.expected_calibration_error(held_out, labels),
            }
        if self.teacher.ending is not None:
            metrics |= self.teacher.ending.metrics()
        if self.temperature is not None:
            metrics["teacher_entropy"] = scores.mean_entropy(train.logits, self.temperature)
        if self.transfer is not None:
            seed = derive(self.seed, 0, "student transfer")
            mine = predict(self.student, self.transfer, seed=seed).logits
            others = train.logits[len(self.training.labels) :]
            metrics["transfer_agreement"] = scores.agreement(mine, others)
        return metrics

    def test_metrics(
        self, logits: Tensor, labels: Tensor, teachers: TeacherStore
    ) -> dict[str, float | int | None]:
        """Metrics on the test set, from the student's logits (t, classes) and the labels (t,)."""
        metrics: dict[str, float | int | None] = {
            "test_accuracy": scores.accuracy(logits, labels),
            "test_majority": scores.majority(labels),
            "test_f1_macro": scores.f1_macro(logits, labels),
            "test_nll": scores.negative_log_likelihood(logits, labels),
            "test_ece": scores.expected_calibration_error(logits, labels),
        }
        if self.teacher is not None and self.teacher_spec.answers_test:
            other = teachers.test_logits(self.teacher_spec)
            metrics |= {
                "teacher_test_accuracy": scores.accuracy(other, labels),
                "teacher_agreement": scores.agreement(logits, other),
            }
        return metrics

    def result(
        self,
        trained: TrainingResult,
        metrics: dict[str, float | int | None],
        teacher_executions: int,
        seconds: Mapping[str, float],
        predictions: Predictions | None = None,
        tested: Shots | None = None,
    ) -> RunResult:
        """The run's result, from its metrics, its teacher's executions and shots, and times."""
        student, teacher = self.student, self.teacher
        fired = shots_of(student)
        gates, executions = student.circuit_gates, student.circuit_executions
        if gates == 0 and teacher is not None:
            gates = teacher.gates
        if executions is not None:
            known = teacher is None or teacher.counted
            executions = executions + teacher_executions if known else None
        costs: dict[str, float | int | None] = {
            "parameters": count_parameters(student),
            "parameters_quantum": student.quantum_parameters,
            "parameters_effective": student.effective_parameters,
            "teacher_parameters": None if teacher is None else teacher.parameters,
            "teacher_queries": None if teacher is None else len(teacher.train.logits),
            "gates": gates,
            "labels": self.labels,
            "circuit_executions": executions,
            "shots": None if student.uncounted else fired.training,
            "test_shots": None if student.uncounted else fired.test,
            **teacher_shots(teacher, tested),
            **self._copies(),
            **seconds,
        }
        quantum: Model | Teacher = student
        if student.backend == "torch" and teacher is not None:
            quantum = teacher
        weights = None if predictions is None else weights_of(self.spec, student)
        where = quantum.backend, quantum.plan
        return RunResult(metrics, costs, *where, trained.curve, predictions, weights)

    def _copies(self) -> dict[str, int | None]:
        """The columns of copies of states, of the student and of its teacher."""
        more = len(self.validation.labels) + (0 if self.transfer is None else len(self.transfer))
        spec, config = self.spec, self.spec.config
        mine = copies(spec.model, config, len(self.training.labels) + more)
        of_teacher = None
        if self.teacher is not None:
            of_teacher = copies(self.teacher_spec.model, config, config.teacher_samples + more)
        return {"copies": mine, "teacher_copies": of_teacher}


def teacher_shots(teacher: Teacher | None, tested: Shots | None = None) -> dict[str, int | None]:
    """The columns of the shots of a teacher; `tested` are those of its answers to the test set."""
    if teacher is None or not teacher.counted:
        return {"teacher_shots": None, "teacher_test_shots": None}
    total = teacher.shots.plus(tested or Shots())
    return {"teacher_shots": total.training, "teacher_test_shots": total.test}


def predictions_of(logits: Tensor, labels: Tensor) -> Predictions:
    """The predictions that logits (t, classes) make, beside the labels (t,)."""
    chosen = logits.argmax(-1).to(torch.int32).numpy()
    return Predictions(labels.to(torch.int32).numpy(), chosen, probabilities(logits))


def set_up_run(
    setting: Setting,
    arm: Arm,
    config: Config,
    dataset: Dataset,
    teachers: TeacherStore,
    replicate: int,
) -> RunSetup:
    """Prepare the training of a run's student; arguments as for `run`."""
    spec = TeacherSpec.of(setting, arm, config, dataset, replicate)
    teacher = teachers.get(spec) if arm.needs_teacher else None
    training, _, validation = sample_splits(config, dataset, replicate)
    built_from = StudentSpec.of(setting.student_of(arm), config, dataset, replicate)
    student = built_from.build()
    student.keeps_state = spec.wants_state
    targets = None
    if teacher is not None:
        seed = derive(config.seed, replicate, "spoiled teacher")
        targets = spoiled(teacher.train, arm.spoiled, seed=seed)
    seed = derive(config.seed, replicate, "student order")
    transfer = transfer_inputs(config, dataset, replicate) if arm.needs_teacher else None
    given = student, training, validation, spec, teacher, targets, transfer
    return RunSetup(built_from, *given, config.temperature, seed)
