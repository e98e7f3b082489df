"""Fixed features of samples, and the models that are linear in them: controls without a circuit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qkd_study.common.memory import check_allocation
from qkd_study.models.classical import MLP
from qkd_study.models.convolution import ConvolutionStudent
from qkd_study.models.reductions import Reduction
from qkd_study.quantum import amplitude_embedding, image_patches, pauli_expectations
from qkd_study.study.controls import Order, product_features

#: Training samples of which a median distance is taken, at most.
MOST_FOR_MEDIAN = 500


def products(inputs: Tensor, embedding: str, angle_range: float, order: Order) -> Tensor:
    """Products of inputs as a circuit embeds them, without the constant.

    Args:
        inputs: (batch, n, ...), normalised if they are amplitudes.
        embedding: `angle` or `amplitude`.
        angle_range: the rotation of an input of value 1, in radians; angle embedding only.
        order: `pairs` or `all`; see `qkd_study.study.controls.PatchPolynomial`.

    Returns:
        (batch, `product_features`, ...).
    """
    count = product_features(order, embedding, inputs.shape[1])
    needed = 2 * count * inputs[:, 0].numel() * inputs.element_size()
    check_allocation(needed, f"{count} products of {len(inputs)} samples")
    if embedding == "amplitude":
        one, two = torch.triu_indices(inputs.shape[1], inputs.shape[1])
        return inputs[:, one] * inputs[:, two]
    angles = inputs * angle_range
    if order == "all":
        return pauli_expectations(angles)[:, 1:]
    single = [(torch.cos(angle), torch.sin(angle)) for angle in angles.unbind(1)]
    found = [one for both in single for one in both]
    for first, second in itertools.combinations(single, 2):
        found += [one * two for one in first for two in second]
    return torch.stack(found, dim=1)


class PatchPolynomialModel(ConvolutionStudent):
    """Maps that are linear in products of a patch's pixels, then a linear layer to the classes.

    It is a 1x1 convolution without activation over the products, with filters (m + 1) parameters
    for m products, and (filters * patches + 1) classes of the linear layer.

    Args:
        patches: of an image.
        classes: how many.
        filters: maps.
        patch: width and height of a patch, in pixels, and pixels between neighbouring patches.
        embedding, angle_range, order: as for `products`.
        dropout: of the maps.
    """

    def __init__(
        self,
        patches: int,
        classes: int,
        *,
        filters: int,
        patch: tuple[int, int],
        embedding: str,
        angle_range: float,
        order: Order,
        dropout: float = 0.0,
    ) -> None:
        count = product_features(order, embedding, patch[0] ** 2)
        super().__init__(
            patches,
            classes,
            filters=filters,
            kernel=1,
            stride=1,
            channels=count,
            activation="identity",
            dropout=dropout,
        )
        self.patch, self.embedding = patch, embedding
        self.angle_range, self.order = angle_range, order

    def _mapped(self, inputs: Tensor) -> Tensor:
        return self.convolution(inputs)  # type: ignore[no-any-return]

    def prepare(self, samples: Tensor) -> Tensor:
        """The products (batch, m, patches down, patches across)."""
        kernel, stride = self.patch
        pixels = image_patches(samples, kernel, stride).movedim(1, -1).contiguous()
        if self.embedding == "amplitude":
            qubits = (kernel**2 - 1).bit_length()
            pixels = amplitude_embedding(pixels, max(qubits, 1), zeros="ground")[..., : kernel**2]
        inputs = pixels.movedim(-1, 1)
        return products(inputs, self.embedding, self.angle_range, self.order).contiguous()


class Expansion(nn.Module):
    """Fixed features (batch, `count`) of samples.

    Attributes:
        count: the number of features.
    """

    count: int

    def fit(self, samples: Tensor) -> None:
        """Fit to the training samples (K, ...)."""


class Components(Expansion):
    """Reduced samples, such as principal components."""

    def __init__(self, reduction: Reduction) -> None:
        super().__init__()
        self.reduction, self.count = reduction, reduction.features or math.prod(reduction.shape)

    def fit(self, samples: Tensor) -> None:
        """Fit the reduction."""
        self.reduction.fit(samples)

    def forward(self, samples: Tensor) -> Tensor:
        """The reduced samples."""
        reduced: Tensor = self.reduction(samples)
        return reduced


class ProductsOfComponents(Components):
    """Products of reduced samples, as a circuit embeds them."""

    def __init__(
        self, reduction: Reduction, *, embedding: str, angle_range: float, order: Order
    ) -> None:
        super().__init__(reduction)
        self.qubits = max((self.count - 1).bit_length(), 1)
        self.inputs, self.count = self.count, product_features(order, embedding, self.count)
        self.embedding, self.angle_range, self.order = embedding, angle_range, order

    def forward(self, samples: Tensor) -> Tensor:
        """The products; see `products`."""
        inputs = super().forward(samples)
        if self.embedding == "amplitude":
            inputs = amplitude_embedding(inputs, self.qubits, zeros="ground")[:, : self.inputs]
        return products(inputs, self.embedding, self.angle_range, self.order)


class FourierExpansion(Expansion):
    """sqrt(2 / D) cos(w x / s + b): random Fourier features of a Gaussian kernel.

    w is normal and b uniform in [0, 2 pi), both drawn by torch's generator; s is the median
    distance of at most 500 training samples (1 if all are equal).

    Args:
        inputs: numbers in a sample.
        count: D.
    """

    weights: Tensor
    phases: Tensor
    scale: Tensor

    def __init__(self, inputs: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.register_buffer("weights", torch.randn(inputs, count))
        self.register_buffer("phases", 2 * math.pi * torch.rand(count))
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def fit(self, samples: Tensor) -> None:
        """Set the width of the kernel from the training samples (K, ...)."""
        distances = torch.pdist(samples[:MOST_FOR_MEDIAN].flatten(1).to(torch.float32))
        median = distances.median() if len(distances) else torch.zeros(())
        self.scale.copy_(torch.where(median > 0, median, 1.0))

    def forward(self, samples: Tensor) -> Tensor:
        """The features."""
        angles = samples.flatten(1) / self.scale @ self.weights + self.phases
        return math.sqrt(2 / self.count) * torch.cos(angles)


class ExpandedMLP(MLP):
    """An `MLP` of fixed features of samples; without hidden layers it is linear in them.

    Args:
        expansion: the features.
        shape, classes, hidden, activation, dropout: as for `MLP`.
    """

    def __init__(
        self,
        expansion: Expansion,
        shape: Sequence[int],
        classes: int,
        *,
        hidden: tuple[int, ...] = (),
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        given = (expansion.count,), classes
        super().__init__(*given, hidden=hidden, activation=activation, dropout=dropout)
        self.shape, self.expansion = tuple(shape), expansion

    def fit(self, samples: Tensor) -> None:
        """Fit the features."""
        self.expansion.fit(samples)

    def _arrange(self, samples: Tensor) -> Tensor:
        features: Tensor = self.expansion(samples)
        return features
