"""Models with one circuit: with a linear head, without classical layers, and for images."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from qkd_study.models.classical import sequence, two_convolutions
from qkd_study.models.measurement import Measurement
from qkd_study.models.outputs import HeadedModel, Model, Outputs
from qkd_study.models.reductions import Reduction
from qkd_study.quantum import (
    Circuit,
    Mitigation,
    NoisyCircuit,
    Sampler,
    Simulator,
    amplitude_embedding,
    angle_embedding,
    basis_embedding,
    class_groups,
    effective_parameters,
    measured,
    nearest_probabilities,
    on_angles,
    on_states,
    z_values,
)

#: The lower limit of probabilities, so that their logarithm is finite in single precision.
SMALLEST = 1e-12


def embed(features: Tensor, qubits: int, embedding: str, angle_range: float) -> Tensor:
    """States of features, real.

    With amplitude embedding, zeros become |0...0>; basis embedding takes features above 1/2 as
    ones.

    Args:
        features: (batch, f).
        qubits: n.
        embedding: `angle`, `amplitude` or `basis`.
        angle_range: the rotation of a feature of value 1, in radians; angle embedding only.

    Returns:
        (batch, 2^n), in the features' precision.
    """
    if embedding == "angle":
        return angle_embedding(features * angle_range, qubits)
    if embedding == "basis":
        return basis_embedding((features > 0.5).to(features.dtype), qubits).to(features.dtype)
    return amplitude_embedding(features, qubits, zeros="ground")


def rank_of_readouts(
    circuit: Circuit, embedding: str, features: int, angle_range: float, readout: Tensor
) -> int | None:
    """The effective angles of a circuit whose samples' features lie in [0, 1].

    Computed once per process. See `qkd_study.quantum.effective_parameters`.

    Args:
        circuit, embedding, features, angle_range: see `embed`.
        readout: float64 (2^n, outputs).
    """
    values = readout.to(torch.float64).contiguous().numpy().tobytes()
    return _rank_of_readouts(circuit, embedding, features, angle_range, values)


@functools.lru_cache(maxsize=64)
def _rank_of_readouts(
    circuit: Circuit, embedding: str, features: int, angle_range: float, readout: bytes
) -> int | None:
    def states(count: int, rng: torch.Generator) -> Tensor:
        drawn = torch.rand(count, features, generator=rng, dtype=torch.float64)
        return embed(drawn, circuit.qubits, embedding, angle_range)

    values = torch.frombuffer(bytearray(readout), dtype=torch.float64)
    return effective_parameters(circuit, states, values.reshape(2**circuit.qubits, -1))


class QuantumModel(Model):
    """A model whose circuits, all of one form, are run by a simulator."""

    circuit: Circuit
    simulator: Simulator

    @property
    def backend(self) -> str:
        """The device that runs the circuits."""
        return self.simulator.device

    @property
    def plan(self) -> str | None:
        """How the circuits were run so far."""
        return self.simulator.plans_used

    @property
    def circuit_executions(self) -> int:
        """Circuit executions so far."""
        return self.simulator.executions

    @property
    def circuit_gates(self) -> int:
        """Gates of one circuit."""
        return len(self.circuit.gates)

    @property
    def quantum_parameters(self) -> int:
        """Trainable angles."""
        return self.circuit.parameters


class Inputs(TypedDict):
    """How samples enter a circuit; see `CircuitModel`."""

    reduction: Reduction | None
    embedding: str
    angle_range: float
    measurement: NotRequired[Measurement | None]


class CircuitModel(QuantumModel):
    """An embedding and a circuit with trainable angles; subclasses define the outputs.

    Args:
        circuit: n qubits; its angles are drawn uniformly from [-pi, pi) by torch's generator.
        simulator: runs the circuit.
        reduction: from samples to features; `None` if a subclass computes the features.
        embedding: `angle`, `amplitude` or `basis`.
        angle_range: the rotation of a feature of value 1, in radians; angle embedding only.
        measurement: the shots; default: exact values.

    Attributes:
        noisy: the circuit with noise; `None` without any.
        noisy_training: whether it acts in training too, and not in evaluation alone.
        mitigation: of the noise, in evaluation; `None` without any.
    """

    noisy: NoisyCircuit | None = None
    noisy_training: bool = False
    mitigation: Mitigation | None = None

    def __init__(
        self,
        circuit: Circuit,
        simulator: Simulator,
        *,
        reduction: Reduction | None,
        embedding: str,
        angle_range: float,
        measurement: Measurement | None = None,
    ) -> None:
        super().__init__()
        self.measurement = measurement or Measurement()
        self.circuit, self.simulator, self.reduction = circuit, simulator, reduction
        self.embedding, self.angle_range = embedding, angle_range
        angles = torch.rand(circuit.parameters, dtype=torch.float64)
        self.theta = nn.Parameter((2 * angles - 1) * math.pi)

    def fit(self, samples: Tensor) -> None:
        """Fit the reduction, if it has anything to fit."""
        if self.reduction is not None:
            self.reduction.fit(samples)

    def prepare(self, samples: Tensor) -> Tensor:
        """States (batch, 2^n) if nothing before the circuit is trained, else the samples."""
        if self.reduction is None or self.reduction.trainable:
            return samples
        return self.embed(self.reduction(samples))

    def embed(self, features: Tensor) -> Tensor:
        """States (batch, 2^n) of features (batch, f), real; see `embed`."""
        return embed(features, self.circuit.qubits, self.embedding, self.angle_range)

    def readout(self) -> Tensor | None:
        """What probabilities of basis states are multiplied with, (2^n, outputs), if known."""
        return None

    @property
    def effective_parameters(self) -> int | None:
        """The rank of the Jacobian of the readouts in the angles; `None` above 12 qubits."""
        readout = self.readout()
        if readout is None:
            return None
        features = self.circuit.qubits
        if self.reduction is not None:
            features = self.reduction.features or math.prod(self.reduction.shape)
        inputs = self.embedding, features, self.angle_range
        return rank_of_readouts(self.circuit, *inputs, readout)

    def run(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Probabilities (batch, 2^n) of prepared inputs, and the states, if `keeps_state`."""
        features, sampler = self.features_of(inputs), self.measurement.sampler
        if self.noisy is not None and (self.noisy_training or not self.training):
            return self._with_noise(self.noisy, inputs, features), None
        if sampler is not None:
            return self._measured(inputs, features, sampler), None
        states = inputs if features is None else self.embed(features)
        if not self.keeps_state:
            return self.simulator.probabilities(self.circuit, self.theta, states), None
        final = self.simulator.evolve(self.circuit, self.theta, states)
        return final.real**2 + final.imag**2, final

    def features_of(self, inputs: Tensor) -> Tensor | None:
        """Features (batch, f) that trained layers compute; `None` if inputs are states."""
        if self.reduction is not None and self.reduction.trainable:
            features: Tensor = self.reduction(inputs)
            return features
        return None

    def _with_noise(self, noisy: NoisyCircuit, inputs: Tensor, features: Tensor | None) -> Tensor:
        """Probabilities or frequencies (batch, 2^n), mitigated in evaluation if they are to be."""
        self.simulator.plans.add("density-matrix")
        sampler = self.measurement.sampler

        def one(of: NoisyCircuit) -> Tensor:
            if sampler is not None:
                return self._measured(inputs, features, sampler, of)
            self.simulator.executions += 1
            return of.probabilities(self.theta, states)

        states = inputs if features is None else self.embed(features)
        if self.mitigation is None or self.training:
            return one(noisy)
        return self.mitigation.estimate(one)

    def _measured(
        self,
        inputs: Tensor,
        features: Tensor | None,
        sampler: Sampler,
        noisy: NoisyCircuit | None = None,
    ) -> Tensor:
        """Frequencies (batch, 2^n) of the basis states."""
        run = self.simulator, self.circuit if noisy is None else noisy.circuit
        if features is None:
            circuit, numbers = on_states(*run, inputs, noisy=noisy)
        elif self.embedding == "angle":
            circuit, numbers = on_angles(*run, features * self.angle_range, noisy=noisy)
        else:
            circuit, numbers = on_states(*run, self.embed(features), noisy=noisy)
        return measured(circuit, self.theta, numbers, sampler)


class HybridModel(CircuitModel, HeadedModel):
    """<Z> of every qubit, then a linear layer to the classes.

    It has P + (n + 1) * classes parameters, and inputs * f + f more with a linear reduction to f
    features.
    """

    def __init__(
        self, circuit: Circuit, simulator: Simulator, classes: int, **inputs: Unpack[Inputs]
    ) -> None:
        super().__init__(circuit, simulator, **inputs)
        self.head = nn.Linear(circuit.qubits, classes)
        self.register_buffer("z", z_values(circuit.qubits), persistent=False)

    def readout(self) -> Tensor:
        """Z of every qubit, (2^n, n)."""
        return self.get_buffer("z")

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and expectations <Z> (batch, n)."""
        probabilities, state = self.run(inputs)
        expectations = probabilities @ self.get_buffer("z").to(probabilities.dtype)
        return Outputs(self.head(expectations), expectations, state)


class HybridImageModel(HybridModel):
    """Two 3x3 convolutions with ReLU and pooling, a linear layer to n angles, and the rest.

    Beyond those of `HybridModel` without a reduction it has 9 c c1 + c1 + 9 c1 c2 + c2 parameters
    for channels c -> c1 -> c2, and (c2 * (h // 4) * (w // 4) + 1) * n of the linear layer.

    Args:
        shape: (height, width) or (channels, height, width).
        channels: of the two convolutions.
        others: as for `HybridModel`; features pass through tanh and are embedded as angles.
    """

    def __init__(
        self,
        circuit: Circuit,
        simulator: Simulator,
        classes: int,
        *,
        shape: tuple[int, ...],
        channels: tuple[int, int],
        angle_range: float,
        measurement: Measurement | None = None,
    ) -> None:
        inputs = Inputs(
            reduction=None, embedding="angle", angle_range=angle_range, measurement=measurement
        )
        super().__init__(circuit, simulator, classes, **inputs)
        self.shape = shape
        *colours, height, width = shape
        first, second = channels
        cells = (height // 4) * (width // 4)
        self.layers = sequence(
            *two_convolutions(colours[0] if colours else 1, first, second),
            nn.Flatten(),
            nn.Linear(second * cells, circuit.qubits),
        )

    def prepare(self, samples: Tensor) -> Tensor:
        """Images with a channel axis."""
        return samples if samples.ndim == 4 else samples[:, None]

    def features_of(self, inputs: Tensor) -> Tensor:
        """What the convolutions and the linear layer return, in [-1, 1], (batch, n)."""
        return torch.tanh(self.layers(inputs))


class FullyQuantumModel(CircuitModel):
    """The logits are the logarithms of the summed probabilities of each class's basis states.

    The softmax of the logits is the measured distribution itself. With `scale`, the logits are
    multiplied by a trainable positive factor that starts at 1. It has P parameters, P + 1 with
    `scale`.

    Args:
        scale: whether there is such a factor.
        assignment: the class of every basis state; see `class_groups`.
        others: as for `CircuitModel`.
    """

    def __init__(
        self,
        circuit: Circuit,
        simulator: Simulator,
        classes: int,
        *,
        scale: bool = False,
        assignment: tuple[int, ...] | None = None,
        **inputs: Unpack[Inputs],
    ) -> None:
        super().__init__(circuit, simulator, **inputs)
        groups = class_groups(circuit.qubits, classes, assignment)
        self.register_buffer("groups", groups, persistent=False)
        # softplus(log(e - 1)) = 1
        self.scale = nn.Parameter(torch.tensor(math.log(math.e - 1))) if scale else None

    def readout(self) -> Tensor:
        """The groups of basis states, (2^n, classes)."""
        return self.get_buffer("groups")

    def forward(self, inputs: Tensor) -> Outputs:
        """Logits (batch, classes) and probabilities of the basis states (batch, 2^n)."""
        probabilities, state = self.run(inputs)
        if self.mitigation is not None and not self.training:
            probabilities = nearest_probabilities(probabilities)
        sampler = self.measurement.sampler
        shots = None if sampler is None else sampler.shots
        return Outputs(self.logits_of(probabilities, shots), probabilities, state)

    def logits_of(self, probabilities: Tensor, shots: int | None = None) -> Tensor:
        """Logits (batch, classes) of the probabilities of the basis states (batch, 2^n).

        Of frequencies over shots, every class has half a shot more than was measured (Krichevsky
        and Trofimov 1981, doi:10.1109/TIT.1981.1056331): a class without any has a logarithm.
        """
        grouped = probabilities @ self.get_buffer("groups").to(probabilities.dtype)
        if shots is not None:
            grouped = (grouped * shots + 0.5) / (shots + grouped.shape[-1] / 2)
        logits = grouped.clamp_min(SMALLEST).log()
        return logits if self.scale is None else logits * functional.softplus(self.scale)

    def head_parameters(self) -> list[nn.Parameter]:
        """The factor, or nothing: there is no classical layer."""
        return [] if self.scale is None else [self.scale]


Ansatz = Callable[..., Any]
