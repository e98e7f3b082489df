"""Reductions: from samples to the few features that a circuit can embed.

The kinds are those that Hasan and Mahdy (arXiv:2311.13810) compare: a trained linear layer,
average and max pooling, the centre crop and principal components. All but the linear layer map
samples from 0 to 1 into -1 to 1; the caller scales to angles or amplitudes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from qkd_study.study.reductions import check_reduction, grid


class Reduction(nn.Module):
    """Samples (batch, *shape) to float32 (batch, features); see `make_reduction`.

    Attributes:
        shape: of a sample.
        features: the number of features.
        trainable: whether it has parameters. If not, it can be applied once per dataset.
    """

    trainable: bool = False

    def __init__(self, shape: tuple[int, ...], features: int) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.features = features

    def fit(self, samples: Tensor) -> None:
        """Fit to the training samples (K, *shape); only principal components do so."""

    def forward(self, samples: Tensor) -> Tensor:
        """The reduced samples, float32 (batch, features).

        Raises:
            ValueError: samples of another shape.
            RuntimeError: principal components before `fit`.
        """
        self._check(samples)
        return self._reduce(samples.to(torch.float32))

    def _reduce(self, samples: Tensor) -> Tensor:
        return samples.flatten(1)

    def _check(self, samples: Tensor) -> None:
        if tuple(samples.shape[1:]) != self.shape:
            raise ValueError(
                f"a reduction of samples of shape {self.shape} got {tuple(samples.shape[1:])}"
            )


class _Linear(Reduction):
    trainable = True

    def __init__(self, shape: tuple[int, ...], features: int) -> None:
        super().__init__(shape, features)
        self.layer = nn.Linear(math.prod(shape), features)

    def _reduce(self, samples: Tensor) -> Tensor:
        reduced: Tensor = self.layer(samples.flatten(1))
        return reduced


class _Pool(Reduction):
    """Adaptive pooling: window i of g over n pixels is [floor(i n / g), ceil((i + 1) n / g))."""

    def __init__(self, shape: tuple[int, ...], features: int, *, average: bool) -> None:
        super().__init__(shape, features)
        self.average = average
        self.grid = grid(shape, features)

    def _reduce(self, samples: Tensor) -> Tensor:
        planes = _planes(samples)[:, None]
        pool = functional.adaptive_avg_pool2d if self.average else functional.adaptive_max_pool2d
        return pool(planes, self.grid).flatten(1)


class _Crop(Reduction):
    """The middle window; if it cannot be in the middle, half a pixel up and left of it."""

    def __init__(self, shape: tuple[int, ...], features: int) -> None:
        super().__init__(shape, features)
        self.grid = grid(shape, features)

    def _reduce(self, samples: Tensor) -> Tensor:
        planes = _planes(samples)
        (height, width), (rows, columns) = planes.shape[1:], self.grid
        top, left = (height - rows) // 2, (width - columns) // 2
        return planes[:, top : top + rows, left : left + columns].flatten(1)


class _PrincipalComponents(Reduction):
    """Projections on the directions of largest variance, in falling order, about the mean.

    All are divided by one number, so that the largest absolute value of the training samples is 1:
    unscaled, most angles of images would exceed a full turn. Fitted in double precision. The sign
    of a component makes its largest entry positive (the first of equals). Components without
    variance, such as those beyond K - 1 of K samples, are zero.
    """

    mean: Tensor
    components: Tensor
    largest: Tensor
    fitted: Tensor

    def __init__(self, shape: tuple[int, ...], features: int) -> None:
        super().__init__(shape, features)
        self.register_buffer("mean", torch.zeros(math.prod(shape)))
        self.register_buffer("components", torch.zeros(features, math.prod(shape)))
        self.register_buffer("largest", torch.tensor(1.0))
        self.register_buffer("fitted", torch.tensor(False))

    @torch.no_grad()
    def fit(self, samples: Tensor) -> None:
        """Mean and components of the training samples (K, *shape).

        Raises:
            ValueError: no samples, or of another shape.
        """
        self._check(samples)
        if len(samples) == 0:
            raise ValueError("principal components need at least 1 training sample, got 0")
        x = samples.flatten(1).to(torch.float64)
        size = torch.linalg.vector_norm(x)
        mean = x.mean(0)
        x = centred = x - mean
        if len(x) > x.shape[1]:  # R has the same right singular vectors, and far fewer rows
            x = torch.linalg.qr(x, mode="r").R
        _, values, vectors = torch.linalg.svd(x, full_matrices=False)
        rank = int((values > 1e-10 * size).sum())  # the precision of float32 samples
        axes = vectors[: min(rank, self.features)]
        self.mean.copy_(mean)
        self.components.zero_()
        self.components[: len(axes)] = (axes * _signs(axes)).to(torch.float32)
        self.largest.copy_((centred @ axes.T).abs().max() if len(axes) else torch.ones(()))
        self.fitted.fill_(True)

    def _reduce(self, samples: Tensor) -> Tensor:
        if not self.fitted:
            raise RuntimeError("principal components: call fit with the training samples first")
        return (samples.flatten(1) - self.mean) @ self.components.T / self.largest


def make_reduction(kind: str, shape: tuple[int, ...], features: int) -> Reduction:
    """A reduction of samples to a number of features.

    | kind    | features                                                     | parameters      |
    |---------|--------------------------------------------------------------|-----------------|
    | none    | the sample's numbers                                         | 0               |
    | linear  | a fully connected layer, trained with the rest               | n features      |
    |         |                                                              | + features      |
    | average | means over the cells of a grid                               | 0               |
    | max     | maxima over the cells of a grid                              | 0               |
    | crop    | the middle window                                            | 0               |
    | pca     | principal components of the training samples, through `fit`, | 0               |
    |         | at most 1 in size there                                      |                 |

    n is how many numbers a sample has. Grids and windows of images are rows x columns = features,
    as square as possible and rather wide than high: 2x4 for 8. Of a vector they are stretches.
    Colour images are averaged over their channels first for average, max and crop, and flattened
    for the others.

    Args:
        kind: one of `qkd_study.study.reductions.REDUCTIONS`.
        shape: of a sample: (n,), (height, width) or (channels, height, width).
        features: their number.

    Raises:
        ValueError: as `check_reduction`.
    """
    check_reduction(kind, shape, features)
    match kind:
        case "linear":
            return _Linear(shape, features)
        case "average" | "max":
            return _Pool(shape, features, average=kind == "average")
        case "crop":
            return _Crop(shape, features)
        case "pca":
            return _PrincipalComponents(shape, features)
    return Reduction(shape, features)


def _planes(samples: Tensor) -> Tensor:
    """Vectors as images of one row, colour images as the mean of their channels: (batch, h, w)."""
    if samples.ndim == 4:
        return samples.mean(1)
    return samples[:, None] if samples.ndim == 2 else samples


def _signs(components: Tensor) -> Tensor:
    """+1 or -1 per row (rows, 1), which makes the row's first entry of largest size positive."""
    sizes = components.abs()
    first = (sizes >= (1 - 1e-6) * sizes.amax(1, keepdim=True)).int().argmax(1, keepdim=True)
    return components.gather(1, first).sign()
