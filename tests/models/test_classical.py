"""Classical networks: parameter formulas, published counts, features, training, errors."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from qkd_study.common.errors import InputError
from qkd_study.common.randomness import seeded
from qkd_study.models.classical import MLP, AlexNet, ConvNet, LeNet5
from qkd_study.models.outputs import Model, count_parameters, predict

Build = Callable[[tuple[int, ...], int], Model]


def mlp(shape: tuple[int, ...], classes: int) -> MLP:
    return MLP(shape, classes, hidden=(12, 7))


IMAGE_MODELS: list[Any] = [ConvNet, LeNet5, AlexNet]
ALL: list[Any] = [mlp, *IMAGE_MODELS]


def samples(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape, np.float32))


def image_shapes(smallest: int) -> st.SearchStrategy[tuple[int, ...]]:
    side = st.integers(smallest, 45)
    return st.one_of(st.tuples(side, side), st.tuples(st.integers(1, 4), side, side))


def check_formula(build: Any, shape: tuple[int, ...], classes: int, expected: int) -> None:
    """The parameters are as many as the formula says, and the forward pass fits them."""
    model = build(shape, classes)
    assert sum(p.numel() for p in model.parameters()) == expected
    out = model(model.prepare(samples(2, *shape)))
    assert out.logits.shape == (2, classes)
    assert out.state is None


@pytest.mark.parametrize(
    ("shape", "classes", "hidden", "count"),
    [
        ((64,), 3, (18,), 1227),
        ((64,), 3, (), 195),
        ((8, 8), 10, (32,), 2410),
        ((3, 32, 32), 10, (), 30730),
        ((28, 28), 10, (1200, 1200), 2395210),  # the teacher of Hinton, Vinyals, Dean (2015)
    ],
)
def test_mlp_counts(
    shape: tuple[int, ...], classes: int, hidden: tuple[int, ...], count: int
) -> None:
    assert count_parameters(MLP(shape, classes, hidden=hidden)) == count


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple),
    st.integers(2, 5),
    st.lists(st.integers(1, 9), max_size=3).map(tuple),
)
@settings(max_examples=25, deadline=None)
def test_mlp_formula(shape: tuple[int, ...], classes: int, hidden: tuple[int, ...]) -> None:
    widths = [math.prod(shape), *hidden, classes]
    expected = sum((a + 1) * b for a, b in pairwise(widths))
    check_formula(lambda s, k: MLP(s, k, hidden=hidden), shape, classes, expected)


@given(image_shapes(4), st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_conv_net_formula(shape: tuple[int, ...], classes: int) -> None:
    c, (r, s) = (shape[0] if len(shape) == 3 else 1), (shape[-2] // 4, shape[-1] // 4)
    check_formula(ConvNet, shape, classes, 72 * c + 1176 + (16 * r * s + 1) * classes)


@given(image_shapes(12), st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_lenet_formula(shape: tuple[int, ...], classes: int) -> None:
    c, lost = (shape[0] if len(shape) == 3 else 1), 2 if min(shape[-2:]) < 32 else 3
    r, s = shape[-2] // 4 - lost, shape[-1] // 4 - lost
    check_formula(LeNet5, shape, classes, 150 * c + 12706 + 1920 * r * s + 85 * classes)


@given(image_shapes(15), st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_alexnet_formula(shape: tuple[int, ...], classes: int) -> None:
    c, r, s = (shape[0] if len(shape) == 3 else 1), (shape[-2] - 7) // 8, (shape[-1] - 7) // 8
    check_formula(AlexNet, shape, classes, 216 * c + 273752 + 16384 * r * s + 257 * classes)


@pytest.mark.parametrize(
    ("build", "shape", "count"),
    [
        (ConvNet, (8, 8), 1898),
        (ConvNet, (28, 28), 9098),
        (LeNet5, (28, 28), 61706),  # the count that is quoted everywhere for LeNet-5
        (LeNet5, (32, 32), 61706),
        (LeNet5, (3, 32, 32), 62006),
        (AlexNet, (28, 28), 342074),
        (AlexNet, (3, 32, 32), 424426),
    ],
)
def test_counts_in_the_docstrings(build: Any, shape: tuple[int, ...], count: int) -> None:
    model = build(shape, 10)
    assert count_parameters(model) == count < 1.5e6
    assert f"{count:,}" in build.__doc__


@pytest.mark.parametrize(
    ("build", "shape", "features"),
    [
        (mlp, (28, 28), (7,)),
        (lambda s, k: MLP(s, k, hidden=()), (5, 6), (30,)),
        (ConvNet, (3, 9, 14), (16, 2, 3)),
        (LeNet5, (28, 28), (84,)),
        (AlexNet, (28, 28), (256,)),
    ],
)
def test_features_are_what_the_head_reads(
    build: Any, shape: tuple[int, ...], features: tuple[int, ...]
) -> None:
    model = build(shape, 3)
    out = predict(model, samples(4, *shape), chunk=3)
    assert out.features.shape == (4, *features)
    torch.testing.assert_close(out.logits, model.head(out.features.flatten(1)))


def test_mlp_against_numpy() -> None:
    model, x = mlp((3, 4), 5), samples(6, 3, 4) - 0.5
    h = x.numpy().reshape(6, -1)
    for layer in model.hidden:
        assert isinstance(layer, torch.nn.Linear)
        h = np.maximum(h @ layer.weight.detach().numpy().T + layer.bias.detach().numpy(), 0)
    out = model(model.prepare(x))
    np.testing.assert_allclose(out.features.detach().numpy(), h, atol=1e-6)
    logits = h @ model.head.weight.detach().numpy().T + model.head.bias.detach().numpy()
    np.testing.assert_allclose(out.logits.detach().numpy(), logits, atol=1e-6)


def test_conv_nets_against_their_descriptions() -> None:
    """Step by step with plain functions, from the weights in their order."""
    conv, relu, tanh = functional.conv2d, torch.relu, torch.tanh
    x = samples(3, 2, 29, 34)

    model: Any = ConvNet((2, 29, 34), 3)
    w1, b1, w2, b2, w3, b3 = model.parameters()
    y = functional.max_pool2d(relu(conv(x, w1, b1, padding=1)), 2)
    y = functional.max_pool2d(relu(conv(y, w2, b2, padding=1)), 2).flatten(1)
    torch.testing.assert_close(model(x).logits, y @ w3.T + b3)

    for shape, padding in [((2, 29, 34), 2), ((2, 32, 34), 0)]:
        x = samples(3, *shape)
        model = LeNet5(shape, 3)
        w1, b1, w2, b2, *rest = model.parameters()
        y = functional.avg_pool2d(tanh(conv(x, w1, b1, padding=padding)), 2)
        y = functional.avg_pool2d(tanh(conv(y, w2, b2)), 2).flatten(1)
        for weight, bias in zip(rest[:-2:2], rest[1:-2:2], strict=True):
            y = tanh(y @ weight.T + bias)
        torch.testing.assert_close(model(x).logits, y @ rest[-2].T + rest[-1])

    model = AlexNet((2, 29, 34), 3)
    y, parameters, sides = samples(3, 2, 29, 34), list(model.parameters()), []
    x = y
    for layer in range(5):
        y = relu(conv(y, parameters[2 * layer], parameters[2 * layer + 1], padding=1))
        if layer in (0, 1, 4):
            y = functional.max_pool2d(y, 3, stride=2)
            sides.append(tuple(y.shape[1:]))
    assert sides == [(24, 14, 16), (64, 6, 7), (64, 2, 3)]
    y, rest = y.flatten(1), parameters[10:]
    for weight, bias in zip(rest[:-2:2], rest[1:-2:2], strict=True):
        y = relu(y @ weight.T + bias)
    torch.testing.assert_close(model(x).logits, y @ rest[-2].T + rest[-1])


@pytest.mark.parametrize("build", ALL)
def test_head_is_the_last_layer(build: Build) -> None:
    model = build((28, 28), 3)
    last = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
    assert last is model.head
    assert [id(p) for p in model.head_parameters()] == [id(last.weight), id(last.bias)]
    for p in model.parameters():
        p.requires_grad_(False)
    for p in model.head_parameters():
        p.requires_grad_(True)
    assert count_parameters(model) == 3 * (last.in_features + 1)


@pytest.mark.parametrize("build", ALL)
@pytest.mark.parametrize("shape", [(28, 28), (3, 32, 32)])
def test_evaluation_changes_nothing_and_copies_agree(build: Build, shape: tuple[int, ...]) -> None:
    with seeded(1):
        model = build(shape, 3)
    x = model.prepare(samples(5, *shape))
    expected = model.train()(x).logits
    torch.testing.assert_close(model.eval()(x).logits, expected, rtol=0, atol=0)
    torch.testing.assert_close(pickle.loads(pickle.dumps(model))(x).logits, expected)
    other = build(shape, 3)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(x).logits, expected)
    # No sample depends on the rest of its batch.
    torch.testing.assert_close(model(x[2:3]).logits, expected[2:3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", ALL)
def test_replicates_can_be_vectorised(build: Build) -> None:
    models = [build((16, 16), 3) for _ in range(3)]
    x = torch.stack([m.prepare(samples(4, 16, 16, seed=i)) for i, m in enumerate(models)])
    parameters, buffers = stack_module_state(models)
    skeleton = copy.deepcopy(models[0]).to("meta")
    together = vmap(lambda p, b, x: functional_call(skeleton, (p, b), (x,)).logits)(
        parameters, buffers, x
    )
    alone = torch.stack([m(inputs).logits for m, inputs in zip(models, x, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "side", "steps", "rate"),
    [
        (mlp, 8, 60, 1e-2),
        (lambda s, k: MLP(s, k, hidden=()), 8, 60, 1e-2),
        (ConvNet, 8, 60, 1e-2),
        (LeNet5, 28, 40, 3e-3),
        (AlexNet, 28, 80, 2e-3),
    ],
)
def test_training_beats_chance(build: Build, side: int, steps: int, rate: float) -> None:
    digits = load_digits()
    x = torch.tensor(digits.images / 16, dtype=torch.float32)
    x = functional.interpolate(x[:, None], (side, side), mode="bilinear")[:, 0]
    y = torch.tensor(digits.target)
    with seeded(0):
        model = build((side, side), 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    inputs, order = model.prepare(x[:1000]), torch.Generator().manual_seed(0)
    for _ in range(steps):
        index = torch.randint(0, 1000, (64,), generator=order)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs[index]).logits, y[index]).backward()
        optimizer.step()
    hits = predict(model, x[1000:1400]).logits.argmax(1) == y[1000:1400]
    assert hits.float().mean() > 0.5  # chance is 0.1


@pytest.mark.parametrize(
    ("build", "shape", "message"),
    [
        (ConvNet, (3, 8), r"ConvNet needs images of at least 4x4 .* \(3, 8\).*Mlp takes any"),
        (LeNet5, (8, 8), r"LeNet5 needs images of at least 12x12 pixels"),
        (LeNet5, (11, 12), r"of shape \(11, 12\)"),
        (AlexNet, (3, 40, 14), r"AlexNet needs images of at least 15x15 pixels, .* \(3, 40, 14\)"),
        (ConvNet, (64,), r"of shape \(64,\)"),
        (LeNet5, (2, 3, 28, 28), r"of shape \(2, 3, 28, 28\)"),
        (mlp, (0, 8), r"shape \(0, 8\): sizes must be at least 1"),
        (mlp, (), "sizes must be at least 1"),
    ],
)
def test_shapes_that_do_not_suit(build: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises((ValueError, InputError), match=message):
        build(shape, 10)


@pytest.mark.parametrize("build", IMAGE_MODELS)
def test_the_smallest_images(build: Any) -> None:
    for shape in [(build.smallest, build.smallest), (2, build.smallest, build.smallest + 1)]:
        assert build(shape, 2)(samples(1, *shape).reshape(1, -1, *shape[-2:])).logits.shape == (
            (1, 2)
        )
    with pytest.raises(InputError, match="needs images of at least"):
        build((build.smallest, build.smallest - 1), 2)


def test_other_errors() -> None:
    with pytest.raises(ValueError, match="at least 2 classes, got 1"):
        ConvNet((8, 8), 1)
    with pytest.raises(ValueError, match=r"hidden layers of \(4, 0\) units: each needs at least 1"):
        MLP((8, 8), 3, hidden=(4, 0))
    with pytest.raises(ValueError, match=r"MLP was built for .* \(8, 8\), got \(4, 16\)"):
        mlp((8, 8), 3).prepare(samples(2, 4, 16))
    with pytest.raises(ValueError, match=r"ConvNet was built for .* \(8, 8\), got \(1, 8, 8\)"):
        ConvNet((8, 8), 3).prepare(samples(2, 1, 8, 8))
