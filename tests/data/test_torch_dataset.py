"""Torch datasets, read once into arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import IterableDataset, TensorDataset

from qkd_study import Arrays, InputError

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 4


class Pictures:
    """As a dataset of torchvision: Pillow images, classes as integers with names."""

    classes = ("cat", "dog", "emu")

    def __init__(self, pixels: np.ndarray[Any, Any]) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, number: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self.pixels[number]), number % 3


def test_tensors_and_a_test_set() -> None:
    read = Arrays.from_torch("mine", TensorDataset(X, Y), TensorDataset(X[:8], Y[:8])).load()
    assert (
        read.digest
        == Arrays("mine", X.numpy(), Y.numpy(), X[:8].numpy(), Y[:8].numpy()).load().digest
    )


def test_images_and_names_of_classes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 8, 6, 3)).astype(np.uint8)
    read = Arrays.from_torch("mine", Pictures(pixels), test_share=0.2).load()
    assert (read.shape, read.max_value, len(read.test_labels)) == ((3, 8, 6), 255, 6)
    assert read.class_names == ("cat", "dog", "emu")
    named = Arrays.from_torch("mine", Pictures(pixels), class_names=("a", "b", "c")).load()
    assert named.class_names == ("a", "b", "c")


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        while True:
            yield X[0], 1


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Endless(), "Endless has no length and no samples by number"),
        (3, "int has no length"),
        ([], "list has no samples"),
        (TensorDataset(X), r"sample 0 is a tuple of 1\. Allowed: pairs"),
        ([{"x": X[0], "y": 1}], "sample 0 is a dict. Allowed: pairs"),
        ([(X[0], 1), (X[0, :2], 2)], r"sample 1 has the shape \(2,\), but sample 0 has \(3,\)"),
        (TensorDataset(X, X), r"the class of sample 0 has the shape \(3,\). Allowed: one integer"),
        (TensorDataset(X, X[:, 0]), "y holds .* at .* Regression targets"),
        ([(X[0].clone().requires_grad_(), 1)] * 2, "sample 0 is no array: Can't call numpy"),
    ],
)
def test_what_is_no_dataset(dataset: Any, message: str) -> None:
    with pytest.raises(InputError, match="dataset 'mine': .*" + message):
        Arrays.from_torch("mine", dataset)
