"""Loss functions: each computes a formula, with its source, from tensors to a scalar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher, student) between the softmax outputs at temperature T, averaged over samples.

    The factor T^2 keeps the size of the gradient when T changes (Hinton, Vinyals, Dean 2015,
    arXiv:1503.02531, section 2). It belongs to the term, so the term has it at every weight.

    Args:
        student: logits (batch, classes).
        teacher: logits (batch, classes).
        temperature: T > 0.

    Returns:
        A scalar in nats.
    """
    log_student = functional.log_softmax(student / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=-1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


def feature_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error between feature maps of one shape (batch, ...): the Q2C feature term.

    Raises:
        ValueError: the shapes differ, which would broadcast.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"feature maps of {tuple(student.shape)} and {tuple(teacher.shape)} differ"
        )
    return functional.mse_loss(student, teacher)


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """-sum_c q_c log p_c with q = (1 - s) one-hot + s / C, averaged over samples.

    Label smoothing (Szegedy et al. 2016, arXiv:1512.00567, section 7); s = 0 is cross entropy.

    Args:
        logits: (batch, classes C).
        labels: class indices (batch,).
        smoothing: s in [0, 1).

    Returns:
        A scalar in nats; its minimum is the entropy of q, above 0 where s is.

    Raises:
        ValueError: s is outside [0, 1), or the shapes are others.
    """
    _check_labels(logits, labels)
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing {smoothing} is outside [0, 1)")
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing)


def decoupled_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, alpha: float, beta: float
) -> Tensor:
    """T^2 (alpha TCKD + beta NCKD), averaged over samples.

    TCKD is KL(teacher, student) between (p, 1 - p), p the probability of the label at temperature
    T; NCKD is KL(teacher, student) between the softmax outputs over the other classes alone, 0 for
    two classes. Of one sample, alpha = 1 and beta = 1 - p of the teacher give `soft_target_loss`
    (Zhao et al. 2022, arXiv:2203.08679). Both come from logits, so NCKD keeps its value where the
    teacher's 1 - p rounds to 0.

    Args:
        student: finite logits (batch, classes), of two classes or more.
        teacher: finite logits (batch, classes).
        labels: class indices (batch,).
        temperature: T > 0.
        alpha: weight of TCKD, >= 0.
        beta: weight of NCKD, >= 0.

    Returns:
        A scalar in nats.

    Raises:
        ValueError: a number is out of range, or the shapes are others.
    """
    if student.shape != teacher.shape:
        raise ValueError(f"logits of {tuple(student.shape)} and {tuple(teacher.shape)} differ")
    _check_labels(student, labels)
    if student.shape[1] < 2:
        raise ValueError(f"logits of {tuple(student.shape)} have fewer than two classes")
    if not temperature > 0:
        raise ValueError(f"temperature {temperature} is not above 0")
    if not (alpha >= 0 and beta >= 0):
        raise ValueError(f"weights alpha {alpha} and beta {beta} must be at least 0")
    target_s, others_s = _decoupled(student / temperature, labels)
    target_t, others_t = _decoupled(teacher / temperature, labels)
    tckd = soft_target_loss(target_s, target_t, 1.0)
    nckd = soft_target_loss(others_s, others_t, 1.0)
    return temperature**2 * (alpha * tckd + beta * nckd)


def distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss (delta 1) between relative distances, averaged over pairs of distinct samples.

    The relative distance of samples i and j is |x_i - x_j| over its mean in the batch: RKD-D (Park
    et al. 2019, arXiv:1904.05068, where it is a sum; a mean does not depend on the batch size). If
    samples coincide, their distance has gradient 0; if all do, every distance is 0.

    Args:
        student: features (batch, ...), flattened.
        teacher: features (batch, ...), flattened; their number may differ from the student's.

    Returns:
        A scalar without unit; 0 for a batch of one.

    Raises:
        ValueError: the batch sizes differ, or features have no dimension after the batch.
    """
    _check_batches(student, teacher)
    s, t = _relative_distances(student), _relative_distances(teacher)
    return functional.huber_loss(s, t, reduction="sum") / max(s.numel(), 1)


def angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss (delta 1) between cosines of angles, averaged over triplets of distinct samples.

    The cosine at j is <x_i - x_j, x_k - x_j> / (|x_i - x_j| |x_k - x_j|): RKD-A (Park et al. 2019,
    arXiv:1904.05068, where it is a sum). It is 0, with gradient 0, if i or k is nearer to j than
    sqrt(machine epsilon) of the batch's mean distance, because the direction is then dominated by
    rounding, and its gradient unbounded. Needs memory of order batch^3.

    Args:
        student: features (batch, ...), flattened.
        teacher: features (batch, ...), flattened; their number may differ from the student's.

    Returns:
        A scalar without unit; 0 for a batch of one or two.

    Raises:
        ValueError: the batch sizes differ, or features have no dimension after the batch.
    """
    _check_batches(student, teacher)
    n = len(student)
    total = functional.huber_loss(_cosines(student), _cosines(teacher), reduction="sum")
    return total / max(n * (n - 1) * (n - 2), 1)


def fidelity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - |<teacher|student>|^2 of pure states, averaged over samples, whatever the global phase.

    This fidelity is the square of that in Nielsen and Chuang 2010, section 9.2.2.

    Args:
        student: state vectors of norm 1 (batch, 2^n), real or complex.
        teacher: state vectors of norm 1 (batch, 2^n), real or complex.

    Returns:
        A scalar in [0, 1], up to rounding.

    Raises:
        ValueError: the shapes differ or are not (batch, 2^n).
    """
    if student.shape != teacher.shape:
        raise ValueError(f"states of {tuple(student.shape)} and {tuple(teacher.shape)} differ")
    if student.ndim != 2:
        raise ValueError(f"states of {tuple(student.shape)} are not (batch, amplitudes)")
    overlap = (teacher.conj() * student).sum(dim=1)
    return 1 - overlap.abs().square().mean()


#: The function of each term in `qkd_study.study.config.TERMS`, where its arguments are declared.
LOSSES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "soft": soft_target_loss,
        "features": feature_loss,
        "decoupled": decoupled_loss,
        "distances": distance_loss,
        "angles": angle_loss,
        "fidelity": fidelity_loss,
    }
)


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits of {tuple(logits.shape)} and labels of {tuple(labels.shape)} "
            "are not (batch, classes) and (batch,)"
        )


def _check_batches(student: Tensor, teacher: Tensor) -> None:
    if min(student.ndim, teacher.ndim) < 2 or len(student) != len(teacher):
        raise ValueError(
            f"features of {tuple(student.shape)} and {tuple(teacher.shape)} "
            "are not (batch, ...) of one batch"
        )


def _decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (batch, 2) of "the label, or not" and (batch, classes - 1) of the other classes."""
    target = labels.long()[:, None]
    index = torch.arange(logits.shape[1] - 1, device=logits.device)
    others = logits.gather(1, index + (index >= target).long())
    rest = torch.logsumexp(others, dim=1, keepdim=True)
    return torch.cat([logits.gather(1, target), rest], dim=1), others


def _relative_distances(features: Tensor) -> Tensor:
    """Distances over their mean, (batch (batch - 1) / 2,), in the order of `triu_indices`."""
    distances = functional.pdist(features.flatten(1))
    mean = distances.sum() / max(distances.numel(), 1)
    return distances / torch.where(mean == 0, 1, mean)


def _cosines(features: Tensor) -> Tensor:
    """Cosines [j, i, k] (batch, batch, batch) of the angles at j; 0 where two indices agree.

    By the law of cosines, which needs no array of batch^2 times the features.
    """
    n = len(features)
    pairs = _relative_distances(features)
    rows, columns = torch.triu_indices(n, n, offset=1, device=features.device)
    upper = pairs.new_zeros(n, n).index_put((rows, columns), pairs)
    distances = upper + upper.T
    apart = distances > torch.finfo(distances.dtype).eps ** 0.5
    inverse = torch.where(apart, 1 / torch.where(apart, distances, 1), 0)
    square = distances.square()
    doubled = square[:, :, None] + square[:, None, :] - square
    cosines = doubled / 2 * inverse[:, :, None] * inverse[:, None, :]
    return cosines * ~torch.eye(n, dtype=torch.bool, device=features.device)
