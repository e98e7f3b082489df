"""Losses, teachers, and the training of students. Knows nothing of Ray or Optuna."""

from qkd_study.distill.losses import feature_loss, soft_target_loss
from qkd_study.distill.objective import Objective, Terms
from qkd_study.distill.run import RunResult, run
from qkd_study.distill.teachers import Order, Teacher, TeacherStore
from qkd_study.distill.training import Diverged, Epoch, Samples, Training, train

__all__ = [
    "Diverged",
    "Epoch",
    "Objective",
    "Order",
    "RunResult",
    "Samples",
    "Teacher",
    "TeacherStore",
    "Terms",
    "Training",
    "feature_loss",
    "run",
    "soft_target_loss",
    "train",
]
