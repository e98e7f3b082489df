"""Classical models of as many parameters as a quantum one, as controls. No torch is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

from qkd_study.common.errors import InputError
from qkd_study.study.circuits import FullyQuantum, HybridCircuit, OneCircuit, Quanvolution
from qkd_study.study.field_checks import check_field
from qkd_study.study.models import NETWORK, ModelSpec, Shape, Values
from qkd_study.study.noise import NOISE
from qkd_study.study.parameters import Parameter

#: By how much the number of parameters of a matched model may differ, as a share.
TOLERANCE = 0.05
#: Effective parameters are counted of students up to these sizes: it takes seconds.
MOST_COUNTED, MOST_QUBITS = 1_000, 12


@dataclass(frozen=True)
class MatchedConvolution(ModelSpec):
    """A quanvolution with a small network instead of each circuit, of as many parameters.

    A convolution to `hidden` channels, its activation, by default tanh, and a 1x1 convolution with
    tanh to the filters (Lin et al. 2013, arXiv:1312.4400), then the linear layer.

    Attributes:
        of: the quanvolution.
    """

    of: Quanvolution = field(default_factory=Quanvolution)

    reads: ClassVar[frozenset[str]] = NETWORK | {"qubits", "depth"}
    default_activation: ClassVar[str] = "tanh"

    def __post_init__(self) -> None:
        check_field(self, "of", isinstance(self.of, Quanvolution), "a Quanvolution")

    def hidden(self, values: Values, shape: Shape, classes: int) -> int:
        """The hidden channels, with which the number of parameters is nearest."""
        target = self.of.parameters(values, shape, classes)
        spare = target - self._count(0, shape, classes)
        return max(round(spare / self._count_per_channel), 1)

    @property
    def _count_per_channel(self) -> int:
        return self.of.kernel**2 + 1 + self.of.filters

    def _count(self, hidden: int, shape: Shape, classes: int) -> int:
        head = (self.of.filters * self.of.embedded(shape) + 1) * classes
        return self._count_per_channel * hidden + self.of.filters + head

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        self.of.check(values, shape, classes)
        target = self.of.parameters(values, shape, classes)
        _check_matched(self.parameters(values, shape, classes), target)

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The feature maps."""
        return self.of.feature_shape(values, shape)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int:
        """See `ModelSpec.parameters`."""
        return self._count(self.hidden(values, shape, classes), shape, classes)


@dataclass(frozen=True)
class MatchedMlp(ModelSpec):
    """Principal components and a hidden layer, of as many parameters as a quantum model.

    Attributes:
        of: the quantum model.
    """

    of: ModelSpec = field(default_factory=HybridCircuit)

    def __post_init__(self) -> None:
        fits = isinstance(self.of, OneCircuit)
        check_field(self, "of", fits, "a model with one circuit, such as HybridCircuit()")

    @property
    def declares(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Those of the quantum model, on which its number of parameters depends."""
        return self.of.declares

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """Those of a network, and what the number of the quantum model's parameters depends on."""
        counted = {"qubits", "depth", "ansatz", "reduction", "features", "embedding"}
        return self.of.reads & counted | NETWORK

    def embedding(self, values: Values) -> str:
        """As of the quantum model."""
        return self.of.embedding(values)

    def widths(self, values: Values, shape: Shape, classes: int) -> tuple[int, int]:
        """The numbers of components and of hidden units; see `_widths`."""
        target = self._target(values, shape, classes)
        return _widths(target, prod(shape), lambda c, width: _mlp_count(c, width, classes))

    def _target(self, values: Values, shape: Shape, classes: int) -> int:
        count = self.of.parameters(values, shape, classes)
        if count is None:
            raise InputError(
                f"matched-teacher and matched-student need the number of parameters of "
                f"{type(self.of).__name__}, which its ansatz does not say: declare the shapes of "
                f"its weights, as in PennyLaneAnsatz(function, {{'weights': ('depth', 'qubits')}})."
            )
        return count

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        self.of.check(values, shape, classes)
        target = self._target(values, shape, classes)
        _check_matched(self.parameters(values, shape, classes), target)

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """`None`: the hidden layer, whose width depends on the number of classes."""
        return None

    def parameters(self, values: Values, shape: Shape, classes: int) -> int:
        """See `ModelSpec.parameters`."""
        return _mlp_count(*self.widths(values, shape, classes), classes)


@dataclass(frozen=True)
class EffectiveMlp(ModelSpec):
    """As `MatchedMlp`, but of as many effective parameters as a circuit: those that count.

    They are the rank of the Jacobian of the class probabilities, over all inputs, in the trained
    parameters: `effective_mlp_count` of the network, `qkd_study.models.effective_size` of the
    circuit. So they leave out angles without effect, and what a softmax cancels.

    Attributes:
        of: the circuit's declaration.
    """

    of: ModelSpec = field(default_factory=HybridCircuit)

    def __post_init__(self) -> None:
        fits = isinstance(self.of, HybridCircuit | FullyQuantum)
        check_field(self, "of", fits, "a HybridCircuit or a FullyQuantum")

    @property
    def declares(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Those of the quantum model, on which its number of parameters depends."""
        return self.of.declares

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """Those of a network, and what the circuit's effective parameters depend on."""
        run = {"device", "precision", "plan", "shots", "test_shots", "gradient", *NOISE}
        return self.of.reads - run | NETWORK

    def embedding(self, values: Values) -> str:
        """As of the circuit."""
        return self.of.embedding(values)

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`; whether there is a network of that size, `widths` says."""
        self.of.check(values, shape, classes)
        of, why = "effective parameters of a student (effective-student) are counted", ""
        count, qubits = self.of.parameters(values, shape, classes) or 0, values["qubits"]
        if values["reduction"] == "linear":
            why = "where no reduction is trained, but here reduction='linear'"
        elif qubits > MOST_QUBITS:
            why = f"of up to {MOST_QUBITS} qubits, but here qubits={qubits}"
        elif count > MOST_COUNTED:
            why = f"of up to {MOST_COUNTED:,} parameters, but here of {count:,}"
        if why:
            raise InputError(f"{of} {why}. Take matched-student, or leave the arm out.")

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """`None`: the hidden layer, whose width only the built model knows."""
        return None

    def widths(self, target: int, values: Values, shape: Shape, classes: int) -> tuple[int, int]:
        """The numbers of components and of hidden units; see `_widths`.

        Args:
            target: the circuit's effective parameters.
            values, shape, classes: as for `check`.

        Raises:
            InputError: none has as many, within 5 %.
        """
        activation = self.activation(values)

        def count(components: int, width: int) -> int:
            return effective_mlp_count(components, width, classes, activation)

        found = _widths(target, prod(shape), count)
        needed = f"effective-student with {activation=} needs"
        _check_matched(count(*found), target, "effective ", needed)
        return found


def effective_mlp_count(inputs: int, hidden: int, classes: int, activation: str) -> int:
    """The rank of the Jacobian of a network's class probabilities in its parameters.

    A softmax cancels what is added to all logits. A factor of a ReLU's inputs can be one of its
    outputs, and of a product of two matrices only their product counts; with tanh, all other
    parameters are independent (Sussmann 1992, Neural Networks 5, 589); with gelu a test says so.

    Args:
        inputs, hidden, classes: widths of the layers.
        activation: of the hidden layer: `tanh`, `relu`, `gelu` or `identity`.
    """
    logits = classes - 1
    if activation == "identity":
        rank = min(inputs, hidden, logits)
        return rank * (inputs + logits - rank) + logits
    count = _mlp_count(inputs, hidden, logits)
    return count - hidden if activation == "relu" else count


def _widths(target: int, inputs: int, count: Callable[[int, int], int]) -> tuple[int, int]:
    """The numbers of components and of hidden units of a network of `target` parameters.

    Of all pairs whose number of parameters is near enough, that whose smaller number is
    largest; of several, the nearest, then that with more components. If none is near enough,
    the nearest of all.

    Args:
        target: the number of parameters.
        inputs: in a sample: there are at most as many components.
        count: the number of parameters with so many components and hidden units.
    """
    found = []
    for components in range(2, min(inputs, max(target, 2)) + 1):
        none = count(components, 0)
        width = max(round((target - none) / (count(components, 1) - none)), 2)
        error = abs(count(components, width) - target)
        near = error <= TOLERANCE * target
        rank = (near, min(components, width) if near else 0, -error, components)
        found.append((rank, (components, width)))
    return max(found)[1] if found else (1, 2)


def _mlp_count(inputs: int, hidden: int, classes: int) -> int:
    return (inputs + 1) * hidden + (hidden + 1) * classes


def _check_matched(
    count: int,
    target: int,
    kind: str = "",
    needed: str = "matched-teacher or matched-student needs",
) -> None:
    if abs(count - target) > TOLERANCE * target:
        raise InputError(
            f"no classical model has the {target:,} {kind}parameters of the quantum one within "
            f"{TOLERANCE:.0%}, as {needed} it; the nearest has {count:,}. Take more qubits or "
            f"depth, leave the arm out, or for classical-teacher declare one: classical=Mlp((8,))."
        )
