"""Several replicates of one configuration, trained side by side: what is overhead is paid once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from qkd_study.data import Dataset
from qkd_study.distill import scores
from qkd_study.distill.objective import TERMS, Objective, spoiled
from qkd_study.distill.run import RunResult, recipe_of, run
from qkd_study.distill.stacked_objective import TERMS_TOGETHER
from qkd_study.distill.stacked_training import train_together
from qkd_study.distill.teachers import Order, Teacher, TeacherStore, drawn
from qkd_study.distill.training import Diverged, Samples, Training
from qkd_study.models import Model, Outputs, Stacked, build_model, count_parameters, stacked
from qkd_study.seeds import derive
from qkd_study.study.arms import Arm
from qkd_study.study.circuits import HybridCircuit
from qkd_study.study.config import Config
from qkd_study.study.models import Convolution, Mlp
from qkd_study.study.settings import Setting

#: Beyond so many qubits a step is all arithmetic, and every replicate holds its states in memory.
QUBITS = 10


def can_run_together(setting: Setting, arm: Arm, config: Config) -> bool:
    """Whether the replicates of an arm are trained side by side, and not one by one.

    So they are for students that are a `Convolution`, an `Mlp`, or a `HybridCircuit` of up to
    `QUBITS` qubits without a trained reduction, and loss terms out of cross-entropy (scaled,
    smoothed), soft targets and feature maps.
    """
    of = setting.student_model
    if not {name for name in arm.term_names if name in TERMS} <= TERMS_TOGETHER:
        return False
    if type(of) is HybridCircuit:
        return config.reduction != "linear" and (config.qubits or 0) <= QUBITS
    return type(of) in (Convolution, Mlp)
