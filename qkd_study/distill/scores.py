"""Scores of predictions: accuracy, F1, likelihood, calibration, agreement."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of samples whose largest logit is the label's.

    Args:
        logits: (n, classes).
        labels: int64 (n,).
    """
    return (logits.argmax(-1) == labels).double().mean().item()


def majority(labels: Tensor) -> float:
    """The share of the most frequent class: the accuracy of guessing it always."""
    return torch.bincount(labels).max().item() / len(labels)


def f1_macro(logits: Tensor, labels: Tensor) -> float:
    """The mean over classes of F1 = 2 TP / (2 TP + FP + FN); a class that never occurs counts 0.

    Args:
        logits: (n, classes).
        labels: int64 (n,).
    """
    classes = logits.shape[-1]
    guesses = logits.argmax(-1)
    hits = torch.bincount(labels[guesses == labels], minlength=classes).double()
    either = torch.bincount(labels, minlength=classes) + torch.bincount(guesses, minlength=classes)
    return (2 * hits / either.clamp_min(1)).mean().item()


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> float:
    """The mean of -log p(label), in nats; arguments as for `accuracy`."""
    return functional.cross_entropy(logits.double(), labels).item()


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """The mean distance between confidence and accuracy over `bins` equal bins of confidence.

    Guo et al. 2017 (arXiv:1706.04599), equation 3; the bins are (0, 1/15], (1/15, 2/15], ...

    Args:
        logits: (n, classes).
        labels: int64 (n,).
        bins: how many.
    """
    confidence, guesses = functional.softmax(logits.double(), dim=-1).max(-1)
    right = (guesses == labels).double()
    where = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, where, right - confidence)
    return (gaps.abs().sum() / len(labels)).item()


def mean_entropy(logits: Tensor, temperature: float) -> float:
    """The mean entropy of softmax(logits / temperature), in nats.

    Args:
        logits: (n, classes).
        temperature: by which they are divided.
    """
    logs = functional.log_softmax(logits.double() / temperature, dim=-1)
    return -(logs.exp() * logs).sum(-1).mean().item()


def agreement(logits: Tensor, others: Tensor) -> float:
    """The share of samples that two models, (n, classes) each, put into the same class."""
    return (logits.argmax(-1) == others.argmax(-1)).double().mean().item()
