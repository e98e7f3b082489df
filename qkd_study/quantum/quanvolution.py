"""The quanvolution: circuits as convolution kernels (Henderson et al., arXiv:1904.04767)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from qkd_study.quantum.ansatze import quanvolution_filter
from qkd_study.quantum.embeddings import amplitude_embedding, angle_embedding
from qkd_study.quantum.readouts import mean_z
from qkd_study.quantum.simulator import Simulator


class Quanvolution(nn.Module):
    """Circuits that slide over an image: every filter turns a patch into one number.

    A patch is embedded into a state, the filter's trainable circuit acts on it, and the mean of
    <Z> over its wires comes out (the mean, because every angle of the circuit then matters).

    For a real patch state x, the mean is x^T Re(W diag(z) W^dagger) x, where the rows of W are the
    circuit applied to the basis states: one execution per filter and step, however many patches.

    Args:
        filters: circuits, each with angles of its own.
        kernel: width and height of a patch, in pixels.
        stride: pixels between neighbouring patches.
        qubits: of a circuit.
        depth: repetitions of a circuit's trainable block.
        embedding: `angle` (a rotation per pixel) or `amplitude` (pixels as amplitudes).
        angle_range: the rotation of a pixel of value 1, in radians; angle embedding only.
        seed: of the initial angles, even in [-pi, pi).
        simulator: what runs the circuits; default: lightning.qubit.
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
        seed: int,
        simulator: Simulator | None = None,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.embedding, self.angle_range = embedding, angle_range
        self.circuit = quanvolution_filter(qubits, depth)
        self.simulator = simulator or Simulator()
        rng = torch.Generator().manual_seed(seed)
        angles = torch.rand(filters, self.circuit.parameters, generator=rng, dtype=torch.float64)
        self.theta = nn.Parameter((2 * angles - 1) * math.pi)
        self.register_buffer("z", mean_z(qubits), persistent=False)

    def embed(self, images: Tensor) -> Tensor:
        """The states of all patches. They do not change in training: embed once.

        Args:
            images: pixels in [0, 1], (batch, height, width).

        Returns:
            Real amplitudes (batch, patches down, patches across, 2^n), in the images' precision.
        """
        patches = images.unfold(1, self.kernel, self.stride).unfold(2, self.kernel, self.stride)
        pixels = patches.flatten(-2)
        if self.embedding == "angle":
            return angle_embedding(pixels * self.angle_range, self.circuit.qubits)
        return amplitude_embedding(pixels, self.circuit.qubits, zeros="ground")  # black patches

    def forward(self, states: Tensor) -> Tensor:
        """Feature maps of embedded images.

        Args:
            states: as `embed` returns them.

        Returns:
            Means of <Z>, (batch, filters, patches down, patches across), in [-1, 1].
        """
        flat = states.flatten(0, 2)
        observables = torch.cat([self._observable(theta) for theta in self.theta], dim=1)
        images = (flat @ observables.to(flat.dtype)).unflatten(1, (len(self.theta), -1))
        maps = (images * flat[:, None]).sum(-1)
        out: Tensor = maps.unflatten(0, states.shape[:3]).movedim(-1, 1)
        return out

    def _observable(self, theta: Tensor) -> Tensor:
        """Re(W diag(z) W^dagger) of one filter with angles `theta` (P,): (2^n, 2^n)."""
        unitary = self.simulator.unitary(self.circuit, theta)
        z = self.get_buffer("z").to(unitary.real.dtype)
        return ((unitary * z) @ unitary.mH).real
