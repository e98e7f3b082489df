"""Losses, teachers, and the training of students. Knows nothing of Ray or Optuna."""

from qkd_study.distill.losses import (
    angle_loss,
    decoupled_loss,
    distance_loss,
    feature_loss,
    fidelity_loss,
    smoothed_cross_entropy,
    soft_target_loss,
)
from qkd_study.distill.objective import TERMS, Objective, Terms, spoiled
from qkd_study.distill.replicates import run_replicates, runs_in_batch
from qkd_study.distill.run import RunResult, recipe_of, run
from qkd_study.distill.teachers import Order, Teacher, TeacherStore, drawn
from qkd_study.distill.training import Diverged, Epoch, Recipe, Samples, Training, train

__all__ = [
    "TERMS",
    "Diverged",
    "Epoch",
    "Objective",
    "Order",
    "Recipe",
    "RunResult",
    "Samples",
    "Teacher",
    "TeacherStore",
    "Terms",
    "Training",
    "angle_loss",
    "decoupled_loss",
    "distance_loss",
    "drawn",
    "feature_loss",
    "fidelity_loss",
    "recipe_of",
    "run",
    "run_replicates",
    "runs_in_batch",
    "smoothed_cross_entropy",
    "soft_target_loss",
    "spoiled",
    "train",
]
