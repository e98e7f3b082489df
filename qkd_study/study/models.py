"""Declarations of models; `qkd_study.models` builds them. Nothing here imports torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, Literal

from qkd_study.common.errors import InputError
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.canonical import LATER
from qkd_study.study.field_checks import (
    are_integers,
    check_bool,
    check_field,
    check_positive_int,
    keep_tuple,
)
from qkd_study.study.own_parameters import checked
from qkd_study.study.parameters import Parameter
from qkd_study.study.sizes import Sizes

Shape = tuple[int, ...]
Values = Mapping[str, Any]

#: Parameters that classical models with hidden units read.
NETWORK = frozenset({"activation", "dropout"})
#: Parameters that every circuit reads.
CIRCUIT = frozenset(
    {
        *("qubits", "depth", "embedding", "angle_range", "device", "precision", "plan"),
        *("shots", "test_shots", "gradient"),
    }
)


class ModelSpec(ABC):
    """The declaration of a model.

    Attributes:
        quantum: whether it runs circuits.
        reads: the parameters of role `circuit` or `network` that it depends on.
        declares: the study's own parameters that it depends on.
        default_activation: of its hidden layers, if it reads `activation`.
    """

    quantum: ClassVar[bool] = False
    reads: ClassVar[frozenset[str]] = frozenset()
    declares: ClassVar[tuple[Parameter, ...]] = ()
    default_activation: ClassVar[str] = "relu"

    def activation(self, values: Values) -> str:
        """Resolve `auto`."""
        given = values["activation"]
        return self.default_activation if given in ("auto", None) else str(given)

    def network(self, values: Values) -> dict[str, Any]:
        """The values of the parameters of role `network` that it reads, resolved."""
        found: dict[str, Any] = {
            name: values[name] for name in ("hidden", "dropout") if name in self.reads
        }
        if "activation" in self.reads:
            found["activation"] = self.activation(values)
        return found

    @property
    def embeds(self) -> bool:
        """Whether it embeds samples as a circuit does."""
        return self.quantum or "embedding" in self.reads

    def embedding(self, values: Values) -> str:
        """Resolve `auto`, and check the embedding as far as that is possible without data.

        Raises:
            InputError: the circuit cannot work.
        """
        return str(values["embedding"])

    def check(self, values: Values, shape: Shape, classes: int) -> None:  # noqa: B027
        """Check the model against samples of a shape.

        Args:
            values: parameters by name, with `embedding` resolved.
            shape: of a sample: (features,), (height, width) or (channels, height, width).
            classes: of the dataset.

        Raises:
            InputError: it cannot be built.
        """

    @abstractmethod
    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """The shape of one sample's features; `None` if only the built model knows it."""

    def parameters(self, values: Values, shape: Shape, classes: int) -> int | None:
        """How many parameters are trained, by a formula; `None`: only the built model knows.

        Args:
            values, shape, classes: as for `check`, which they have passed.
        """
        return None

    def embedded(self, shape: Shape) -> int:
        """States per sample that are embedded at once; 0 without circuits."""
        return 0

    def embedding_numbers(self, values: Values, shape: Shape) -> int:
        """Float32 numbers in memory for each sample while it is embedded, at their peak.

        Args:
            values: parameters by name, with `embedding` resolved.
            shape: of a sample.
        """
        return int(2 << values["qubits"]) * self.embedded(shape)

    def expects(self, values: Values) -> Sizes | None:
        """The sizes of features that it can be trained on; `None` if all are allowed."""
        return Sizes(type(self).__name__, 0.01, 10)


def check_images(model: str, shape: Shape, smallest: int) -> None:
    """Check that samples are images with sides of at least `smallest` pixels.

    Raises:
        InputError: they are not.
    """
    if len(shape) not in (2, 3) or min(shape[-2:]) < smallest:
        raise InputError(
            f"{model} needs images of at least {smallest}x{smallest} pixels, but the samples are "
            f"of shape {shape}; (height, width) or (channels, height, width) is the order. Choose "
            f"other data, or another model: Mlp takes any shape."
        )


class _Images(ModelSpec):
    """A network for images, grey or of several channels, with sides of at least `smallest`."""

    smallest: ClassVar[int]
    reads: ClassVar[frozenset[str]] = NETWORK

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        check_images(type(self).__name__, shape, self.smallest)


@dataclass(frozen=True)
class Mlp(ModelSpec):
    """A multilayer perceptron, with ReLU by default; without hidden layers, a linear model.

    Attributes:
        hidden: widths of the hidden layers. 64 features, (18,) and 3 classes make 1,227 parameters;
            64 features, () and 3 classes 195.
    """

    hidden: tuple[int, ...] = (18,)

    def __post_init__(self) -> None:
        keep_python_values(self)
        keep_tuple(self, "hidden")
        check_field(self, "hidden", are_integers(self.hidden), "a tuple of integers >= 1")

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """The parameters of hidden layers, if there are any."""
        return NETWORK | {"hidden"} if self.hidden else frozenset()

    def widths(self, values: Values) -> tuple[int, ...]:
        """Widths of the hidden layers: the parameter `hidden`, or those declared."""
        return tuple(values["hidden"] or width for width in self.hidden)

    def network(self, values: Values) -> dict[str, Any]:
        """See `ModelSpec.network`; `hidden` stays null for layers of several widths."""
        found, widths = super().network(values), set(self.widths(values))
        return found | ({"hidden": widths.pop()} if len(widths) == 1 else {})

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The last hidden layer, or the inputs."""
        return self.widths(values)[-1:] or (prod(shape),)


@dataclass(frozen=True)
class LeNet(_Images):
    """LeNet-5 (LeCun et al. 1998) for images of 28x28 or 32x32 pixels, by default with tanh."""

    smallest: ClassVar[int] = 12
    default_activation: ClassVar[str] = "tanh"

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The last hidden layer."""
        return (84,)


@dataclass(frozen=True)
class AlexNet(_Images):
    """An AlexNet (Krizhevsky et al. 2012) scaled down to images of 28x28 or 32x32 pixels."""

    smallest: ClassVar[int] = 15

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The last hidden layer."""
        return (256,)


@dataclass(frozen=True)
class ConvNet(_Images):
    """A small network of two 3x3 convolutions with pooling and a linear layer."""

    smallest: ClassVar[int] = 4

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The pooled maps."""
        self.check(values, shape, 0)
        return (16, shape[-2] // 4, shape[-1] // 4)


@dataclass(frozen=True)
class Convolution(ModelSpec):
    """One convolution, by default with tanh, then a linear layer: the student of the Q2C setting.

    Attributes:
        filters: kernels.
        kernel: their width and height, in pixels.
        stride: pixels between neighbouring patches.
    """

    filters: int = 3
    kernel: int = 2
    stride: int = 2

    reads: ClassVar[frozenset[str]] = NETWORK
    default_activation: ClassVar[str] = "tanh"

    def __post_init__(self) -> None:
        keep_python_values(self)
        check_positive_int(self, "filters", "kernel", "stride")

    def patches(self, shape: Shape) -> Shape:
        """Patches down and across an image, without padding.

        Kernels are the same for all channels; the patches of each are below those of the last.

        Raises:
            InputError: the samples are not images, or smaller than a patch.
        """
        if len(shape) not in (2, 3):
            raise InputError(
                f"{type(self).__name__} needs images, (height, width) or (channels, height, "
                f"width), but the samples are of shape {shape}. Choose other data, or another "
                f"model: {'HybridCircuit' if self.quantum else 'Mlp'} takes any shape."
            )
        if min(shape[-2:]) < self.kernel:
            raise InputError(f"kernel={self.kernel} is larger than the images of {shape} pixels.")
        down, across = ((side - self.kernel) // self.stride + 1 for side in shape[-2:])
        return prod(shape[:-2]) * down, across

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        self.patches(shape)

    def feature_shape(self, values: Values, shape: Shape) -> Shape:
        """The feature maps."""
        return (self.filters, *self.patches(shape))


@dataclass(frozen=True)
class Ensemble(ModelSpec):
    """Several models of one kind, trained separately, whose outputs are averaged. A teacher only.

    Attributes:
        of: the kind of its members.
        members: how many, each with its own initial weights and order of samples.
        mean: of their `logits`, or of their `probabilities`.
    """

    of: ModelSpec
    members: int = 3
    mean: Literal["logits", "probabilities"] = "logits"

    def __post_init__(self) -> None:
        keep_python_values(self)
        check_positive_int(self, "members")
        single = isinstance(self.of, ModelSpec) and not isinstance(self.of, Ensemble)
        check_field(self, "of", single, "a model such as Mlp()")
        known = self.mean in ("logits", "probabilities")
        check_field(self, "mean", known, "'logits' or 'probabilities'")

    @property
    def quantum(self) -> bool:  # type: ignore[override]
        """Whether its members are."""
        return self.of.quantum

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """What its members read."""
        return self.of.reads

    @property
    def declares(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """What its members declare."""
        return self.of.declares

    def network(self, values: Values) -> dict[str, Any]:
        """As of its members."""
        return self.of.network(values)

    def embedding(self, values: Values) -> str:
        """As of its members."""
        return self.of.embedding(values)

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """As of its members."""
        self.of.check(values, shape, classes)

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """The mean of its members' features."""
        return self.of.feature_shape(values, shape)

    def embedded(self, shape: Shape) -> int:
        """As of one of its members: they are trained one after the other."""
        return self.of.embedded(shape)

    def embedding_numbers(self, values: Values, shape: Shape) -> int:
        """As of one of its members."""
        return self.of.embedding_numbers(values, shape)

    def expects(self, values: Values) -> Sizes | None:
        """As its members."""
        return self.of.expects(values)


@dataclass(frozen=True)
class Own(ModelSpec):
    """A model of the study's own.

    Attributes:
        build: a function, or a class, that takes the run's `Config`, the shape of a sample and the
            number of classes, and returns a `qkd_study.models.Model`.
        is_quantum: whether it runs circuits; then it gets the parameters of circuits that the study
            sets in `factors`, `search` or `fixed`; the others are `None`.
        declares: parameters of its own, each a `Parameter`: `build` finds them in the `Config`.
    """

    build: Callable[[Any, Shape, int], Any]
    is_quantum: bool = False
    declares: tuple[Parameter, ...] = field(default=(), repr=False, metadata=LATER)  # type: ignore[misc]

    def __post_init__(self) -> None:
        keep_python_values(self)
        object.__setattr__(self, "declares", checked(self.declares, "Own"))
        check_field(self, "build", callable(self.build), "a function or class")
        check_bool(self, "is_quantum")

    @property
    def quantum(self) -> bool:  # type: ignore[override]
        """Whether it runs circuits."""
        return self.is_quantum

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """All parameters of circuits, if it runs any and the study sets them."""
        return CIRCUIT | {"ansatz", "reduction", "features"} if self.is_quantum else frozenset()

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """`None`: only the built model knows."""
        return None

    def expects(self, values: Values) -> Sizes | None:
        """`None`: only the built model knows."""
        return None
