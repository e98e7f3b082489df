"""The models of the Q2C setting, which differ in their first layer only (Piperno et al.)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qkd_study.models.activations import ACTIVATIONS, Dropout
from qkd_study.models.circuits import QuantumModel, rank_of_readouts
from qkd_study.models.measurement import Measurement
from qkd_study.models.outputs import HeadedModel, Outputs
from qkd_study.quantum import Quanvolution


def with_channels(samples: Tensor) -> Tensor:
    """Images with a channel axis: (batch, channels, height, width)."""
    return samples if samples.ndim == 4 else samples[:, None]


def on_each_channel(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """A convolution of one channel over each channel of images, with the same kernels.

    Args:
        layer: of one channel to f.
        images: (batch, channels, height, width).

    Returns:
        (batch, f, channels * patches down, patches across), each channel below the last.
    """
    maps: Tensor = layer(images.flatten(0, 1)[:, None])
    by_channel: Tensor = maps.unflatten(0, images.shape[:2])
    return by_channel.transpose(1, 2).flatten(2, 3)


class ConvolutionStudent(HeadedModel):
    """A convolution with tanh, then a linear layer to the classes.

    On 28x28 images with 10 classes, 3 filters of 2x2 at stride 2 have 15 + 5,890 = 5,905
    parameters. With tanh, because ReLU would leave some of so few filters dead, and because the
    maps then have the range [-1, 1] of a quanvolution's.

    Args:
        patches: of an image.
        classes: how many.
        filters, kernel, stride: of the convolution.
        channels: of its kernels.
        activation, dropout: of the maps; see `qkd_study.models.activations`.
    """

    def __init__(
        self,
        patches: int,
        classes: int,
        *,
        filters: int,
        kernel: int,
        stride: int,
        channels: int = 1,
        activation: str = "tanh",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.convolution = nn.Conv2d(channels, filters, kernel, stride)
        self.dropped = Dropout(dropout)
        self.head = nn.Linear(filters * patches, classes)

    def prepare(self, samples: Tensor) -> Tensor:
        """Images with a channel axis: (batch, channels, height, width)."""
        return with_channels(samples)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and maps (batch, filters, patches down, patches across)."""
        maps = ACTIVATIONS[self.activation](self._mapped(inputs))
        return Outputs(self.head(self.dropped(maps.flatten(1))), maps)

    def _mapped(self, inputs: Tensor) -> Tensor:
        return on_each_channel(self.convolution, inputs)


class PatchNetwork(HeadedModel):
    """A small network on every patch, then a linear layer to the classes.

    A convolution to h channels, its activation, a 1x1 convolution to f maps, and tanh: with k x k
    patches (k^2 + 1) h + (h + 1) f parameters, and (f * patches + 1) classes of the linear layer.

    Args:
        patches: of an image.
        classes: how many.
        hidden: h.
        filters, kernel, stride: of the maps.
        activation: of the hidden channels, one of `ACTIVATIONS`.
        dropout: of the maps.
    """

    def __init__(
        self,
        patches: int,
        classes: int,
        *,
        hidden: int,
        filters: int,
        kernel: int,
        stride: int,
        activation: str = "tanh",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.hidden = nn.Conv2d(1, hidden, kernel, stride)
        self.mixed = nn.Conv2d(hidden, filters, 1)
        self.dropped = Dropout(dropout)
        self.head = nn.Linear(filters * patches, classes)

    def prepare(self, samples: Tensor) -> Tensor:
        """Images with a channel axis: (batch, channels, height, width)."""
        return with_channels(samples)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and maps (batch, filters, patches down, patches across)."""
        hidden = ACTIVATIONS[self.activation](on_each_channel(self.hidden, inputs))
        maps = torch.tanh(self.mixed(hidden))
        return Outputs(self.head(self.dropped(maps.flatten(1))), maps)


class QuanvolutionTeacher(QuantumModel, HeadedModel):
    """A quanvolution, then a linear layer to the classes.

    On 28x28 images with 10 classes, 3 filters of 4 qubits have 33 + 5,890 = 5,923 parameters.

    Args:
        layer: the quanvolution.
        patches: of an image.
        classes: how many.
        measurement: the shots; default: exact values.
    """

    def __init__(
        self,
        layer: Quanvolution,
        patches: int,
        classes: int,
        measurement: Measurement | None = None,
    ) -> None:
        super().__init__()
        self.measurement = measurement or Measurement()
        self.quanvolution, self.circuit, self.simulator = layer, layer.circuit, layer.simulator
        self.head = nn.Linear(len(layer.theta) * patches, classes)

    def prepare(self, samples: Tensor) -> Tensor:
        """The features of all patches, or if there are shots their states.

        See `Quanvolution.embed` and `Quanvolution.states`.
        """
        layer = self.quanvolution
        return layer.embed(samples) if self.measurement.is_exact else layer.states(samples)

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and maps (batch, filters, patches down, patches across)."""
        if self.measurement.is_exact:
            maps = self.quanvolution(inputs)
        else:
            maps = self.quanvolution.of_states(inputs, self.measurement.sampler)
        return Outputs(self.head(maps.flatten(1)), maps)

    @property
    def quantum_parameters(self) -> int:
        """Trainable angles of all filters."""
        return self.quanvolution.theta.numel()

    @property
    def effective_parameters(self) -> int | None:
        """Of all filters: those of one times their number; 0 if the angles are not trained."""
        layer = self.quanvolution
        inputs = layer.embedding, layer.kernel**2, layer.angle_range
        rank = rank_of_readouts(self.circuit, *inputs, layer.get_buffer("z")[:, None])
        filters = len(layer.theta) if layer.theta.requires_grad else 0
        return None if rank is None else filters * rank
