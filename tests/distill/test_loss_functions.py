"""Every loss function: by hand in plain Python, finite differences, its edges, its errors."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from qkd_study.distill.losses import (
    LOSSES,
    angle_loss,
    decoupled_loss,
    distance_loss,
    fidelity_loss,
    smoothed_cross_entropy,
    soft_target_loss,
)
from qkd_study.study.config import OWN, PARAMETERS, TERMS

Loss = Callable[[Tensor, Tensor], Tensor]
Rows = list[list[float]]

STUDENT: Rows = [[1.0, 2.0, -1.0, 0.3], [0.0, 0.5, 3.0, -2.0], [0.1, 0.2, 0.3, 0.4]]
TEACHER: Rows = [[2.0, 0.0, 1.0, -0.5], [-1.0, 0.0, 4.0, 1.0], [3.0, -3.0, 0.0, 1.5]]
LABELS = [1, 2, 0]
POINTS_S: Rows = [[0.0, 0.0], [1.0, 0.2], [-0.4, 2.0], [3.0, -1.0]]
POINTS_T: Rows = [[0.5, 1.0, 0.0], [2.0, -1.0, 1.0], [0.0, 0.3, 5.0], [-1.0, 0.0, 0.7]]


def tensor(rows: object) -> Tensor:
    """In double precision from the start: torch.tensor alone would round to single first."""
    return torch.from_numpy(np.array(rows))


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def states(batch: int, size: int, seed: int, dtype: torch.dtype = torch.complex128) -> Tensor:
    drawn = draw(batch, size, seed=seed, dtype=dtype)
    return torch.nn.functional.normalize(drawn, dim=1)


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    weights = [math.exp(x / temperature) for x in row]
    return [w / sum(weights) for w in weights]


def divergence(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def huber(x: float) -> float:
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


# The written formulas, one sample, pair or triplet at a time.


def tckd_and_nckd(
    s: list[float], t: list[float], label: int, temperature: float
) -> tuple[float, float]:
    q, p = softmax(s, temperature), softmax(t, temperature)
    tckd = divergence([p[label], 1 - p[label]], [q[label], 1 - q[label]])
    rest_p = [x / (1 - p[label]) for c, x in enumerate(p) if c != label]
    rest_q = [x / (1 - q[label]) for c, x in enumerate(q) if c != label]
    return tckd, divergence(rest_p, rest_q)


def distances_by_hand(student: Rows, teacher: Rows) -> float:
    pairs = [(i, j) for i, j in itertools.permutations(range(len(student)), 2)]
    relative = []
    for points in (student, teacher):
        lengths = [math.dist(points[i], points[j]) for i, j in pairs]
        relative.append([x / (sum(lengths) / len(lengths)) for x in lengths])
    return sum(huber(a - b) for a, b in zip(*relative, strict=True)) / len(pairs)


def cosine(points: Rows, i: int, j: int, k: int) -> float:
    a = [x - y for x, y in zip(points[i], points[j], strict=True)]
    b = [x - y for x, y in zip(points[k], points[j], strict=True)]
    norms = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0


def angles_by_hand(student: Rows, teacher: Rows) -> float:
    triplets = list(itertools.permutations(range(len(student)), 3))
    return sum(huber(cosine(student, *t) - cosine(teacher, *t)) for t in triplets) / len(triplets)


# Golden values.


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.99])
def test_smoothing_by_hand(smoothing: float) -> None:
    expected = 0.0
    for row, label in zip(STUDENT, LABELS, strict=True):
        for c, p in enumerate(softmax(row)):
            target = (1 - smoothing) * (c == label) + smoothing / 4
            expected -= target * math.log(p) / 3
    found = smoothed_cross_entropy(tensor(STUDENT), torch.tensor(LABELS), smoothing)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_smoothing_on_paper() -> None:
    found = smoothed_cross_entropy(tensor([[0.0, math.log(3)]]), torch.tensor([0]), 0.2)
    assert found.item() == pytest.approx(0.9 * math.log(4) + 0.1 * math.log(4 / 3), rel=1e-12)


def test_every_declared_term_has_its_function_and_every_function_its_term() -> None:
    declared = {term.name: term for term in TERMS.values() if term.compares is not None}
    assert declared.keys() == LOSSES.keys() | {OWN}
    for name, function in LOSSES.items():
        term = declared[name]
        assert set(term.reads) <= PARAMETERS.keys()
        arguments = ["student", "teacher", *["labels"][: term.labels], *term.reads]
        assert len(inspect.signature(function).parameters) == len(arguments)
        assert ("labels" in inspect.signature(function).parameters) == term.labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.0, 1.0), (0.7, 8.0), (0.0, 0.0)])
def test_decoupled_by_hand(temperature: float, alpha: float, beta: float) -> None:
    expected = 0.0
    for s, t, label in zip(STUDENT, TEACHER, LABELS, strict=True):
        tckd, nckd = tckd_and_nckd(s, t, label, temperature)
        expected += temperature**2 * (alpha * tckd + beta * nckd) / 3
    found = decoupled_loss(
        tensor(STUDENT), tensor(TEACHER), torch.tensor(LABELS), temperature, alpha, beta
    )
    assert found.item() == pytest.approx(expected, rel=1e-10)


def test_distances_by_hand() -> None:
    found = distance_loss(tensor(POINTS_S), tensor(POINTS_T))
    assert found.item() == pytest.approx(distances_by_hand(POINTS_S, POINTS_T), rel=1e-12)


def test_angles_by_hand() -> None:
    found = angle_loss(tensor(POINTS_S), tensor(POINTS_T))
    assert found.item() == pytest.approx(angles_by_hand(POINTS_S, POINTS_T), rel=1e-12)


def test_triangles_on_paper() -> None:
    right = tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    equal = tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert distance_loss(right, equal).item() == pytest.approx(1 / 48, rel=1e-12)
    assert angle_loss(right, equal).item() == pytest.approx((0.25 + 0.01 + 0.09) / 6, rel=1e-12)


def test_huber_is_linear_beyond_one() -> None:
    one_away, line = [[0.0]] * 9 + [[1.0]], [[float(i)] for i in range(10)]
    assert 45 / 9 - 9 * 45 / 165 > 1  # the relative distances of the first and last sample
    expected = distances_by_hand(one_away, line)
    assert distance_loss(tensor(one_away), tensor(line)).item() == pytest.approx(
        expected, rel=1e-12
    )
    # Cosines 1, -1, 1 at the three samples against 1, 1, -1.
    found = angle_loss(tensor([[0.0], [1.0], [2.0]]), tensor([[0.0], [2.0], [1.0]]))
    assert found.item() == pytest.approx(2 * 1.5 / 3, rel=1e-12)


def test_fidelity_by_hand() -> None:
    student = [[0.6, 0.8j, 0, 0], [0.5, -0.5, 0.5j, 0.5]]
    teacher = [[0.6j, 0, 0, 0.8], [0.5, 0.5j, -0.5, 0.5]]
    expected = 0.0
    for s, t in zip(student, teacher, strict=True):
        overlap = sum(complex(b).conjugate() * a for a, b in zip(s, t, strict=True))
        expected += (1 - abs(overlap) ** 2) / 2
    found = fidelity_loss(tensor(student), tensor(teacher))
    assert found.item() == pytest.approx(expected, rel=1e-12)
    assert not found.is_complex()


def test_fidelity_of_real_and_of_mixed_states() -> None:
    real, i = tensor([[0.6, 0.8]]), tensor([[1.0, 1j]]) / math.sqrt(2)
    assert fidelity_loss(real, tensor([[1.0, 0.0]])).item() == pytest.approx(0.64, rel=1e-12)
    for found in (fidelity_loss(real, i), fidelity_loss(i, real)):
        assert found.item() == pytest.approx(0.5, rel=1e-12)


# Gradients.

LABELS_5 = torch.tensor([0, 3, 1, 1, 2])


def dkd(temperature: float, alpha: float, beta: float) -> Loss:
    return lambda s, t: decoupled_loss(s, t, LABELS_5, temperature, alpha, beta)


LOGITS = draw(5, 4), draw(5, 4, seed=1)
FEATURES = draw(5, 2, 3), draw(5, 7, seed=1)
COMPLEX = states(5, 4, 0), states(5, 4, 1)
REAL = states(5, 4, 2, torch.float64), states(5, 4, 3, torch.float64)
PAIRS: dict[str, tuple[Loss, Tensor, Tensor]] = {
    "tckd": (dkd(3.0, 1.0, 0.0), *LOGITS),
    "nckd": (dkd(3.0, 0.0, 1.0), *LOGITS),
    "decoupled": (dkd(0.5, 1.5, 8.0), *LOGITS),
    "distance": (distance_loss, *FEATURES),
    "angle": (angle_loss, *FEATURES),
    "fidelity": (fidelity_loss, *COMPLEX),
    "fidelity, real": (fidelity_loss, *REAL),
    "fidelity, real student": (fidelity_loss, REAL[0], COMPLEX[1]),
    "fidelity, real teacher": (fidelity_loss, COMPLEX[0], REAL[1]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    loss, student, teacher = PAIRS[name]
    student = student.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), (student,), atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradient_of_smoothing(smoothing: float) -> None:
    logits = draw(5, 4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: smoothed_cross_entropy(x, LABELS_5, smoothing), (logits,), atol=1e-7, rtol=1e-5
    )
    smoothed_cross_entropy(logits, LABELS_5, smoothing).backward()
    one_hot = torch.eye(4, dtype=torch.float64)[LABELS_5]
    expected = logits.detach().softmax(1) - (1 - smoothing) * one_hot - smoothing / 4
    torch.testing.assert_close(logits.grad, expected / 5)


@pytest.mark.parametrize("name", PAIRS)
def test_gradient_reaches_every_sample_of_the_student_and_no_teacher(name: str) -> None:
    loss, student, teacher = PAIRS[name]
    student, teacher = student.clone().requires_grad_(), teacher.clone().requires_grad_()
    loss(student, teacher.detach()).backward()
    assert student.grad is not None
    assert (student.grad.flatten(1).abs().sum(dim=1) > 1e-6).all()
    assert teacher.grad is None
    loss(student, teacher).backward()
    assert teacher.grad is not None  # it was the detaching that kept it away
    assert teacher.grad.any()


@pytest.mark.parametrize("name", PAIRS)
def test_a_step_down_the_gradient_lowers_the_loss(name: str) -> None:
    loss, student, teacher = PAIRS[name]
    student = student.clone().requires_grad_()
    before = loss(student, teacher)
    before.backward()
    assert student.grad is not None
    assert loss(student.detach() - 1e-3 * student.grad, teacher) < before


# What must hold of each.


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_targets_are_the_sum_of_the_decoupled_parts(temperature: float) -> None:
    student, teacher = 3 * draw(40, 6), 3 * draw(40, 6, seed=1)
    labels = torch.arange(40) % 6
    p = torch.softmax(teacher / temperature, dim=1)
    for i in range(40):
        s, t, label = student[i : i + 1], teacher[i : i + 1], labels[i : i + 1]
        others = 1 - p[i, label].item()
        found = decoupled_loss(s, t, label, temperature, 1.0, others)
        torch.testing.assert_close(found, soft_target_loss(s, t, temperature), rtol=1e-9, atol=1e-9)
        # The weight matters: with another the parts do not make the whole.
        assert decoupled_loss(s, t, label, temperature, 1.0, others + 0.1) > found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("certain", [200.0, 1e4])
def test_a_certain_teacher_or_student_gives_finite_numbers(
    certain: float, dtype: torch.dtype
) -> None:
    sure = torch.tensor([[certain, 1.0, 2.0]], dtype=dtype)
    unsure = torch.tensor([[0.5, 2.0, 1.0]], dtype=dtype)
    assert torch.softmax(sure, 1)[0, 0] == 1
    for student, teacher, label in itertools.product((sure, unsure), (sure, unsure), (0, 1)):
        s = student.clone().requires_grad_()
        loss = decoupled_loss(s, teacher, torch.tensor([label]), 1.0, 1.0, 1.0)
        loss.backward()
        assert s.grad is not None
        assert math.isfinite(loss.item())
        assert s.grad.isfinite().all()
    first = torch.tensor([0])
    tckd = decoupled_loss(unsure, sure, first, 1.0, 1.0, 0.0)
    assert tckd.item() == pytest.approx(-math.log(softmax([0.5, 2.0, 1.0])[0]), rel=1e-6)
    nckd = decoupled_loss(unsure, sure, first, 1.0, 0.0, 1.0)
    expected = divergence(softmax([1.0, 2.0]), softmax([2.0, 1.0]))
    assert nckd.item() == pytest.approx(expected, rel=1e-5)


def test_two_classes_have_no_other_classes() -> None:
    student, teacher = draw(6, 2).requires_grad_(), draw(6, 2, seed=1)
    labels = torch.arange(6) % 2
    loss = decoupled_loss(student, teacher, labels, 2.0, 0.0, 5.0)
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert not student.grad.any()
    found = decoupled_loss(student, teacher, labels, 2.0, 1.0, 5.0)
    torch.testing.assert_close(found, soft_target_loss(student, teacher, 2.0))


def test_other_classes_are_blind_to_the_label_and_the_label_to_them() -> None:
    student, teacher, labels = draw(4, 5), draw(4, 5, seed=1), torch.tensor([0, 4, 2, 2])
    moved = student.clone()
    moved[torch.arange(4), labels] += 3
    nckd = decoupled_loss(student, teacher, labels, 2.0, 0.0, 1.0)
    torch.testing.assert_close(decoupled_loss(moved, teacher, labels, 2.0, 0.0, 1.0), nckd)
    swapped = student.clone()
    swapped[:2, [1, 3]] = student[:2, [3, 1]]
    swapped[2:, [0, 4]] = student[2:, [4, 0]]
    tckd = decoupled_loss(student, teacher, labels, 2.0, 1.0, 0.0)
    torch.testing.assert_close(decoupled_loss(swapped, teacher, labels, 2.0, 1.0, 0.0), tckd)
    assert decoupled_loss(moved, teacher, labels, 2.0, 1.0, 0.0) != tckd
    assert decoupled_loss(swapped, teacher, labels, 2.0, 0.0, 1.0) != nckd


def test_labels_of_bytes_are_taken() -> None:
    student, teacher = LOGITS
    expected = decoupled_loss(student, teacher, LABELS_5, 2.0, 1.0, 1.0)
    assert decoupled_loss(student, teacher, LABELS_5.byte(), 2.0, 1.0, 1.0) == expected


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_relations_ignore_what_keeps_the_shape(loss: Loss) -> None:
    student, teacher = draw(6, 3), draw(6, 5, seed=1)
    expected = loss(student, teacher)
    rotation = torch.linalg.qr(draw(3, 3, seed=2)).Q
    torch.testing.assert_close(loss(7 * student @ rotation + 5, teacher), expected)
    torch.testing.assert_close(loss(student, teacher * 1e-3 - 2), expected)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(loss(student[order], teacher[order]), expected)
    assert abs(loss(student[order], teacher) - expected) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("apart", [0.0, 1e-30, 1e-18, 1e-9])
@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_samples_that_coincide(loss: Loss, apart: float, dtype: torch.dtype) -> None:
    points = [[0.0, 0.0], [apart, 0.0], *POINTS_S[1:]]
    student = torch.tensor(points, dtype=dtype).requires_grad_()
    teacher = torch.tensor([*POINTS_T, [0.0, 1.0, 2.0]], dtype=dtype)
    value = loss(student, teacher)
    value.backward()
    by_hand = distances_by_hand if loss is distance_loss else angles_by_hand
    expected = by_hand([[0.0, 0.0], [0.0, 0.0], *POINTS_S[1:]], teacher.tolist())
    assert value.item() == pytest.approx(expected, rel=1e-5 if dtype == torch.float32 else 1e-7)
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert 1e-3 < student.grad.abs().max() < 10


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_samples_that_all_coincide(loss: Loss) -> None:
    for point in (0.0, 0.3):
        student = torch.full((4, 3), point).requires_grad_()
        value = loss(student, draw(4, 2).float())
        value.backward()
        assert student.grad is not None
        assert not student.grad.any()
        assert value > 0
        assert loss(student, torch.ones(4, 2)) == 0
    student = draw(4, 3).requires_grad_()
    loss(student, torch.ones(4, 2, dtype=torch.float64)).backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()


@pytest.mark.parametrize(("loss", "batch"), [(distance_loss, 1), (angle_loss, 1), (angle_loss, 2)])
def test_a_batch_without_relations_gives_zero_with_a_graph(loss: Loss, batch: int) -> None:
    student = draw(batch, 3).requires_grad_()
    value = loss(student, draw(batch, 4, seed=1))
    assert value.item() == 0
    value.backward()
    torch.testing.assert_close(student.grad, torch.zeros_like(student), rtol=0, atol=0)


def test_one_pair_has_distance_one() -> None:
    student = draw(2, 3).requires_grad_()
    value = distance_loss(student, draw(2, 4, seed=1))
    value.backward()
    assert value.item() == 0
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_one_pair_that_coincides_has_distance_zero() -> None:
    assert distance_loss(torch.ones(2, 3), draw(2, 4)).item() == pytest.approx(0.5, rel=1e-12)


def test_single_precision_distances_far_from_the_origin_are_those_of_double() -> None:
    # More than 25 samples: there torch.cdist goes by |x|^2 + |y|^2 - 2 <x, y>, which cancels.
    student, teacher = 0.01 * draw(32, 20).float() + 10, draw(32, 600, seed=1).float()
    found = distance_loss(student, teacher).item()
    assert found == pytest.approx(distances_by_hand(student.tolist(), teacher.tolist()), rel=1e-5)


def test_single_precision_angles_are_those_of_double() -> None:
    student, teacher = 0.1 * draw(12, 600) + 1, draw(12, 600, seed=1)
    found = angle_loss(student.float(), teacher.float()).item()
    assert found == pytest.approx(angle_loss(student, teacher).item(), rel=1e-4)
    assert found == pytest.approx(angles_by_hand(student.tolist(), teacher.tolist()), rel=1e-4)


def test_fidelity_of_the_same_and_of_orthogonal_states() -> None:
    state = states(3, 8, 0)
    phases = torch.exp(1j * tensor([[0.3], [2.0], [-1.0]]))
    assert fidelity_loss(state * phases, state).item() == pytest.approx(0, abs=1e-14)
    basis = torch.eye(4, dtype=torch.complex128).requires_grad_()
    other = torch.eye(4, dtype=torch.complex128)[[1, 2, 3, 0]]
    value = fidelity_loss(basis, other)
    value.backward()
    assert value.item() == 1
    assert basis.grad is not None
    assert basis.grad.isfinite().all()


@pytest.mark.parametrize("name", PAIRS)
def test_zero_where_student_and_teacher_agree(name: str) -> None:
    loss, student, other = PAIRS[name]
    assert loss(student, student.clone()).item() == pytest.approx(0, abs=1e-14)
    assert loss(student, other) > 1e-2


def test_smoothing_is_least_at_its_target() -> None:
    label, target = torch.tensor([2]), tensor([[0.05, 0.05, 0.85, 0.05]])
    least = smoothed_cross_entropy(target.log(), label, 0.2).item()
    assert least == pytest.approx(-(target * target.log()).sum().item(), rel=1e-12)
    for seed in range(5):
        assert (
            smoothed_cross_entropy(target.log() + 0.1 * draw(1, 4, seed=seed), label, 0.2) > least
        )


# Bad input.


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 1.5, math.nan])
def test_bad_smoothing(smoothing: float) -> None:
    with pytest.raises(ValueError, match=rf"smoothing {smoothing} is outside \[0, 1\)"):
        smoothed_cross_entropy(LOGITS[0], LABELS_5, smoothing)


@pytest.mark.parametrize(
    ("logits", "labels"), [((5, 4), (4,)), ((5, 4), (5, 4)), ((5,), (5,)), ((5, 4, 2), (5,))]
)
def test_bad_labels(logits: tuple[int, ...], labels: tuple[int, ...]) -> None:
    x, y = torch.zeros(logits), torch.zeros(labels, dtype=torch.long)
    message = f"logits of {logits} and labels of {labels} are not (batch, classes) and (batch,)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        smoothed_cross_entropy(x, y, 0.1)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        decoupled_loss(x, x, y, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0.0, 1.0, 1.0), "temperature 0.0 is not above 0"),
        ((-2.0, 1.0, 1.0), "temperature -2.0 is not above 0"),
        ((math.nan, 1.0, 1.0), "temperature nan is not above 0"),
        ((1.0, -0.5, 1.0), "weights alpha -0.5 and beta 1.0 must be at least 0"),
        ((1.0, 1.0, -3.0), "weights alpha 1.0 and beta -3.0 must be at least 0"),
        ((1.0, math.nan, 1.0), "weights alpha nan and beta 1.0 must be at least 0"),
    ],
)
def test_bad_numbers_of_decoupled(numbers: tuple[float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        decoupled_loss(*LOGITS, LABELS_5, *numbers)


def test_bad_logits_of_decoupled() -> None:
    with pytest.raises(ValueError, match=r"^logits of \(5, 4\) and \(5, 3\) differ$"):
        decoupled_loss(LOGITS[0], LOGITS[1][:, :3], LABELS_5, 1.0, 1.0, 1.0)
    one = torch.zeros(5, 1)
    with pytest.raises(ValueError, match=r"^logits of \(5, 1\) have fewer than two classes$"):
        decoupled_loss(one, one, torch.zeros(5, dtype=torch.long), 1.0, 1.0, 1.0)


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
@pytest.mark.parametrize(
    ("student", "teacher"), [((5, 2), (4, 2)), ((5,), (5, 2)), ((5, 2), (5,)), ((), ())]
)
def test_bad_features(loss: Loss, student: tuple[int, ...], teacher: tuple[int, ...]) -> None:
    message = f"features of {student} and {teacher} are not (batch, ...) of one batch"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        loss(torch.zeros(student), torch.zeros(teacher))


def test_bad_states() -> None:
    with pytest.raises(ValueError, match=r"^states of \(3, 4\) and \(3, 8\) differ$"):
        fidelity_loss(torch.zeros(3, 4), torch.zeros(3, 8))
    with pytest.raises(ValueError, match=r"^states of \(3, 4\) and \(1, 4\) differ$"):
        fidelity_loss(torch.zeros(3, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"^states of \(4,\) are not \(batch, amplitudes\)$"):
        fidelity_loss(torch.zeros(4), torch.zeros(4))
