"""`Reuploaded`: data between trainable layers, a batch of samples in one execution per layer.

RX(x) is H RZ(x) H, and RZ(x) on wires of a batch multiplies every amplitude by a phase. So the
layers run between Hadamard gates on all samples at once, as any circuit without features does, and
the samples' gates are one product of arrays per layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from qkd_study.quantum.ansatze import reuploading
from qkd_study.quantum.circuit import Circuit, Gate
from qkd_study.quantum.embeddings import check_finite
from qkd_study.quantum.readouts import z_values
from qkd_study.quantum.simulator import Simulator


class Reuploaded:
    """The circuit `reuploading(layers, features)`, for batches.

    Args:
        layers: L circuits of n qubits, without features.
        features: of a sample, F from 1 to n.

    Raises:
        ValueError: there is not from 1 to n features.
    """

    def __init__(self, layers: Sequence[Circuit], features: int) -> None:
        self.circuit = reuploading(layers, features)
        self.layers, self.features, self.qubits = tuple(layers), features, layers[0].qubits

    @cached_property
    def _between(self) -> list[Circuit]:
        """The layers between Hadamard gates; after the last one there are none."""
        turn = tuple(Gate("Hadamard", (wire,)) for wire in range(self.features))
        count = len(self.layers)
        return [
            Circuit(self.qubits, (*turn, *layer.gates, *(turn if number + 1 < count else ())))
            for number, layer in enumerate(self.layers)
        ]

    def evolve(self, simulator: Simulator, theta: Tensor, angles: Tensor) -> Tensor:
        """Apply the circuit to |0...0> for a batch of samples.

        Args:
            simulator: runs the layers.
            theta: the parameters of all layers, (P,), in radians.
            angles: the samples' features in radians, (B, F), or those of every layer, (L, B, F).

        Returns:
            Amplitudes (B, 2^n), complex, in the simulator's precision.

        Raises:
            ValueError: an angle is not finite, or a state does not fit into memory.
        """
        check_finite(angles, "data re-uploading")
        kind = simulator.dtype
        signs = z_values(self.qubits)[:, : self.features].T.to(kind.to_real())
        turned = angles.to(kind.to_real()) @ signs / -2
        phases = torch.polar(torch.ones_like(turned), turned)
        by_layer = phases if phases.ndim == 3 else [phases] * len(self.layers)
        states = by_layer[0] * self._start(kind)
        place = 0
        for number, (layer, between) in enumerate(zip(self.layers, self._between, strict=True)):
            mine = theta[place : place + layer.parameters]
            place += layer.parameters
            states = simulator.evolve(between, mine, states)
            if number + 1 < len(self.layers):
                states = states * by_layer[number + 1]
        return states

    def _start(self, kind: torch.dtype) -> Tensor:
        """H on every wire with a feature, on |0...0>: (2^n,)."""
        start = torch.zeros(1 << self.qubits, dtype=kind)
        start[:: 1 << (self.qubits - self.features)] = math.sqrt(0.5**self.features)
        return start
