"""From a setting and a configuration to models with their initial weights."""

from __future__ import annotations

from typing import Literal, cast

from qkd_study.data import Dataset
from qkd_study.models.convolution import ConvolutionStudent, QuanvolutionTeacher
from qkd_study.models.outputs import Model, seeded
from qkd_study.quantum import Plan, Precision, Quanvolution, Simulator
from qkd_study.seeds import derive
from qkd_study.study.config import Config
from qkd_study.study.settings import Setting


def simulator(config: Config) -> Simulator:
    """What runs the circuits of a configuration."""
    return Simulator(
        config.device,
        cast(Precision, config.precision),
        None if config.plan == "auto" else cast(Plan, config.plan),
    )


def build_student(setting: Setting, config: Config, dataset: Dataset, *, replicate: int) -> Model:
    """The student with the initial weights of a replicate, the same for every arm."""
    with seeded(derive(config.seed, replicate, "student weights")):
        return ConvolutionStudent(
            setting.patches(dataset.shape),
            dataset.classes,
            filters=setting.filters,
            kernel=setting.kernel,
            stride=setting.stride,
        )


def build_teacher(setting: Setting, config: Config, dataset: Dataset, *, replicate: int) -> Model:
    """The untrained teacher of a replicate."""
    seed = derive(config.seed, replicate, "teacher weights")
    layer = Quanvolution(
        filters=setting.filters,
        kernel=setting.kernel,
        stride=setting.stride,
        qubits=config.qubits,
        depth=config.depth,
        embedding=cast(Literal["angle", "amplitude"], config.embedding),
        angle_range=config.angle_range,
        seed=seed,
        simulator=simulator(config),
    )
    with seeded(seed):
        return QuanvolutionTeacher(layer, setting.patches(dataset.shape), dataset.classes)
