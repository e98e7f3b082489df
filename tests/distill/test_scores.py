"""Scores against scikit-learn, or against bins counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from qkd_study.distill import scores


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_against_scikit_learn(classes: int, samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(samples, classes)), rng.integers(0, classes, samples)
    a, b, guesses = torch.from_numpy(logits), torch.from_numpy(labels), logits.argmax(1)
    every = range(classes)
    assert scores.accuracy(a, b) == pytest.approx(metrics.accuracy_score(labels, guesses))
    most = np.unique(labels, return_counts=True)[1].max() / samples
    assert scores.majority(b) == pytest.approx(most)
    f1 = metrics.f1_score(labels, guesses, labels=every, average="macro", zero_division=0)
    assert scores.f1_macro(a, b) == pytest.approx(f1)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    nll = metrics.log_loss(labels, probabilities, labels=every)
    assert scores.negative_log_likelihood(a, b) == pytest.approx(nll)
    other = rng.normal(size=(samples, classes))
    assert scores.agreement(a, torch.from_numpy(other)) == np.mean(guesses == other.argmax(1))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_calibration_error_bin_by_bin(samples: int, bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(samples, 4)) * 3, rng.integers(0, 4, samples)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    expected = 0.0
    for i in range(bins):
        inside = (confidence > i / bins) & (confidence <= (i + 1) / bins)
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            expected += inside.mean() * gap
    found = scores.expected_calibration_error(
        torch.from_numpy(logits), torch.from_numpy(labels), bins
    )
    assert found == pytest.approx(expected, abs=1e-12)
