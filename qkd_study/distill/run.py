"""One run: one student of one replicate, from the draw to its scores."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from qkd_study.data import Dataset
from qkd_study.distill import scores
from qkd_study.distill.objective import Objective, spoiled
from qkd_study.distill.teachers import Order, Teacher, TeacherStore, drawn
from qkd_study.distill.training import Epoch, Recipe, train
from qkd_study.models import Model, build_model, count_parameters, predict
from qkd_study.seeds import derive
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.settings import Setting


@dataclass(frozen=True)
class RunResult:
    """What a run found, what it cost, and how it got there.

    Attributes:
        metrics, costs: by the names that the tables give them.
        backend: the device that ran circuits; `torch` where there were none.
        plan: how it ran them; `None` where there were none.
        curve: one entry per epoch.
    """

    metrics: dict[str, float | int | None]
    costs: dict[str, float | int | None]
    backend: str
    plan: str | None
    curve: list[Epoch]


def recipe_of(config: Config) -> Recipe:
    """How a configuration trains its student."""
    return Recipe(
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        batch_size=config.batch_size,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        schedule=config.schedule,
        epoch_choice=config.epoch_choice,
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
        dataset: where the samples are drawn from.
        teachers: asked for a teacher if the arm needs one.
        replicate: fixes the draw, the initial weights and the order of the samples.
        test: whether to score on the test set: in the confirm phase only.

    Raises:
        Diverged: the loss is no longer a number.
    """
    start, waited_before = time.perf_counter(), teachers.waited
    seconds_before, executions_before = teachers.seconds, teachers.executions
    order = Order.of(setting, arm, config, dataset, replicate)
    teacher = teachers.get(order) if arm.needs_teacher else None
    training, _, validation = drawn(config, dataset, replicate)
    student = build_model(
        setting.student_model,
        config,
        dataset.shape,
        dataset.classes,
        seed=derive(config.seed, replicate, "student weights"),
    )
    student.keeps_state = order.wants_state
    targets = None
    if teacher is not None:
        seed = derive(config.seed, replicate, "spoiled teacher")
        targets = spoiled(teacher.train, arm.spoiled, seed=seed)
    started = time.perf_counter()
    trained = train(
        student,
        training,
        validation,
        Objective.of(config, arm),
        recipe_of(config),
        teacher=targets,
        seed=derive(config.seed, replicate, "student order"),
    )
    seconds_train = time.perf_counter() - started
    metrics: dict[str, float | int | None] = {
        "val_accuracy": scores.accuracy(trained.val_logits, validation.labels),
        "val_f1_macro": scores.f1_macro(trained.val_logits, validation.labels),
        "best_epoch": trained.best_epoch,
    }
    if test:
        labels = torch.from_numpy(dataset.test_labels.copy())
        logits = predict(student, torch.from_numpy(dataset.test_inputs())).logits
        metrics |= {
            "test_accuracy": scores.accuracy(logits, labels),
            "test_f1_macro": scores.f1_macro(logits, labels),
            "test_nll": scores.negative_log_likelihood(logits, labels),
            "test_ece": scores.expected_calibration_error(logits, labels),
        }
        if teacher is not None:
            other = teachers.test_logits(order)
            metrics |= {
                "teacher_test_accuracy": scores.accuracy(other, labels),
                "teacher_agreement": scores.agreement(logits, other),
            }
    costs: dict[str, float | int | None] = {
        "parameters": count_parameters(student),
        "parameters_quantum": student.quantum_parameters,
        "teacher_parameters": None if teacher is None else teacher.parameters,
        "gates": max(student.circuit_gates, 0 if teacher is None else teacher.gates),
        "circuit_executions": student.circuit_executions + teachers.executions - executions_before,
        "seconds_train": seconds_train,
        "seconds_teacher": teachers.seconds - seconds_before,
        "seconds_total": time.perf_counter() - start - (teachers.waited - waited_before),
    }
    quantum: Model | Teacher = student
    if student.backend == "torch" and teacher is not None:
        quantum = teacher
    return RunResult(metrics, costs, quantum.backend, quantum.plan, trained.curve)
