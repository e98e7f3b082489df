"""Draws: stratified, disjoint, nested, and the same in every process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_study import InputError
from qkd_study.data import Dataset, draw, load


def imbalanced(counts: list[int]) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = np.zeros((len(labels), 2, 2), np.uint8)
    return Dataset("made", pixels, labels, pixels[:2], labels[:2], len(counts), white=255)


@given(
    st.lists(st.integers(30, 80), min_size=2, max_size=5),
    st.integers(5, 40),
    st.integers(0, 20),
    st.integers(0, 10**6),
)
@settings(deadline=None)
def test_stratified_disjoint_and_without_repetition(
    counts: list[int], samples: int, more: int, seed: int
) -> None:
    dataset = imbalanced(counts)
    drawn = draw(dataset, samples, samples + more, 10, seed=seed, replicate=3)
    assert len(drawn.student) == samples
    assert len(drawn.teacher) == samples + more
    assert len(drawn.validation) == 10
    np.testing.assert_array_equal(drawn.teacher[:samples], drawn.student)
    everything = np.concatenate((drawn.teacher, drawn.validation))
    assert len(set(everything)) == len(everything)
    found = np.bincount(dataset.pool_labels[drawn.student], minlength=len(counts))
    expected = samples * np.array(counts) / sum(counts)
    assert np.abs(found - expected).max() < 2


def test_balanced_classes_come_out_even() -> None:
    dataset = imbalanced([100] * 10)
    drawn = draw(dataset, 20, 20, 50, seed=0, replicate=0)
    assert set(np.bincount(dataset.pool_labels[drawn.student])) == {2}


def test_fewer_samples_are_a_beginning_of_more() -> None:
    digits = load("digits")
    small, large = (draw(digits, k, k, 400, seed=7, replicate=2) for k in (20, 200))
    np.testing.assert_array_equal(large.student[:20], small.student)
    np.testing.assert_array_equal(large.validation, small.validation)


def test_replicates_and_seeds_differ() -> None:
    digits = load("digits")
    drawn = {
        tuple(draw(digits, 20, 20, 100, seed=s, replicate=r).student)
        for s in (0, 1)
        for r in (0, 1)
    }
    assert len(drawn) == 4


def test_the_same_in_a_fresh_process() -> None:
    code = (
        "from qkd_study.data import draw, load;"
        "print(draw(load('digits'), 20, 25, 50, seed=1, replicate=1000).teacher.tolist())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = draw(load("digits"), 20, 25, 50, seed=1, replicate=1000).teacher.tolist()
    assert said.stdout.strip() == str(here)


def test_too_much_is_refused() -> None:
    digits = load("digits")
    with pytest.raises(InputError, match=r"samples=900 is larger than the dataset.*up to 800"):
        draw(digits, 900, 900, 400, seed=0, replicate=0)


def test_digits() -> None:
    digits = load("digits")
    assert digits.shape == (8, 8)
    assert (len(digits.pool_labels), len(digits.test_labels), digits.classes) == (1200, 597, 10)
    images = digits.test_inputs()
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0, 1)
