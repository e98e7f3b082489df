"""Classical networks: teachers, students and baselines.

None has batch normalisation, and dropout has a generator of its own: a forward pass is a function
of weights, samples and the seed of the dropout, and replicates are reproducible and can be trained
in one batch. `activation` is one of `ACTIVATIONS`, `dropout` a share of units.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from qkd_study.models.activations import ACTIVATIONS, Activation, Dropout
from qkd_study.models.outputs import HeadedModel, Outputs
from qkd_study.study import models as declared
from qkd_study.study.models import check_images


def sequence(*layers: nn.Module) -> nn.Sequential:
    """Layers one after the other, with the weights of convolutions in channels-last memory format.

    Forward passes of `ConvNet` and `AlexNet` then take less than half the time.
    """
    made = nn.Sequential(*layers)
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def two_convolutions(
    channels: int, first: int, second: int, activation: str = "relu"
) -> list[nn.Module]:
    """3x3 convolutions, padded, to `first` and `second` channels, each with 2x2 pooling and ReLU.

    Pooling comes before ReLU: the same maps and gradients, from a quarter of the pixels. So it does
    before all activations that do not fall anywhere; only GELU falls.
    """
    return [
        nn.Conv2d(channels, first, 3, padding=1),
        nn.MaxPool2d(2),
        Activation(activation),
        nn.Conv2d(first, second, 3, padding=1),
        nn.MaxPool2d(2),
        Activation(activation),
    ]


class _Classical(HeadedModel):
    """A model that takes samples of one shape."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        if not shape or min(shape) < 1:
            raise ValueError(f"samples of shape {shape}: sizes must be at least 1")
        if classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, got {classes}")
        self.shape = tuple(shape)

    def prepare(self, samples: Tensor) -> Tensor:
        """The model's inputs: flat vectors for an `MLP`, else (batch, channels, height, width).

        Raises:
            ValueError: samples of another shape than the model was built for.
        """
        if tuple(samples.shape[1:]) != self.shape:
            raise ValueError(
                f"{type(self).__name__} was built for samples of shape {self.shape}, "
                f"got {tuple(samples.shape[1:])}"
            )
        return self._arrange(samples)

    def _arrange(self, samples: Tensor) -> Tensor:
        return samples.flatten(1)


class MLP(_Classical):
    """Fully connected layers with an activation function, and dropout, between them.

    With widths w_0 (numbers in a sample), the hidden ones, and w_L = classes, it has
    sum_i (w_i + 1) w_(i+1) parameters: 64-18-3 has 1,227, and 64-3 has 195.

    Args:
        shape: of a sample, which is flattened.
        classes: how many.
        hidden: widths of the hidden layers; empty for a linear classifier (softmax regression).
        activation, dropout: of the hidden units.

    Raises:
        ValueError: fewer than 2 classes, or a hidden layer without units.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        hidden: tuple[int, ...],
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(shape, classes)
        self.activation = activation
        if any(width < 1 for width in hidden):
            raise ValueError(f"hidden layers of {tuple(hidden)} units: each needs at least 1")
        widths = (math.prod(shape), *hidden)
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.dropped = nn.ModuleList(Dropout(dropout) for _ in hidden)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and the last hidden activations (batch, width).

        Without a hidden layer the features are the inputs. Features are those before dropout.
        """
        x = features = inputs
        for layer, dropped in zip(self.hidden, self.dropped, strict=True):
            features = ACTIVATIONS[self.activation](layer(x))
            x = dropped(features)
        return Outputs(self.head(x), features)


class _ImageModel(_Classical):
    """A network for grey (height, width) or colour (channels, height, width) images."""

    smallest: ClassVar[int]
    """The minimum height and width, in pixels."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__(shape, classes)
        check_images(type(self).__name__, self.shape, self.smallest)

    @property
    def channels(self) -> int:
        """1 for grey images."""
        return self.shape[0] if len(self.shape) == 3 else 1

    def _arrange(self, samples: Tensor) -> Tensor:
        return samples if len(self.shape) == 3 else samples[:, None]


class ConvNet(_ImageModel):
    """Two 3x3 convolutions (8 and 16 filters, padded), by default with ReLU, and 2x2 max pooling.

    A linear layer follows, with dropout of the pooled maps before it.

    With c channels, k classes, r = height // 4 and s = width // 4 it has
    72 c + 1,176 + (16 r s + 1) k parameters: 1,898 for 8x8 digits, 9,098 for 28x28 grey images
    with 10 classes.

    Args:
        shape: (height, width) or (channels, height, width), at least 4x4 pixels.
        classes: how many.
        activation: of all hidden units.
        dropout: of those that the head reads.

    Raises:
        InputError: not images, or too small.
        ValueError: fewer than 2 classes.
    """

    smallest = declared.ConvNet.smallest

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(shape, classes)
        self.layers = sequence(*two_convolutions(self.channels, 8, 16, activation))
        height, width = shape[-2:]
        self.dropped = Dropout(dropout)
        self.head = nn.Linear(16 * (height // 4) * (width // 4), classes)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and pooled maps (batch, 16, height // 4, width // 4)."""
        maps = self.layers(inputs)
        return Outputs(self.head(self.dropped(maps.flatten(1))), maps)


class LeNet5(_ImageModel):
    """LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998, section II.B) in its present-day form.

    5x5 convolutions with 6 and 16 filters, by default with tanh, and 2x2 average pooling, then
    linear layers of 120, 84 and `classes` units. As is usual now, S2 is fully connected to C3,
    pooling has no weights, tanh is not scaled, and a linear layer replaces the radial basis
    functions.

    The original reads 32x32 pixels. Images below 32 in a direction are padded by 2 on every side,
    as the authors did with MNIST. With c channels, k classes and maps of r x s cells after the
    last pooling it has 150 c + 12,706 + 1,920 r s + 85 k parameters, where r = height // 4 - 2
    and s = width // 4 - 2 for padded images, height // 4 - 3 and width // 4 - 3 for others:
    61,706 for 28x28 grey and 62,006 for 3x32x32 colour images with 10 classes.

    Args:
        shape: (height, width) or (channels, height, width), at least 12x12 pixels.
        classes: how many.
        activation: of all hidden units.
        dropout: of those that the head reads.

    Raises:
        InputError: not images, or too small.
        ValueError: fewer than 2 classes.
    """

    smallest = declared.LeNet.smallest

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        activation: str = "tanh",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(shape, classes)
        height, width = shape[-2:]
        padded = min(height, width) < 32
        lost = 2 if padded else 3
        self.layers = sequence(
            nn.Conv2d(self.channels, 6, 5, padding=2 if padded else 0),
            Activation(activation),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            Activation(activation),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * (height // 4 - lost) * (width // 4 - lost), 120),
            Activation(activation),
            nn.Linear(120, 84),
            Activation(activation),
        )
        self.dropped = Dropout(dropout)
        self.head = nn.Linear(84, classes)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and the activations of layer F6 (batch, 84)."""
        features = self.layers(inputs)
        return Outputs(self.head(self.dropped(features)), features)


class AlexNet(_ImageModel):
    """AlexNet (Krizhevsky, Sutskever, Hinton 2012), scaled down to images of about 28x28 pixels.

    Five convolutions, three overlapping max poolings (3x3 at stride 2, after the first, second
    and fifth convolution, as in the original), two fully connected layers and the head, by default
    with ReLU.
    All kernels are 3x3 at stride 1, padded, instead of 11x11 at stride 4, 5x5 and 3x3; there are
    24, 64, 96, 96 and 64 filters, a quarter of the original's, and 256 units instead of 4,096. The
    original's local response normalisation and split over two GPUs are left out.

    With c channels, k classes, r = (height - 7) // 8 and s = (width - 7) // 8 it has
    216 c + 273,752 + 16,384 r s + 257 k parameters: 342,074 for 28x28 grey and 424,426 for
    3x32x32 colour images with 10 classes.

    Args:
        shape: (height, width) or (channels, height, width), at least 15x15 pixels.
        classes: how many.
        activation: of all hidden units.
        dropout: of those that the head reads.

    Raises:
        InputError: not images, or too small.
        ValueError: fewer than 2 classes.
    """

    smallest = declared.AlexNet.smallest

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(shape, classes)
        layers: list[nn.Module] = []
        widths = (self.channels, 24, 64, 96, 96, 64)
        for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), Activation(activation)]
            if number in (1, 2, 5):
                layers.append(nn.MaxPool2d(3, stride=2))
        height, width = shape[-2:]
        cells = ((height - 7) // 8) * ((width - 7) // 8)
        self.layers = sequence(
            *layers,
            nn.Flatten(),
            nn.Linear(64 * cells, 256),
            Activation(activation),
            nn.Linear(256, 256),
            Activation(activation),
        )
        self.dropped = Dropout(dropout)
        self.head = nn.Linear(256, classes)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and the activations of the last hidden layer (batch, 256)."""
        features = self.layers(inputs)
        return Outputs(self.head(self.dropped(features)), features)
