"""Quantum models as a study declares them; `qkd_study.models` builds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import pi, prod
from typing import Any, ClassVar

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.ansatze import (
    check_ansatz,
    check_entangling,
    is_quantum_function,
    minimal_brickwork_angles,
    weight_count,
)
from qkd_study.study.canonical import LATER
from qkd_study.study.field_checks import are_integers, check_bool, check_field, keep_tuple
from qkd_study.study.models import (
    CIRCUIT,
    Convolution,
    ModelSpec,
    Shape,
    Values,
    check_images,
)
from qkd_study.study.noise import NOISE, Noise, check_is_noise, check_noise
from qkd_study.study.own_ansatz import circuit_of, declared
from qkd_study.study.parameters import Parameter
from qkd_study.study.reductions import REDUCTIONS, check_reduction
from qkd_study.study.sizes import Sizes


@dataclass(frozen=True)
class Quanvolution(Convolution):
    """One quanvolution, then a linear layer (Henderson et al., arXiv:1904.04767).

    Attributes:
        trainable: whether the circuits' angles are trained, or keep their initial values.
        entangling: whether the circuits have their gates on two wires; without, they are a control.
    """

    trainable: bool = True
    entangling: bool = True

    quantum: ClassVar[bool] = True
    # The plan is always one matrix per filter and step.
    reads: ClassVar[frozenset[str]] = CIRCUIT - {"plan"}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bool(self, "trainable")
        check_bool(self, "entangling")

    def embedding(self, values: Values) -> str:
        """`auto` is angle if every pixel of a patch has a qubit, else amplitude."""
        embedding, qubits = values["embedding"], values["qubits"]
        inputs = self.kernel**2
        if embedding == "auto":
            embedding = "angle" if qubits >= inputs else "amplitude"
        if embedding == "basis":
            raise InputError("Quanvolution takes embedding 'angle' or 'amplitude', got 'basis'.")
        needed = max(inputs if embedding == "angle" else (inputs - 1).bit_length(), 1)
        if qubits < needed:
            raise InputError(
                f"{embedding} embedding of the {inputs} pixels of a {self.kernel}x{self.kernel} "
                f"patch needs qubits >= {needed}, but got qubits={qubits}."
            )
        check_entangling(self, values)
        return str(embedding)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int:
        """See `ModelSpec.parameters`."""
        of_filter = 3 * values["qubits"] - 1 if self.entangling else 2 * values["qubits"]
        angles = self.filters * values["depth"] * of_filter if self.trainable else 0
        return int(angles + (self.filters * self.embedded(shape) + 1) * classes)

    def embedded(self, shape: Shape) -> int:
        """Patches of an image."""
        return prod(self.patches(shape))

    def embedding_numbers(self, values: Values, shape: Shape) -> int:
        """See `ModelSpec.embedding_numbers`; measured, at most 20 % above the peak.

        With angle embedding, a patch has products of 1, cosines and sines of each half of its
        pixels, for any number of qubits; with amplitude embedding, a state while it is embedded.
        """
        pixels = self.kernel**2
        if values["embedding"] == "amplitude":
            of_patch = (4 << values["qubits"]) + 2 * pixels
        else:
            of_patch = 2 * (3 ** (pixels // 2) + 3 ** (pixels - pixels // 2)) + 6 * pixels
        return self.embedded(shape) * int(of_patch)

    def expects(self, values: Values) -> Sizes | None:
        """The sizes that the embedding can distinguish."""
        return embeddable(values)


class OneCircuit(ModelSpec):
    """A model with one circuit, whose samples are reduced and embedded."""

    quantum: ClassVar[bool] = True
    inputs: ClassVar[frozenset[str]] = frozenset({"embedding", "reduction", "features"})
    ansatz: Callable[..., Any] | None
    entangling: bool
    noise: Noise | None = None

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """All parameters of circuits, but not those of an ansatz or noise that it does not have."""
        own = frozenset() if self.ansatz is not None else frozenset({"ansatz"})
        noise = frozenset() if self.noise is None else NOISE
        return (CIRCUIT - {"embedding"}) | self.inputs | own | noise

    @property
    def declares(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """The parameters of its ansatz."""
        return declared(self.ansatz)

    def embedding(self, values: Values) -> str:
        """`auto` is amplitude."""
        embedding = "amplitude" if values["embedding"] == "auto" else str(values["embedding"])
        if embedding == "basis" and values["reduction"] == "linear":
            raise InputError(
                "embedding='basis' passes no gradient to reduction='linear', which would stay "
                "untrained: choose another embedding, or one of the fixed reductions."
            )
        self._check_ansatz(values)
        return embedding

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        check_inputs(values, shape)

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The expectations <Z>."""
        return (values["qubits"],)

    def embedded(self, shape: Shape) -> int:
        """One state per sample."""
        return 1

    def expects(self, values: Values) -> Sizes | None:
        """The sizes that the embedding can distinguish; principal components are scaled to it."""
        if values["reduction"] == "linear":
            return super().expects(values)
        return None if values["reduction"] == "pca" else embeddable(values)

    def angles(self, values: Values) -> int | None:
        """Trainable angles of the circuit; `None`: only the built model knows."""
        qubits, depth = values["qubits"], values["depth"]
        if self.ansatz is not None and is_quantum_function(self.ansatz):
            return weight_count(self.ansatz, qubits, depth) if self.entangling else None
        if self.ansatz is not None:
            gates = circuit_of(self.ansatz, values).gates
            left = (gate for gate in gates if self.entangling or len(gate.wires) == 1)
            return len({gate.parameter for gate in left} - {None})
        match values["ansatz"]:
            case "strongly-entangling":
                return int(3 * qubits * depth)
            case "brickwork":
                return int(15 * sum((qubits - layer % 2) // 2 for layer in range(depth)))
            case "brickwork-minimal":
                return minimal_brickwork_angles(qubits, depth)
            case "arbitrary":
                return int(4**qubits - 1)
            case "random":
                return 0
        return int(2 * qubits * depth)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int | None:
        """See `ModelSpec.parameters`: angles, a linear reduction and a linear head."""
        angles = self.angles(values)
        if angles is None:
            return None
        features = reduced_features(values) if values["reduction"] == "linear" else 0
        head = (values["qubits"] + 1) * classes
        return int(angles + (prod(shape) + 1) * features + head)

    def _check_ansatz(self, values: Values) -> None:
        check_entangling(self, values)
        if self.noise is not None:
            check_noise(self.noise, values)
        if self.ansatz is not None:
            return
        ansatz, qubits, depth = values["ansatz"], values["qubits"], values["depth"]
        if ansatz == "arbitrary" and (qubits > 3 or depth > 1):
            raise InputError(
                f"ansatz='arbitrary' needs qubits <= 3 and depth=1, but got qubits={qubits}, "
                f"depth={depth}."
            )
        if ansatz in ("brickwork", "brickwork-minimal") and qubits < 2:
            raise InputError(f"ansatz={ansatz!r} needs qubits >= 2, but got {qubits}.")


@dataclass(frozen=True)
class HybridCircuit(OneCircuit):
    """Reduction, embedding, ansatz, <Z> of every qubit, and a linear layer to the classes.

    64 features by amplitudes on 6 qubits, a hardware-efficient ansatz of depth 4 and 3 classes make
    48 + 21 = 69 parameters; strongly entangling, 72 + 21 = 93.

    Attributes:
        ansatz: instead of the parameter `ansatz`: a function of qubits and depth that returns a
            `Circuit`, or a PennyLane function or template of weights and wires; see
            `PennyLaneAnsatz`.
        entangling: whether the circuit has its gates on two wires; without, it is a control.
        noise: of the device, which `noise_scale` multiplies; default: none.
    """

    ansatz: Callable[..., Any] | None = None
    entangling: bool = True
    noise: Noise | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        keep_python_values(self)
        check_ansatz(self)
        check_bool(self, "entangling")
        check_is_noise(self)


@dataclass(frozen=True)
class FullyQuantum(OneCircuit):
    """Reduction, embedding and ansatz; probabilities are summed per class; no classical layer.

    Attributes:
        scale: whether the logits are the log-probabilities times a trainable factor, instead of
            the log-probabilities themselves.
        assignment: the class of every basis state, 2^qubits entries; default: neighbouring states,
            in groups of equal size as far as possible.
        ansatz, entangling, noise: as for `HybridCircuit`.
    """

    scale: bool = False
    assignment: tuple[int, ...] | None = None
    ansatz: Callable[..., Any] | None = None
    entangling: bool = True
    noise: Noise | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        keep_python_values(self)
        keep_tuple(self, "assignment")
        check_ansatz(self)
        check_bool(self, "scale")
        check_bool(self, "entangling")
        check_is_noise(self)
        fits = self.assignment is None or are_integers(self.assignment, least=0)
        allowed = "a tuple of classes as integers, one for each basis state"
        check_field(self, "assignment", fits, allowed)

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        super().check(values, shape, classes)
        qubits, states = values["qubits"], 2 ** values["qubits"]
        if classes > states:
            raise InputError(
                f"qubits={qubits} has {states} basis states, too few for {classes} classes: each "
                f"needs one of its own. Allowed: qubits >= {(classes - 1).bit_length()}."
            )
        if self.assignment is None:
            return
        if len(self.assignment) != states:
            raise InputError(
                f"assignment of FullyQuantum has {len(self.assignment)} entries, but qubits="
                f"{qubits} has {states} basis states: it needs one class for each."
            )
        if set(self.assignment) != set(range(classes)):
            missing = sorted(set(range(classes)) - set(self.assignment))
            wrong = f"no basis state for class {missing[0]}" if missing else "a class too many"
            raise InputError(
                f"assignment of FullyQuantum has {wrong}: it needs every class from 0 to "
                f"{classes - 1}, but got {safe_repr(self.assignment)}."
            )

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The probabilities of the basis states."""
        return (2 ** values["qubits"],)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int | None:
        """See `ModelSpec.parameters`: there is no head, but maybe a factor of the logits."""
        head = (values["qubits"] + 1) * classes
        count = super().parameters(values, shape, classes)
        return None if count is None else count - head + self.scale


@dataclass(frozen=True)
class HybridImage(OneCircuit):
    """Convolutions, a linear layer to one angle per qubit, ansatz, <Z>, and a linear head.

    After Li et al., "Hybrid Quantum Classical Machine Learning with Knowledge Distillation".

    Attributes:
        channels: of the two 3x3 convolutions, each followed by ReLU and 2x2 pooling.
        ansatz, entangling, noise: as for `HybridCircuit`.
    """

    channels: tuple[int, int] = (4, 8)
    ansatz: Callable[..., Any] | None = None
    entangling: bool = True
    noise: Noise | None = field(default=None, metadata=LATER)

    inputs: ClassVar[frozenset[str]] = frozenset()
    smallest: ClassVar[int] = 4

    def __post_init__(self) -> None:
        keep_python_values(self)
        keep_tuple(self, "channels")
        check_ansatz(self)
        check_bool(self, "entangling")
        check_is_noise(self)
        fits = are_integers(self.channels) and len(self.channels) == 2
        check_field(self, "channels", fits, "a tuple of two integers >= 1")

    def embedding(self, values: Values) -> str:
        """Always angle: one feature of the classical layers per qubit."""
        if values["embedding"] not in ("auto", "angle"):
            raise InputError(
                f"HybridImage embeds by angle, but got embedding={values['embedding']!r}."
            )
        self._check_ansatz(values)
        return "angle"

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        check_images(type(self).__name__, shape, self.smallest)

    def expects(self, values: Values) -> Sizes | None:
        """The sizes on which its convolutions can be trained."""
        return ModelSpec.expects(self, values)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int | None:
        """See `ModelSpec.parameters`: as for `HybridCircuit`, and the layers before the circuit."""
        angles = self.angles(values)
        if angles is None:
            return None
        *colours, height, width = shape
        (first, second), channels = self.channels, colours[0] if colours else 1
        maps = (9 * channels + 1) * first + (9 * first + 1) * second
        linear = (second * (height // 4) * (width // 4) + 1) * values["qubits"]
        head = (values["qubits"] + 1) * classes
        return int(angles + maps + linear + head)


def embeddable(values: Values) -> Sizes | None:
    """The sizes of features that the embedding can distinguish; `None` if all are allowed."""
    match values["embedding"]:
        case "angle":  # beyond a full turn
            of = f"angle embedding with angle_range={values['angle_range']:.3g}"
            return Sizes(of, 0.01, 2 * pi / values["angle_range"])
        case "basis":
            return Sizes("basis embedding, which takes features above 0.5 as 1,", 0.05, 10)
    return None  # amplitudes are normalised


def capacity(values: Values) -> int:
    """The number of features of an embedding: 2^n amplitudes, or one angle or bit per qubit."""
    return int(2 ** values["qubits"] if values["embedding"] == "amplitude" else values["qubits"])


def reduced_features(values: Values) -> int:
    """The number of features that a reduction returns."""
    return int(values["features"] or 0) or capacity(values)


def check_inputs(values: Values, shape: Shape) -> None:
    """Check that samples fit into the circuit, reduced or not.

    Raises:
        InputError: they do not, or have fewer features than the reduction would return.
    """
    limit, reduction, inputs = capacity(values), values["reduction"], prod(shape)
    by = f"{values['embedding']} embedding on qubits={values['qubits']} takes {limit} features"
    if reduction != "none":
        features = reduced_features(values)
        if features > limit or (values["embedding"] == "basis" and features < limit):
            bound = "exactly" if values["embedding"] == "basis" else "at most"
            raise InputError(f"{by}, but got features={features}. Allowed: 0, or {bound} {limit}.")
        try:
            check_reduction(reduction, shape, features)
        except ValueError as error:
            raise InputError(
                f"{by}: {error}. Choose other qubits, another reduction or embedding."
            ) from None
    elif values["features"]:
        raise InputError(
            f"features={values['features']} says what a reduction returns, but reduction='none': "
            f"choose a reduction ({', '.join(map(repr, REDUCTIONS[1:]))}), or leave features at 0."
        )
    short = values["embedding"] == "basis" and inputs < limit
    if reduction == "none" and (inputs > limit or short):
        raise InputError(
            f"{by}, but the samples have {inputs}: choose another number of qubits, or a reduction "
            f"({', '.join(map(repr, REDUCTIONS[1:]))})."
        )
