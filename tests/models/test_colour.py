"""Quanvolutions, convolutions and their stand-ins on colour images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from qkd_study.data import Arrays, Dataset, load
from qkd_study.models import Model, build_model, count_parameters
from qkd_study.planning.plan import make_plan
from qkd_study.study import Convolution, ModelSpec, QuantumToClassical, Quanvolution, Study
from qkd_study.study.controls import stand_in

RNG = np.random.default_rng(0)


def colours(channels: int, height: int, width: int, classes: int) -> Dataset:
    images = RNG.random((20 * classes, channels, height, width))
    return load(Arrays("made", images, np.arange(20 * classes) % classes, test_share=0.2))


def built(spec: ModelSpec, dataset: Dataset, **fixed: Any) -> tuple[Model, int | None]:
    """A model, and its number of parameters as its declaration says."""
    study = Study(question="?", setting=QuantumToClassical(), fixed=fixed, arms=("soft",))
    config = study.config(study.cells()[0], study.arm("soft"), {}, dataset.name)
    shape, classes = dataset.shape, dataset.classes
    made = build_model(spec, config, shape, classes, seed=0)
    return made, spec.parameters(vars(config), shape, classes)


@pytest.mark.parametrize(
    ("channels", "height", "width", "classes", "filters", "stride", "depth"),
    [(3, 8, 8, 2, 3, 2, 1), (3, 5, 7, 4, 2, 1, 2), (2, 4, 4, 3, 1, 2, 1), (1, 6, 4, 2, 2, 2, 1)],
)
def test_counts_by_formula(
    channels: int, height: int, width: int, classes: int, filters: int, stride: int, depth: int
) -> None:
    dataset = colours(channels, height, width, classes)
    patches = ((height - 2) // stride + 1) * ((width - 2) // stride + 1)
    head = (filters * channels * patches + 1) * classes
    teacher, declared = built(Quanvolution(filters, 2, stride), dataset, depth=depth)
    assert count_parameters(teacher) == declared == filters * depth * (3 * 4 - 1) + head
    student, _ = built(Convolution(filters, 2, stride), dataset)
    assert count_parameters(student) == filters * (4 + 1) + head
    shapes = set()
    for model in (teacher, student):
        out = model(model.prepare(torch.from_numpy(dataset.test_inputs())))
        shapes.add(out.features.shape[1:])
    down = (height - 2) // stride + 1
    assert shapes == {(filters, channels * down, patches // down)}
    spec = Quanvolution(filters, 2, stride)
    assert shapes == {spec.feature_shape({}, dataset.shape)}


def test_a_convolution_has_the_same_kernels_for_all_channels() -> None:
    dataset = colours(3, 6, 8, 2)
    model: Any = built(Convolution(2, 2, 2), dataset)[0]
    images = torch.from_numpy(dataset.test_inputs())
    layer = model.convolution
    expected = torch.cat(
        [
            torch.tanh(functional.conv2d(images[:, c : c + 1], layer.weight, layer.bias, stride=2))
            for c in range(3)
        ],
        dim=2,
    )
    found = model(model.prepare(images)).features
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", ["separable", "quadratic", "surrogate", "matched", "kernel"])
def test_stand_ins_take_colour_images(kind: Any) -> None:
    dataset = colours(3, 6, 8, 2)
    spec = stand_in(Quanvolution(2), kind)
    assert spec is not None
    model, declared = built(spec, dataset)
    inputs = torch.from_numpy(dataset.test_inputs())
    for part in model.modules():
        getattr(part, "fit", lambda _: None)(inputs)
    out = model(model.prepare(inputs))
    assert out.logits.shape == (len(inputs), 2)
    assert count_parameters(model) == declared
    if kind != "kernel":
        assert out.features.shape[1:] == (2, 3 * 3, 4)


def test_a_plan_takes_colour_images() -> None:
    fixed = {"samples": 10, "validation_samples": 10}
    arms = ("scratch", "soft+features", "classical-teacher", "quadratic-teacher")
    study = Study(question="?", setting=QuantumToClassical(), arms=arms, fixed=fixed)
    assert make_plan(study, colours(3, 8, 8, 3)).teachers > 0
