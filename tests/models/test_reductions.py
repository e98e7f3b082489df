"""Reductions against numpy loops and scikit-learn; what fit sees; saving; errors."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor

from qkd_study.models.reductions import make_reduction
from qkd_study.study.reductions import REDUCTIONS, check_reduction

SHAPES = [(20,), (8, 8), (7, 10), (3, 6, 9)]


def samples(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def fitted(kind: str, shape: tuple[int, ...], features: int) -> Any:
    reduction = make_reduction(kind, shape, features)
    reduction.fit(samples(50, *shape, seed=7))
    return reduction


def some_features(kind: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) if kind == "none" else 6


def planes(x: Tensor) -> np.ndarray:
    """By hand: vectors as one row, colour averaged over channels."""
    array = x.double().numpy()
    if array.ndim == 2:
        return array[:, None, :]
    return array.mean(1) if array.ndim == 4 else array


def pooled(x: Tensor, grid: tuple[int, int], statistic: Any) -> np.ndarray:
    array = planes(x)
    n, height, width = array.shape
    rows, columns = grid
    out = np.empty((n, rows * columns))
    for sample in range(n):
        for r in range(rows):
            for c in range(columns):
                top, bottom = r * height // rows, math.ceil((r + 1) * height / rows)
                left, right = c * width // columns, math.ceil((c + 1) * width / columns)
                out[sample, r * columns + c] = statistic(array[sample, top:bottom, left:right])
    return out


GRIDS = [
    ((8, 8), 8, (2, 4)),
    ((8, 8), 4, (2, 2)),
    ((8, 8), 1, (1, 1)),
    ((8, 8), 64, (8, 8)),
    ((28, 28), 256, (16, 16)),
    ((28, 28), 10, (2, 5)),
    ((7, 10), 9, (3, 3)),
    ((5, 5), 5, (1, 5)),
    ((28, 3), 8, (4, 2)),  # wide does not fit
    ((2, 16), 16, (2, 8)),  # square does not fit
    ((3, 9, 14), 6, (2, 3)),
    ((20,), 8, (1, 8)),
    ((20,), 7, (1, 7)),
]


@pytest.mark.parametrize(("shape", "features", "grid"), GRIDS)
@pytest.mark.parametrize("kind", ["average", "max"])
def test_pooling_by_hand(
    kind: str, shape: tuple[int, ...], features: int, grid: tuple[int, int]
) -> None:
    x = samples(3, *shape)
    expected = pooled(x, grid, np.mean if kind == "average" else np.max)
    got = make_reduction(kind, shape, features)(x)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("shape", "features", "grid"), GRIDS)
def test_crop_by_hand(shape: tuple[int, ...], features: int, grid: tuple[int, int]) -> None:
    x = samples(3, *shape)
    array = planes(x)
    top, left = (array.shape[1] - grid[0]) // 2, (array.shape[2] - grid[1]) // 2
    expected = [
        [image[top + r, left + c] for r in range(grid[0]) for c in range(grid[1])]
        for image in array
    ]
    got = make_reduction("crop", shape, features)(x)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)


def test_crop_takes_the_middle() -> None:
    image = torch.arange(36.0).reshape(1, 6, 6)
    assert make_reduction("crop", (6, 6), 4)(image).tolist() == [[14, 15, 20, 21]]
    assert make_reduction("crop", (6,), 2)(torch.arange(6.0)[None]).tolist() == [[2, 3]]


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 144),
    st.sampled_from(["average", "max", "crop"]),
)
@settings(max_examples=200, deadline=None)
def test_grids_are_as_square_as_possible(height: int, width: int, features: int, kind: str) -> None:
    fitting = [(r, c) for r in range(1, height + 1) for c in range(1, width + 1)]
    fitting = [(r, c) for r, c in fitting if r * c == features]
    if not fitting:
        with pytest.raises(ValueError, match=r"no grid of|features of samples that have"):
            check_reduction(kind, (height, width), features)
        return
    best = min(fitting, key=lambda g: (max(g) / min(g), g[0]))
    reduction: Any = make_reduction(kind, (height, width), features)
    assert reduction.grid == best
    assert reduction(samples(2, height, width)).shape == (2, features)


@pytest.mark.parametrize("shape", SHAPES)
def test_none_and_linear(shape: tuple[int, ...]) -> None:
    x, n = samples(4, *shape), math.prod(shape)
    assert torch.equal(make_reduction("none", shape, n)(x), x.reshape(4, n))
    linear: Any = make_reduction("linear", shape, 6)
    weight, bias = (p.detach().double().numpy() for p in linear.parameters())
    expected = x.double().numpy().reshape(4, n) @ weight.T + bias
    np.testing.assert_allclose(linear(x).detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(20,), (8, 8), (3, 4, 5)])
@pytest.mark.parametrize("count", [15, 200])  # fewer and more samples than numbers in one
def test_pca_against_scikit_learn(shape: tuple[int, ...], count: int) -> None:
    # An offset far from zero and a spectrum that falls: each component is determined.
    spread = torch.linspace(3, 0.5, math.prod(shape)).reshape(shape)
    train, test = 5 + spread * samples(count, *shape), 5 + spread * samples(30, *shape, seed=1)
    reduction: Any = make_reduction("pca", shape, 6)
    reduction.fit(train)
    reference = PCA(6, svd_solver="full").fit(train.double().numpy().reshape(count, -1))
    expected = reference.transform(test.double().numpy().reshape(30, -1))
    expected /= np.abs(reference.transform(train.double().numpy().reshape(count, -1))).max()
    signs = np.sign((reduction.components.numpy() * reference.components_).sum(1))
    assert np.abs(signs).tolist() == [1] * 6
    np.testing.assert_allclose(reduction(test).numpy(), signs * expected, atol=1e-4)
    np.testing.assert_allclose(reduction.mean.numpy(), reference.mean_, atol=1e-5)


def test_pca_of_digits() -> None:
    x = torch.tensor(load_digits().images / 16, dtype=torch.float32)
    reduction: Any = make_reduction("pca", (8, 8), 10)
    reduction.fit(x[:1000])
    reference = PCA(10, svd_solver="full").fit(x[:1000].double().numpy().reshape(1000, -1))
    largest = np.abs(reference.transform(x[:1000].double().numpy().reshape(-1, 64))).max()
    expected = np.abs(reference.transform(x[1000:].double().numpy().reshape(-1, 64))) / largest
    assert reduction(x[:1000]).abs().max() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(reduction(x[1000:]).abs().numpy(), expected, atol=1e-4)
    variances = reduction(x[:1000]).var(0)
    assert (variances.diff() < 0).all()


def test_pca_signs_do_not_depend_on_the_order_of_samples() -> None:
    x = samples(40, 4, 4)
    first: Any = make_reduction("pca", (4, 4), 5)
    second: Any = make_reduction("pca", (4, 4), 5)
    first.fit(x)
    second.fit(x.flip(0))
    torch.testing.assert_close(first.components, second.components, atol=1e-5, rtol=0)
    largest = first.components.gather(1, first.components.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_pca_sign_where_two_entries_are_as_large() -> None:
    # The component is (1, -1) / sqrt 2, and rounding must not choose which entry is positive.
    line = torch.linspace(-1, 1, 9)[:, None] * torch.tensor([[1.0, -1.0]])
    for x in (line, -line, 0.1 * line + 3):
        reduction: Any = make_reduction("pca", (2,), 1)
        reduction.fit(x)
        np.testing.assert_allclose(
            reduction.components.numpy(), [[math.sqrt(0.5), -math.sqrt(0.5)]], atol=1e-6
        )


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_pca_with_fewer_samples_than_components(count: int, offset: float) -> None:
    reduction: Any = make_reduction("pca", (5, 5), 8)
    reduction.fit(offset + samples(count, 5, 5))
    out = reduction(offset + samples(3, 5, 5, seed=1))
    assert out.shape == (3, 8)
    assert torch.isfinite(out).all()
    assert (out[:, count - 1 :] == 0).all()  # K samples span K - 1 directions
    assert (out[:, : count - 1] != 0).all()
    kept = reduction.components[: count - 1]
    torch.testing.assert_close(kept @ kept.T, torch.eye(count - 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_pca_of_equal_samples_has_no_directions(value: float) -> None:
    reduction: Any = make_reduction("pca", (3, 3), 2)
    reduction.fit(torch.full((7, 3, 3), value))
    assert (reduction.components == 0).all()


def test_pca_knows_only_what_fit_got() -> None:
    train, test = samples(30, 8, 8), 9 * samples(20, 8, 8, seed=1)
    reduction: Any = make_reduction("pca", (8, 8), 4)
    untouched = train.clone()
    reduction.fit(train)
    state = {name: value.clone() for name, value in reduction.state_dict().items()}
    alone = reduction(test[:1])
    reduction.train()(test)
    reduction.eval()(torch.cat([train, test]))
    assert torch.equal(train, untouched)
    assert all(torch.equal(value, state[name]) for name, value in reduction.state_dict().items())
    torch.testing.assert_close(reduction(test)[:1], alone)
    # A second fit forgets the first.
    reduction.fit(test[:3])
    fresh: Any = make_reduction("pca", (8, 8), 4)
    fresh.fit(test[:3])
    assert torch.equal(reduction.components, fresh.components)
    assert torch.equal(reduction.mean, fresh.mean)


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_contract(kind: str, shape: tuple[int, ...]) -> None:
    """Shape, type, parameters, state dict and pickle, and independence of the batch."""
    features = some_features(kind, shape)
    reduction = fitted(kind, shape, features)
    x = samples(5, *shape)
    out = reduction(x)
    assert out.shape == (5, features)
    assert out.dtype == torch.float32
    assert reduction(x.double()).dtype == torch.float32
    assert reduction(x[:0]).shape == (0, features)
    torch.testing.assert_close(reduction(x[3:4]), out[3:4], rtol=1e-5, atol=1e-5)

    numbers = math.prod(shape)
    count = sum(p.numel() for p in reduction.parameters())
    assert count == (numbers * features + features if kind == "linear" else 0)
    assert reduction.trainable == (kind == "linear")
    assert reduction.features == features

    other = make_reduction(kind, shape, features)
    other.load_state_dict(reduction.state_dict())
    assert torch.equal(other(x), out)
    assert torch.equal(pickle.loads(pickle.dumps(reduction))(x), out)


def test_gradients_reach_the_linear_reduction_alone() -> None:
    reduction: Any = make_reduction("linear", (8, 8), 4)
    reduction(samples(5, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and (p.grad != 0).all() for p in reduction.parameters())
    for kind in ("average", "max", "crop", "pca"):
        assert not fitted(kind, (8, 8), 4)(samples(5, 8, 8)).requires_grad


@pytest.mark.parametrize(
    ("kind", "shape", "features", "message"),
    [
        ("linear", (8, 8), 256, "a reduction to 256 features of samples that have 64$"),
        ("pca", (64,), 65, "a reduction to 65 features of samples that have 64$"),
        ("max", (3, 8, 8), 65, "a reduction to 65 features of samples that have 64 pixels$"),
        ("crop", (64,), 65, "a reduction to 65 features of samples that have 64$"),
        ("none", (8, 8), 8, "'none' keeps all 64 numbers of a sample, but 8 features.*linear, av"),
        ("none", (8, 8), 65, "a reduction to 65 features of samples that have 64$"),
        ("average", (8, 8), 11, "no grid of 11 cells fits into 8x8 pixels; .* 10 and 12$"),
        ("crop", (8, 8), 63, "no grid of 63 cells fits into 8x8 pixels; .* 56 and 64$"),
        ("umap", (8, 8), 4, "'umap'; choose one of none, linear, average, max, crop, pca$"),
        ("pca", (8, 8), 0, "a reduction to 0 features: there must be at least 1$"),
        ("pca", (), 1, r"samples of shape \(\) cannot be reduced"),
        ("pca", (2, 3, 8, 8), 1, r"samples of shape \(2, 3, 8, 8\) cannot be reduced"),
        ("pca", (0, 8), 1, r"samples of shape \(0, 8\) cannot be reduced"),
    ],
)
def test_errors_at_plan_time(
    kind: str, shape: tuple[int, ...], features: int, message: str
) -> None:
    for function in (check_reduction, make_reduction):
        with pytest.raises(ValueError, match=message):
            function(kind, shape, features)


@pytest.mark.parametrize("kind", REDUCTIONS)
def test_samples_of_another_shape(kind: str) -> None:
    reduction = fitted(kind, (8, 8), some_features(kind, (8, 8)))
    with pytest.raises(ValueError, match=r"samples of shape \(8, 8\) got \(4, 16\)"):
        reduction(samples(2, 4, 16))


def test_pca_errors() -> None:
    reduction: Any = make_reduction("pca", (8, 8), 4)
    with pytest.raises(RuntimeError, match="call fit with the training samples first"):
        reduction(samples(2, 8, 8))
    with pytest.raises(ValueError, match="at least 1 training sample, got 0"):
        reduction.fit(samples(0, 8, 8))
    with pytest.raises(ValueError, match=r"\(8, 8\) got \(64,\)"):
        reduction.fit(samples(2, 64))
