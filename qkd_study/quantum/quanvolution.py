"""The quanvolution: circuits as convolution kernels (Henderson et al., arXiv:1904.04767)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from qkd_study.common.memory import check_allocation
from qkd_study.quantum._bilinear import BilinearForms
from qkd_study.quantum._filters import FilterForms, Floats, Forms, halves, pauli_expectations
from qkd_study.quantum.ansatze import quanvolution_filter, without_entanglers
from qkd_study.quantum.embeddings import amplitude_embedding, angle_embedding, check_finite
from qkd_study.quantum.readouts import mean_z
from qkd_study.quantum.sampled import measured, on_states
from qkd_study.quantum.shots import Sampler
from qkd_study.quantum.simulator import Simulator


def form_sides(embedding: str, pixels: int) -> tuple[int, int]:
    """Left and right features of a patch, which a filter's form has as rows and as columns."""
    if embedding == "amplitude":
        return pixels, pixels
    left, right = halves(pixels)
    return 3**left, 3**right


def image_patches(images: Tensor, kernel: int, stride: int) -> Tensor:
    """The pixels of all patches of images, those of each channel below those of the last.

    Args:
        images: (batch, height, width) or (batch, channels, height, width).
        kernel: width and height of a patch.
        stride: pixels between neighbouring patches.

    Returns:
        (batch, kernel^2, channels * patches down, patches across).
    """
    channels = images if images.ndim == 4 else images[:, None]
    patches = channels.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return patches.permute(0, 4, 5, 1, 2, 3).flatten(1, 2).flatten(2, 3)


class Quanvolution(nn.Module):
    """Circuits that slide over an image: every filter maps a patch of a channel to one number.

    A patch is embedded into a state, the filter's trainable circuit acts on it, and the output is
    the mean of <Z> over its wires (the mean, because it depends on every angle of the circuit).

    The mean is a bilinear form of features of the patch that training does not change, and a
    filter's form follows from its circuit's matrix: one execution per filter and step for any
    number of patches (see `FilterForms`).

    Args:
        filters: the number of circuits, each with its own angles.
        kernel: width and height of a patch, in pixels.
        stride: pixels between neighbouring patches.
        qubits: of a circuit.
        depth: repetitions of a circuit's trainable block.
        embedding: `angle` (a rotation per pixel) or `amplitude` (pixels as amplitudes).
        angle_range: the rotation of a pixel of value 1, in radians; angle embedding only.
        entangling: whether a circuit has its gates on two wires.
        seed: of the initial angles, uniform in [-pi, pi).
        simulator: runs the circuits; default: lightning.qubit.

    Raises:
        ValueError: a patch has more pixels than qubits, or than amplitudes.
    """

    def __init__(
        self,
        *,
        filters: int = 3,
        kernel: int = 2,
        stride: int = 2,
        qubits: int = 4,
        depth: int = 1,
        embedding: Literal["angle", "amplitude"] = "angle",
        angle_range: float = math.pi / 2,
        entangling: bool = True,
        seed: int,
        simulator: Simulator | None = None,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.embedding, self.angle_range = embedding, angle_range
        circuit = quanvolution_filter(qubits, depth)
        self.circuit = circuit if entangling else without_entanglers(circuit)
        self.simulator = simulator or Simulator()
        limit = qubits if embedding == "angle" else 2**qubits
        if kernel**2 > limit:
            raise ValueError(
                f"{embedding} embedding in {qubits} qubits takes up to {limit} pixels, but a patch "
                f"of {kernel}x{kernel} has {kernel**2}"
            )
        rng = torch.Generator().manual_seed(seed)
        angles = torch.rand(filters, self.circuit.parameters, generator=rng, dtype=torch.float64)
        self.theta = nn.Parameter((2 * angles - 1) * math.pi)
        self.register_buffer("z", mean_z(qubits), persistent=False)

    def embed(self, images: Tensor) -> Tensor:
        """The features of all patches. Training does not change them: compute them once.

        Args:
            images: pixels in [0, 1], (batch, height, width) or (batch, channels, height, width).

        Returns:
            (batch, features, patches down, patches across), in the images' precision, with the
            channels' patches below each other (see `image_patches`): the
            `pauli_expectations` of the first and of the second half of a patch's pixels with angle
            embedding, its amplitudes with amplitude embedding.

        Raises:
            ValueError: a pixel is not finite, or the features do not fit into memory.
        """
        pixels = self._pixels(images)
        if self.embedding == "amplitude":
            states = amplitude_embedding(
                pixels.movedim(1, -1),
                self.circuit.qubits,
                zeros="ground",  # black patches
            )
            return states[..., : pixels.shape[1]].movedim(-1, 1).contiguous()
        check_finite(pixels, "angle embedding")
        split = halves(pixels.shape[1])
        patch_count, features = pixels[:, 0].numel(), sum(3**half for half in split)
        needed = 2 * patch_count * features * pixels.element_size()
        check_allocation(needed, f"embedding {patch_count} patches")
        angles = (pixels * self.angle_range).split(split, dim=1)
        return torch.cat([pauli_expectations(half) for half in angles], dim=1)

    def states(self, images: Tensor) -> Tensor:
        """The states of all patches, for `of_states`; arguments as for `embed`.

        Returns:
            (batch, patches down, patches across, 2^qubits), in the images' precision.
        """
        pixels, qubits = self._pixels(images).movedim(1, -1), self.circuit.qubits
        if self.embedding == "amplitude":
            return amplitude_embedding(pixels, qubits, zeros="ground")
        return angle_embedding(pixels * self.angle_range, qubits)

    def of_states(self, states: Tensor, sampler: Sampler | None) -> Tensor:
        """As `forward`, of what `states` returns; measured if there is a sampler.

        The outcome of a shot is how many wires are 1: the mean of Z needs no more.
        """
        flat, maps = states.flatten(0, -2), []
        z = self.get_buffer("z")
        values, place = z.unique(return_inverse=True)
        groups = torch.nn.functional.one_hot(place).to(torch.float64).numpy()
        for theta in self.theta:
            if sampler is None:
                exact = self.simulator.probabilities(self.circuit, theta, flat)
                maps.append(exact @ z.to(exact.dtype))
                continue
            circuit, none = on_states(self.simulator, self.circuit, flat, outcomes=groups)
            maps.append(measured(circuit, theta, none, sampler) @ values.to(none.dtype))
        out: Tensor = torch.stack(maps, 1).unflatten(0, states.shape[:-1]).movedim(-1, 1)
        return out

    def _pixels(self, images: Tensor) -> Tensor:
        """The pixels of all patches, (batch, pixels, patches down, patches across)."""
        return image_patches(images, self.kernel, self.stride)

    def forms(self, theta: Floats, simulators: Sequence[Simulator] | None = None) -> FilterForms:
        """Filters with angles `theta` (F, P) as bilinear forms of what `embed` returns.

        Args:
            theta: of this layer's filters, or of those of several layers that are like it.
            simulators: what runs each filter; default: the layer's.
        """
        z, product = self.get_buffer("z").numpy(), self.embedding == "angle"
        inputs = self.kernel**2
        given = simulators or [self.simulator] * len(theta)
        return FilterForms(given, self.circuit, z, theta, inputs=inputs, product=product)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps of embedded images.

        Args:
            features: as `embed` returns them.

        Returns:
            Means of <Z>, (batch, filters, patches down, patches across), in [-1, 1].
        """
        forms = Forms.apply(self.theta, self.forms).to(features.dtype)  # type: ignore[no-untyped-call]
        maps: Tensor = BilinearForms.apply(features.flatten(2), forms)  # type: ignore[no-untyped-call]
        out: Tensor = maps.unflatten(2, features.shape[2:])
        return out
