"""Teachers as runs of their own: scored on validation, and kept for their students."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from qkd_study import (
    ClassicalToClassical,
    ClassicalToHybrid,
    ConvNet,
    Ensemble,
    HybridImage,
    LogFloat,
    Mlp,
    QuantumToClassical,
    Study,
)
from qkd_study.data import load
from qkd_study.distill import TeacherSpec, TeacherStore, run_phase, teachers
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
    for name in ("teacher_late_rise", "teacher_best_epoch"):
        assert metrics[name] == taught.metrics[name]


@pytest.mark.parametrize(
    ("setting", "arm"),
    [(QuantumToClassical(), "random-teacher"),  # one by one
     (ClassicalToClassical(), "soft"),  # in a batch
     (ClassicalToClassical(teacher=Ensemble(Mlp((8,)), 2)), "soft")],
)  # fmt: skip
def test_how_the_training_of_a_teacher_ended_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: Setting, arm: str
) -> None:
    curves = []
    for name in ("train", "train_batched"):
        original = getattr(teachers, name)

        def watched(*given: Any, original: Any = original, **named: Any) -> Any:
            found = original(*given, **named)
            curves.extend(found if isinstance(found, list) else [found])
            return found

        monkeypatch.setattr(teachers, name, watched)
    epochs = {"samples": 40, "teacher_samples": 80, "epochs": 1, "teacher_epochs": 10}
    study = Study(question="?", setting=setting, fixed=epochs, arms=(arm,))
    (own,) = study.all_arms
    config = study.config(study.cells()[0], own, {}, "digits")
    of = (setting, own, config, DIGITS)
    (result,) = run_phase("search", *of, TeacherStore(tmp_path), (0,))
    assert not isinstance(result, Exception)
    # The slope of a line through the last three of ten epochs, as two are fewer than three.
    last = [[epoch.val_accuracy or 0.0 for epoch in found.curve][-3:] for found in curves]
    rise = 2 * np.mean([np.polyfit((8, 9, 10), values, 1)[0] for values in last])
    assert result.metrics["teacher_late_rise"] == pytest.approx(rise, abs=1e-12)
    assert result.metrics["teacher_best_epoch"] == max(found.best_epoch for found in curves)
    # From the store, by another worker.
    (again,) = run_phase("search", *of, TeacherStore(tmp_path), (0,))
    assert not isinstance(again, Exception)
    assert again.metrics == result.metrics
