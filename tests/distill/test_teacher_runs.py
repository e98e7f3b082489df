"""Teachers as runs of their own: scored on validation, and kept for their students."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from qkd_study import (
    ClassicalToClassical,
    ClassicalToHybrid,
    ConvNet,
    HybridImage,
    LogFloat,
    QuantumToClassical,
    Study,
)
from qkd_study.data import load
from qkd_study.distill import TeacherSpec, TeacherStore, run_phase
from qkd_study.models import predict
from qkd_study.study.setting import Setting
from qkd_study.study.teacher_search import teacher_searches

DIGITS = load("digits")


@pytest.mark.parametrize(
    ("setting", "arm"),
    [(QuantumToClassical(), "soft"), (QuantumToClassical(), "random-teacher"),
     (ClassicalToClassical(), "soft"),
     (ClassicalToHybrid(teacher=ConvNet(), student=HybridImage()), "self-teacher")],
)  # fmt: skip
def test_a_teacher_that_was_searched_teaches(tmp_path: Path, setting: Setting, arm: str) -> None:
    study = Study(
        question="?",
        setting=setting,
        fixed={"samples": 40, "teacher_samples": 80, "epochs": 2, "teacher_epochs": 6},
        arms=(arm,),
        teacher_search={"teacher_learning_rate": LogFloat(1e-3, 1e-1)},
    )
    (search,) = teacher_searches(study)
    chosen = {"teacher_learning_rate": 0.05}
    config = search.config(study, chosen, "digits")
    store = TeacherStore(tmp_path)
    of = (setting, search.arm, config, DIGITS)
    taught, other = run_phase("teacher", *of, store, (0, 1))
    assert not isinstance(taught, Exception)
    assert not isinstance(other, Exception)
    spec = TeacherSpec.of(*of, 0)
    model = spec.build()
    model.load_state_dict(store._trained(spec).state_dict())
    validation = spec.samples()[2]
    logits = predict(model, validation.inputs).logits
    hits = logits.argmax(-1) == validation.labels
    assert taught.metrics["val_accuracy"] == hits.double().mean()
    assert taught.costs["teacher_parameters"] == sum(
        p.numel() for p in model.parameters() if p.requires_grad
    )
    assert (taught.costs["seconds_teacher"] or 0) > 0

    cell, (own,) = study.cells()[0], study.all_arms
    student = study.config(cell, own, chosen, "digits")
    (result,) = run_phase("search", setting, own, student, DIGITS, store, (0,))
    assert not isinstance(result, Exception)
    assert result.costs["seconds_teacher"] == 0  # it was kept
    metrics = result.metrics
    assert metrics["teacher_val_accuracy"] == taught.metrics["val_accuracy"]
    assert metrics["teacher_val_ece"] == taught.metrics["teacher_val_ece"]
    softened = functional.softmax(
        predict(model, spec.samples()[1].inputs[:40]).logits.double() / 4.0, dim=-1
    )
    entropy = torch.distributions.Categorical(probs=softened).entropy().mean()
    assert metrics["teacher_entropy"] == pytest.approx(float(entropy), rel=1e-9)
