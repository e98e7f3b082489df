"""Losses, teachers, and the training of students; independent of Ray and Optuna."""

from qkd_study.distill.losses import (
    angle_loss,
    decoupled_loss,
    distance_loss,
    feature_loss,
    fidelity_loss,
    smoothed_cross_entropy,
    soft_target_loss,
)
from qkd_study.distill.objective import Objective, Terms, spoiled
from qkd_study.distill.replicates import run_replicates, runs_in_batch
from qkd_study.distill.run import RunResult, run, training_config
from qkd_study.distill.samples import Samples, sample_splits
from qkd_study.distill.teacher import Teacher
from qkd_study.distill.teacher_cache import TeacherCache
from qkd_study.distill.teacher_runs import run_phase, teachers_in_batch
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.distill.teachers import TeacherStore
from qkd_study.distill.training import (
    Diverged,
    Epoch,
    TrainingConfig,
    TrainingResult,
    train,
)

__all__ = [
    "Diverged",
    "Epoch",
    "Objective",
    "RunResult",
    "Samples",
    "Teacher",
    "TeacherCache",
    "TeacherSpec",
    "TeacherStore",
    "Terms",
    "TrainingConfig",
    "TrainingResult",
    "angle_loss",
    "decoupled_loss",
    "distance_loss",
    "feature_loss",
    "fidelity_loss",
    "run",
    "run_phase",
    "run_replicates",
    "runs_in_batch",
    "sample_splits",
    "smoothed_cross_entropy",
    "soft_target_loss",
    "spoiled",
    "teachers_in_batch",
    "train",
    "training_config",
]
