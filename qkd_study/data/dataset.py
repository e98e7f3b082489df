"""`Dataset`: arrays to draw from, and which of them may be trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Pixels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, split into a pool to draw from and a test set.

    Pixels stay as they were stored (bytes, mostly) and become numbers in [0, 1] when drawn.

    Attributes:
        name: as studies name it.
        pool_raw: (n, height, width), for training and validation draws.
        pool_labels: int64 (n,), in 0 .. classes - 1.
        test_raw: (t, height, width), touched in the confirm phase only.
        test_labels: int64 (t,).
        classes: how many there are.
        white: the pixel value that means 1.
        digest: SHA-256 over all of the above, so that a row says what it was computed from.
    """

    name: str
    pool_raw: Pixels
    pool_labels: Ints
    test_raw: Pixels
    test_labels: Ints
    classes: int
    white: float
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(f"{self.name} {self.classes} {self.white}".encode())
        for array in (self.pool_raw, self.pool_labels, self.test_raw, self.test_labels):
            digest.update(f"{array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
        object.__setattr__(self, "digest", digest.hexdigest())

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of an image, in pixels."""
        height, width = self.pool_raw.shape[1:]
        return int(height), int(width)

    def pool_inputs(self, index: Ints) -> Floats:
        """Images of the pool by index (k,): float32 (k, height, width) in [0, 1]."""
        return self._images(self.pool_raw[index])

    def test_inputs(self) -> Floats:
        """All test images: float32 (t, height, width) in [0, 1]."""
        return self._images(self.test_raw)

    def _images(self, pixels: Pixels) -> Floats:
        return (pixels / np.float32(self.white)).astype(np.float32, copy=False)
