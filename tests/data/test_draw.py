"""Draws: stratified, disjoint, nested, and the same in every process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_study import InputError
from qkd_study.data import Dataset, draw, load, noisy_labels


def imbalanced(counts: list[int]) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = np.zeros((len(labels), 2, 2), np.uint8)
    return Dataset("made", pixels, labels, pixels[:2], labels[:2], len(counts), max_value=255)


@given(
    st.lists(st.integers(35, 80), min_size=2, max_size=5),
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
    assert digits.digest == "1a24a9ce2b25d35eb804dce64f02182d3ac3537e2f35e7b514ee436b2b38dbde"


@pytest.mark.parametrize("shape", [(5,), (4, 6), (3, 4, 6)])
@pytest.mark.parametrize("classes", [2, 7])
def test_samples_of_any_shape(shape: tuple[int, ...], classes: int) -> None:
    labels = np.arange(42) % classes
    raw = np.random.default_rng(0).normal(size=(42, *shape)).astype(np.float32) * 9
    dataset = Dataset("made", raw, labels, raw[:3], labels[:3], classes)
    assert dataset.shape == shape
    drawn = draw(dataset, classes, 2 * classes, 14, seed=0, replicate=0)
    assert sorted(labels[drawn.student]) == list(range(classes))
    inputs = dataset.pool_inputs(drawn.teacher)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, raw[drawn.teacher])  # not forced into [0, 1]
    np.testing.assert_array_equal(dataset.test_inputs(), raw[:3])
    with pytest.raises(InputError, match=f"samples={classes - 1} is too few"):
        draw(dataset, classes - 1, 20, 10, seed=0, replicate=0)


LABELS = np.random.default_rng(5).integers(0, 5, 400)


@given(
    st.integers(0, 300),
    st.floats(0, 1),
    st.integers(5, 9),
    st.integers(0, 10**6),
)
@settings(deadline=None)
def test_wrong_labels_are_other_classes(count: int, share: float, classes: int, seed: int) -> None:
    labels = LABELS[:count].copy()
    noisy = noisy_labels(labels, share, classes, seed=seed, replicate=1)
    np.testing.assert_array_equal(labels, LABELS[:count])
    wrong = (noisy != labels).sum()
    # Five standard deviations of a binomial, and what small numbers need beside.
    assert abs(wrong - share * count) <= 5 * (count * share * (1 - share)) ** 0.5 + 3
    assert share < 1 or wrong == count
    assert noisy.dtype == np.int64
    assert ((noisy >= 0) & (noisy < classes)).all()
    again = noisy_labels(labels, share, classes, seed=seed, replicate=1)
    np.testing.assert_array_equal(noisy, again)


def test_wrong_labels_are_even_among_the_others() -> None:
    labels = np.repeat(np.arange(4), 3000)
    noisy = noisy_labels(labels, 0.8, 4, seed=0, replicate=0)
    for old in range(4):
        counts = np.bincount(noisy[labels == old], minlength=4)
        wrong = np.delete(counts, old)
        assert counts.sum() - wrong.sum() == pytest.approx(600, abs=100)
        assert wrong == pytest.approx([800] * 3, abs=110)  # 4.5 standard deviations


def test_noise_is_nested() -> None:
    def noise(share: float, count: int = 400) -> np.ndarray:
        return noisy_labels(LABELS[:count], share, 5, seed=3, replicate=2)

    small, large = noise(0.1), noise(0.4)
    changed = small != LABELS
    assert changed.any()
    np.testing.assert_array_equal(large[changed], small[changed])
    np.testing.assert_array_equal(noise(0.3, 100), noise(0.3)[:100])
    assert (noisy_labels(LABELS, 0.3, 5, seed=3, replicate=3) != noise(0.3)).any()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_bounds(share: float) -> None:
    with pytest.raises(InputError, match=r"from 0 to 1, but got"):
        noisy_labels(LABELS, share, 5, seed=0, replicate=0)
    with pytest.raises(InputError, match="at least 2 classes, but got 1"):
        noisy_labels(LABELS * 0, 0.1, 1, seed=0, replicate=0)
