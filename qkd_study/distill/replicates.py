"""Runs several replicates of a configuration: in one batch if possible, else one by one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qkd_study.common.errors import StorageError
from qkd_study.data import Dataset
from qkd_study.distill.batched import (
    batch_models,
    can_batch,
    largest_batch,
    one_thread,
    train_batched,
)
from qkd_study.distill.objective import Objective
from qkd_study.distill.run import (
    RunResult,
    RunSetup,
    predictions_of,
    run,
    set_up_run,
    training_config,
)
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.distill.teachers import TeacherStore
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.setting import Setting


def runs_in_batch(setting: Setting, arm: Arm, config: Config, dataset: Dataset) -> bool:
    """Whether an arm's student, loss terms and optimiser can be trained in one batch."""
    if callable(arm.optimizer):
        return False
    return can_batch(setting.student_of(arm), arm.comparisons, config, dataset.shape)


def replicates_held(setting: Setting, arm: Arm, config: Config, dataset: Dataset) -> int:
    """How many replicates of students that run in a batch are in memory at once, at most."""
    samples = config.samples + (config.transfer_samples or 0) + config.validation_samples
    return largest_batch(setting.student_of(arm), config, dataset.shape, samples)


def run_replicates(
    setting: Setting,
    arm: Arm,
    config: Config,
    dataset: Dataset,
    teachers: TeacherStore,
    *,
    replicates: Sequence[int],
    test: bool,
) -> list[RunResult | Exception]:
    """Run some replicates of one configuration: as `run` for each, but in one batch if possible.

    The numbers of a replicate do not depend on the others in the batch, bit for bit. They differ
    from those of `run` by rounding, so a replay calls this function with a single replicate. Times
    are those of the batch divided by its replicates.

    Args:
        setting, arm, config: what to train.
        dataset: from which the samples are drawn.
        teachers: the store of teachers, if the arm needs them.
        replicates: all different.
        test: whether to evaluate the test set: in the confirm phase only.

    Returns:
        For each replicate its result, or the error, such as `Diverged`.

    Raises:
        StorageError: a folder cannot be read or written.
    """
    call = _Call(setting, arm, config, dataset, teachers, test)
    if not runs_in_batch(setting, arm, config, dataset):
        return [call.run_alone(replicate) for replicate in replicates]
    limit = replicates_held(setting, arm, config, dataset)
    parts = [replicates[i : i + limit] for i in range(0, len(replicates), limit)]
    with one_thread():
        return [result for part in parts for result in call.run_batch(part)]


@dataclass(frozen=True)
class _Call:
    """The arguments of `run_replicates`."""

    setting: Setting
    arm: Arm
    config: Config
    dataset: Dataset
    teachers: TeacherStore
    test: bool

    def run_alone(self, replicate: int) -> RunResult | Exception:
        """One replicate by `run`."""
        try:
            return run(
                self.setting,
                self.arm,
                self.config,
                self.dataset,
                self.teachers,
                replicate=replicate,
                test=self.test,
            )
        except StorageError:
            raise
        except Exception as error:
            return error

    def run_batch(self, replicates: Sequence[int]) -> list[RunResult | Exception]:
        """Run replicates in one batch."""
        start, waited_before = time.perf_counter(), self.teachers.waited
        seconds_before = self.teachers.seconds
        given = (self.setting, self.arm, self.config, self.dataset)
        if self.arm.needs_teacher:
            self.teachers.train([TeacherSpec.of(*given, replicate) for replicate in replicates])
        results: dict[int, RunResult | Exception] = {}
        setups: dict[int, RunSetup] = {}
        executions: dict[int, int] = {}
        for replicate in replicates:
            before = self.teachers.executions
            try:
                setups[replicate] = set_up_run(*given, self.teachers, replicate)
            except StorageError:
                raise
            except Exception as error:
                results[replicate] = error
            executions[replicate] = self.teachers.executions - before
        if not setups:
            return [results[replicate] for replicate in replicates]
        students = [setup.student for setup in setups.values()]
        batch = batch_models(self.setting.student_of(self.arm), students)
        targets = [setup.targets for setup in setups.values() if setup.targets is not None]
        transfers = [setup.transfer for setup in setups.values() if setup.transfer is not None]
        started = time.perf_counter()
        trained = train_batched(
            batch,
            [setup.training for setup in setups.values()],
            [setup.validation for setup in setups.values()],
            Objective.of(self.config, self.arm),
            training_config(self.config, self.arm),
            teachers=targets or None,
            transfers=transfers or None,
            seeds=[setup.seed for setup in setups.values()],
        )
        seconds_train = time.perf_counter() - started
        done, tested_at = {}, time.perf_counter()
        logits: Sequence[Tensor | None] = [None] * len(setups)
        if self.test:
            labels = torch.from_numpy(self.dataset.test_labels.copy())
            logits = batch.test(torch.from_numpy(self.dataset.test_inputs()))
            answering = [
                setup.teacher_spec for setup in setups.values() if setup.teacher is not None
            ]
            self.teachers.answer_test(answering)
        rows = zip(setups.items(), trained, logits, strict=True)
        for (replicate, setup), training, answer in rows:
            if isinstance(training, Exception):
                results[replicate] = training
                continue
            before = self.teachers.executions
            metrics, predictions = setup.validation_metrics(training), None
            if answer is not None:
                metrics |= setup.test_metrics(answer, labels, self.teachers)
                predictions = predictions_of(answer, labels)
            executions[replicate] += self.teachers.executions - before
            done[replicate] = (setup, training, metrics, predictions)
        seconds_test = time.perf_counter() - tested_at if self.test else 0.0
        waited = self.teachers.waited - waited_before
        seconds = {
            "seconds_train": seconds_train / len(setups),
            "seconds_test": seconds_test / len(setups),
            "seconds_teacher": (self.teachers.seconds - seconds_before) / len(replicates),
            "seconds_total": (time.perf_counter() - start - waited) / len(replicates),
        }
        for replicate, (setup, training, metrics, predictions) in done.items():
            validation = {"seconds_validation": training.seconds_validation}
            tested = self.teachers.test_shots(setup.teacher_spec) if self.test else None
            results[replicate] = setup.result(
                training, metrics, executions[replicate], seconds | validation, predictions, tested
            )
        return [results[replicate] for replicate in replicates]
