"""Every term: a value by hand, finite differences, a gradient that reaches the student."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qkd_study.data import load
from qkd_study.distill import Objective, feature_loss, soft_target_loss
from qkd_study.models import Outputs, build_model
from qkd_study.study import Study


def softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_targets_by_hand(temperature: float) -> None:
    student, teacher = [[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]], [[2.0, 0.0, 1.0], [-1.0, 0.0, 4.0]]
    expected = 0.0
    for s, t in zip(student, teacher, strict=True):
        q = softmax([x / temperature for x in s])
        p = softmax([x / temperature for x in t])
        expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 2
    found = soft_target_loss(
        torch.tensor(student).double(), torch.tensor(teacher).double(), temperature
    )
    assert found.item() == pytest.approx(temperature**2 * expected, rel=1e-12)


def test_features_by_hand() -> None:
    a = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    b = torch.tensor([[[1.0, 0.0], [0.0, 4.0]]])
    assert feature_loss(a, b).item() == (4 + 9) / 4
    with pytest.raises(ValueError, match=r"feature maps of \(1, 2, 2\) and \(2, 2\) differ"):
        feature_loss(a, b[0])


def finite_differences(f: Any, x: Tensor, h: float = 1e-6) -> Tensor:
    gradient = torch.zeros_like(x)
    for i in np.ndindex(*x.shape):
        step = torch.zeros_like(x)
        step[i] = h
        gradient[i] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


@given(
    st.floats(0.5, 8), st.floats(0, 5), st.floats(0, 5), st.floats(0.1, 5), st.integers(0, 10**6)
)
@settings(max_examples=30, deadline=None)
def test_gradients_are_those_of_finite_differences(
    temperature: float, soft: float, features: float, scale: float, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    labels = torch.tensor([0, 2])
    teacher = Outputs(draw(2, 3), draw(2, 2, 2))
    weights = {"soft": soft, "features": features}
    objective = Objective(scale, weights=weights, values={"temperature": temperature})
    maps = draw(2, 2, 2)
    logits = draw(2, 3).requires_grad_()
    objective(Outputs(logits, maps), labels, teacher).total.backward()
    expected = finite_differences(
        lambda x: objective(Outputs(x, maps), labels, teacher).total.item(), logits.detach()
    )
    torch.testing.assert_close(logits.grad, expected, rtol=1e-6, atol=1e-7)
    maps.requires_grad_()
    objective(Outputs(logits.detach(), maps), labels, teacher).total.backward()
    expected = finite_differences(
        lambda x: objective(Outputs(logits.detach(), x), labels, teacher).total.item(),
        maps.detach(),
    )
    torch.testing.assert_close(maps.grad, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("term", ["cross_entropy", "soft", "features"])
def test_every_term_reaches_the_student(term: str) -> None:
    study = Study(question="?")
    digits = load("digits")
    config = study.config(study.cells()[0], study.arm("soft+features"), {}, "digits")
    student = build_model(study.setting.student_model, config, (8, 8), 10, seed=0)
    out = student(student.prepare(torch.from_numpy(digits.pool_inputs(np.arange(6)))))
    teacher = Outputs(torch.randn(6, 10), torch.randn_like(out.features))
    labels = torch.from_numpy(digits.pool_labels[:6])
    terms = Objective.of(config, study.arm("soft+features"))(out, labels, teacher)
    (terms.cross_entropy if term == "cross_entropy" else terms.parts[term]).backward()
    reached = {n for n, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    of_layer = {"convolution.weight", "convolution.bias"}
    assert reached == of_layer | ({"head.weight", "head.bias"} if term != "features" else set())


def test_no_cliff_at_weight_zero() -> None:
    logits, teacher = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    maps, labels = torch.zeros(4, 1, dtype=torch.float64), torch.tensor([0, 1, 2, 0])

    def total(weight: float) -> float:
        objective = Objective(weights={"soft": weight}, values={"temperature": 4.0})
        return objective(Outputs(logits, maps), labels, Outputs(teacher, maps)).total.item()

    at_zero, at_one = total(0.0), total(1.0)
    assert total(1e-9) == pytest.approx(at_zero, abs=1e-7)
    assert total(0.5) == pytest.approx((at_zero + at_one) / 2, rel=1e-12)
    objective = Objective(weights={"soft": 0.0}, values={"temperature": 4.0})
    terms = objective(Outputs(logits, maps), labels, Outputs(teacher, maps))
    assert terms.parts["soft"].item() == soft_target_loss(logits, teacher, 4.0).item()


def test_terms_that_are_off_are_not_there() -> None:
    out = Outputs(torch.randn(4, 3, requires_grad=True), torch.randn(4, 2))
    terms = Objective()(out, torch.tensor([0, 1, 2, 0]), None)
    assert terms.parts == {}
    assert terms.total.item() == terms.cross_entropy.item()


def test_scaled_cross_entropy() -> None:
    out = Outputs(torch.randn(4, 3), torch.randn(4, 2))
    terms = Objective(scale_cross_entropy=7.0)(out, torch.tensor([0, 1, 2, 0]), None)
    assert terms.total.item() == pytest.approx(7 * terms.cross_entropy.item())
