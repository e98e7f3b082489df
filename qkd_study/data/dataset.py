"""`Dataset`: a pool of samples to draw from, and a test set; `Datasets`: several of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Raw = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples with labels, split into a pool to draw from and a test set.

    A sample is a vector (features,), a grey image (height, width) or a colour image
    (channels, height, width). Samples have their original type (bytes, for most images) and are
    divided by `max_value` when they are used: images are then in [0, 1], other data unchanged.

    Attributes:
        name: in studies and rows.
        pool_raw: (n, *shape), for training and validation draws.
        pool_labels: int64 (n,), in 0 .. classes - 1.
        test_raw: (t, *shape), used in the confirm phase only.
        test_labels: int64 (t,).
        classes: how many there are.
        max_value: the stored value that stands for 1; 1 for data that are not scaled.
        class_names: of the classes, in their order, for tables and figures; the default is their
            numbers.
        mean, spread: what was subtracted from samples when they were read, and by what they were
            divided, for each feature, channel, or all pixels; empty if they were not standardised.
        digest: SHA-256 of the above up to `max_value`.
    """

    name: str
    pool_raw: Raw
    pool_labels: Ints
    test_raw: Raw
    test_labels: Ints
    classes: int
    max_value: float = 1
    class_names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        if not self.class_names:
            names = tuple(str(label) for label in range(self.classes))
            object.__setattr__(self, "class_names", names)
        digest = hashlib.sha256(f"{self.name} {self.classes} {self.max_value}".encode())
        for array in (self.pool_raw, self.pool_labels, self.test_raw, self.test_labels):
            digest.update(f"{array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
        object.__setattr__(self, "digest", digest.hexdigest())

    @property
    def parts(self) -> tuple[Dataset, ...]:
        """Itself; see `Datasets`."""
        return (self,)

    def named(self, name: str) -> Dataset:
        """Itself; see `Datasets`."""
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: (features,), (height, width) or (channels, height, width)."""
        return tuple(int(side) for side in self.pool_raw.shape[1:])

    def extent(self, most: int = 1000) -> tuple[float, float, float]:
        """The least and the largest input, and the largest mean absolute value of a feature.

        Args:
            most: samples for the mean, at most; evenly spaced over the pool.
        """
        index = np.unique(np.linspace(0, len(self.pool_raw) - 1, most).astype(np.int64))
        low, high = (
            float(edge / self.max_value) for edge in (self.pool_raw.min(), self.pool_raw.max())
        )
        return low, high, float(np.abs(self.pool_inputs(index)).mean(0, np.float64).max())

    def pool_inputs(self, index: Ints) -> Floats:
        """Samples of the pool by index (k,): float32 (k, *shape)."""
        return self._inputs(self.pool_raw[index])

    def test_inputs(self) -> Floats:
        """All test samples: float32 (t, *shape)."""
        return self._inputs(self.test_raw)

    def _inputs(self, raw: Raw) -> Floats:
        return scaled(raw, self.max_value)


def scaled(raw: Raw, max_value: float) -> Floats:
    """Samples of any type as models get them: divided by `max_value`, float32."""
    return (raw / np.float32(max_value)).astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class Datasets:
    """The datasets of a study that has them as a factor.

    Attributes:
        parts: in the order of the factor's values, with different names.
    """

    parts: tuple[Dataset, ...]

    @property
    def name(self) -> str:
        """Their names, joined by commas."""
        return ", ".join(part.name for part in self.parts)

    @property
    def digest(self) -> str:
        """SHA-256 of all of them."""
        joined = " ".join(part.digest for part in self.parts)
        return hashlib.sha256(joined.encode()).hexdigest()

    @property
    def class_names(self) -> tuple[str, ...]:
        """None: each has its own."""
        return ()

    def named(self, name: str) -> Dataset:
        """The one of a name."""
        return next(part for part in self.parts if part.name == name)


#: What a study is trained on: one dataset, or those of its factor `dataset`.
Data = Dataset | Datasets
