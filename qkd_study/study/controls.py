"""Classical models that stand in for a quantum one, as controls. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Literal, get_args

from qkd_study.common.errors import InputError
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.circuits import (
    FullyQuantum,
    HybridCircuit,
    OneCircuit,
    Quanvolution,
    check_inputs,
    embeddable,
    reduced_features,
)
from qkd_study.study.field_checks import check_field, check_positive_int
from qkd_study.study.matched import EffectiveMlp, MatchedConvolution, MatchedMlp
from qkd_study.study.models import Convolution, Ensemble, ModelSpec, Shape, Values
from qkd_study.study.sizes import Sizes

#: Products of at most two different inputs' features, or of those of all inputs.
Order = Literal["pairs", "all"]
#: Features of a patch or of a sample, at most, so that those of all samples fit into memory.
MOST_PATCH_FEATURES, MOST_FEATURES = 1_000, 10_000


def product_features(order: Order, embedding: str, inputs: int) -> int:
    """How many features `qkd_study.models.products.Products` makes of so many inputs."""
    if embedding == "amplitude":
        return inputs * (inputs + 1) // 2
    return int(3**inputs - 1 if order == "all" else 2 * inputs**2)


def _check_order(of: ModelSpec, order: object) -> None:
    keep_python_values(of)
    check_field(of, "order", order in get_args(Order), "'pairs' or 'all'")


def _check_surrogate(order: Order, embedding: str) -> None:
    if order == "all" and embedding == "amplitude":
        raise InputError(
            "a surrogate (surrogate-teacher, surrogate-student) is a trigonometric polynomial of "
            "angles, but here embedding='amplitude', of which a circuit computes a quadratic form. "
            "Take quadratic-teacher or quadratic-student, or embedding='angle'."
        )


def _check_count(features: int, most: int, of: ModelSpec) -> None:
    if features > most:
        raise InputError(
            f"{type(of).__name__} would have {features:,} products of features, more than "
            f"{most:,}: take fewer inputs of the circuit, or products of pairs alone "
            f"(quadratic-teacher, quadratic-student)."
        )


@dataclass(frozen=True)
class PatchPolynomial(Convolution):
    """The maps of a quanvolution as trained polynomials, then a linear layer: no circuit.

    A map is a linear combination of products of the cosines and sines of a patch's angles, and a
    constant; with amplitude embedding, of products of two amplitudes.

    Attributes:
        order: `pairs`: products of up to two pixels' cosine or sine, 2 n^2 for n pixels; `all`: of
            up to all pixels, 3^n - 1: every polynomial that a quanvolution can express.
    """

    order: Order = "pairs"

    reads: ClassVar[frozenset[str]] = frozenset({"embedding", "angle_range", "dropout"})

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_order(self, self.order)

    def embedding(self, values: Values) -> str:
        """As of the quanvolution."""
        of = Quanvolution(self.filters, self.kernel, self.stride)
        embedding = of.embedding(values)
        _check_surrogate(self.order, embedding)
        return embedding

    def features(self, values: Values) -> int:
        """Products of a patch."""
        return product_features(self.order, values["embedding"], self.kernel**2)

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        super().check(values, shape, classes)
        _check_count(self.features(values), MOST_PATCH_FEATURES, self)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int:
        """See `ModelSpec.parameters`."""
        head = (self.filters * prod(self.patches(shape)) + 1) * classes
        return self.filters * (self.features(values) + 1) + head

    def expects(self, values: Values) -> Sizes | None:
        """As the quanvolution."""
        return embeddable(values)


@dataclass(frozen=True)
class Polynomial(ModelSpec):
    """A linear model of products of a circuit's inputs: what it can express, without the circuit.

    Attributes:
        order: as for `PatchPolynomial`, of the reduced features.
    """

    order: Order = "pairs"

    reads: ClassVar[frozenset[str]] = frozenset(
        {"embedding", "angle_range", "reduction", "features", "qubits"}
    )

    def __post_init__(self) -> None:
        _check_order(self, self.order)

    def embedding(self, values: Values) -> str:
        """As of a circuit; `auto` is amplitude."""
        embedding = "amplitude" if values["embedding"] == "auto" else str(values["embedding"])
        if embedding == "basis" or values["reduction"] == "linear":
            raise InputError(
                f"a polynomial of a circuit's inputs, as of quadratic-teacher or -student, needs "
                f"angles or amplitudes and a reduction that is not trained, but got embedding="
                f"{embedding!r}, reduction={values['reduction']!r}. Take separable or matched ones."
            )
        _check_surrogate(self.order, embedding)
        return embedding

    def features(self, values: Values, shape: Shape) -> int:
        """Products of a sample's reduced features."""
        inputs = prod(shape) if values["reduction"] == "none" else reduced_features(values)
        return product_features(self.order, values["embedding"], inputs)

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        check_inputs(values, shape)
        _check_count(self.features(values, shape), MOST_FEATURES, self)

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The products."""
        return (self.features(values, shape),)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int:
        """See `ModelSpec.parameters`."""
        return (self.features(values, shape) + 1) * classes

    def expects(self, values: Values) -> Sizes | None:
        """As a circuit."""
        return None if values["reduction"] == "pca" else embeddable(values)


@dataclass(frozen=True)
class FourierFeatures(ModelSpec):
    """A linear model of random Fourier features of a sample: a kernel machine.

    The features are sqrt(2 / D) cos(w x / s + b), with w normal, b uniform, and s the median
    distance of training samples (Rahimi and Recht 2007): the Gaussian kernel of width s.

    Attributes:
        features: their number D.
    """

    features: int = 512

    def __post_init__(self) -> None:
        keep_python_values(self)
        check_positive_int(self, "features")

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The features."""
        return (self.features,)

    def parameters(self, values: Values, shape: Shape, classes: int) -> int:
        """See `ModelSpec.parameters`."""
        return (self.features + 1) * classes


#: What may stand in for a quantum teacher or student.
StandIn = Literal["separable", "quadratic", "surrogate", "matched", "effective", "kernel"]


def stand_in(model: ModelSpec, kind: StandIn) -> ModelSpec | None:
    """The model that stands in for a quantum one; `None` if there is none."""
    filters = isinstance(model, Quanvolution)
    inputs = isinstance(model, HybridCircuit | FullyQuantum)
    declared: Any = model
    match kind:
        case "separable" if filters or isinstance(model, OneCircuit):
            made: ModelSpec = replace(declared, entangling=False)
            return made
        case "matched" if filters:
            return MatchedConvolution(declared)
        case "matched" if isinstance(model, OneCircuit):
            return MatchedMlp(model)
        case "effective" if inputs:
            return EffectiveMlp(model)
        case "kernel" if model.quantum:
            return FourierFeatures()
        case "quadratic" | "surrogate":
            order: Order = "pairs" if kind == "quadratic" else "all"
            if filters:
                shape = (declared.filters, declared.kernel, declared.stride)
                return PatchPolynomial(*shape, order)
            return Polynomial(order) if inputs else None
    return None


def counterpart(model: ModelSpec) -> ModelSpec | None:
    """The classical model that a setting compares a quantum teacher with, unless it declares one.

    Of a quanvolution, a convolution of the same shape; of a model with one circuit, a `MatchedMlp`,
    which has as many parameters; of an ensemble, one of its members' counterparts; `None` of
    others, of which only the built model knows the size.
    """
    if isinstance(model, Ensemble):
        of = counterpart(model.of)
        return None if of is None else replace(model, of=of)
    if isinstance(model, Quanvolution):
        return Convolution(model.filters, model.kernel, model.stride)
    return stand_in(model, "matched")
