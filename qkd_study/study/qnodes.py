"""A whole PennyLane QNode as a model. Nothing here imports PennyLane."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from qkd_study.common.errors import InputError
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.field_checks import are_integers, check_bool, check_field
from qkd_study.study.models import ModelSpec, Shape, Values
from qkd_study.study.reductions import REDUCTIONS, check_reduction
from qkd_study.study.sizes import Sizes

#: The argument of a QNode that takes the samples.
INPUTS = "inputs"


@dataclass(frozen=True)
class PennyLaneModel(ModelSpec):
    """A PennyLane QNode of samples and weights, and a linear layer to the classes.

    It runs on the QNode's own device and is differentiated by its own `diff_method`.

    Attributes:
        qnode: takes `inputs`, the features of a sample (f,), and arrays of weights by name; returns
            expectation values, probabilities or variances.
        weight_shapes: the shape of every array of weights, by its name.
        head: whether a linear layer follows. Without one, the QNode has an output for each class:
            the probabilities of classes, or logits.
        described: what identifies the QNode; follows from it.
    """

    qnode: Any = field(compare=False)
    weight_shapes: Mapping[str, Shape]
    head: bool = True
    described: tuple[Any, ...] = field(init=False, repr=False, default=())

    quantum: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset({"reduction", "features"})

    def __post_init__(self) -> None:
        keep_python_values(self)
        pennylane = sys.modules.get("pennylane")  # whoever has a QNode has imported it
        fits = pennylane is not None and isinstance(self.qnode, pennylane.QNode)
        check_field(self, "qnode", fits, "a QNode, such as a function under @qml.qnode(device)")
        names = list(inspect.signature(self.qnode.func).parameters)
        if INPUTS not in names:
            raise InputError(
                f"qnode of PennyLaneModel must take the samples as `{INPUTS}`, but its arguments "
                f"are {', '.join(names) or 'none'}."
            )
        names.remove(INPUTS)
        check_bool(self, "head")
        given = self.weight_shapes
        fits = isinstance(given, Mapping) and set(given) == set(names)
        shapes = {}
        if fits:
            shapes = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        fits = fits and all(map(are_integers, shapes.values()))
        like = "{" + ", ".join(f"{name!r}: (2, 3)" for name in names) + "}"
        check_field(
            self, "weight_shapes", fits, f"a shape for each array of weights, such as {like}"
        )
        object.__setattr__(self, "weight_shapes", shapes)
        if self.qnode.shots.total_shots is not None:
            raise InputError(
                f"qnode of PennyLaneModel has shots={self.qnode.shots.total_shots}, but must "
                f"return exact values: leave shots out."
            )
        device = self.qnode.device
        described = (
            self.qnode.func,
            device.name,
            str(device.wires),
            str(self.qnode.diff_method),
            str(self.qnode.compile_pipeline),
        )
        object.__setattr__(self, "described", described)

    def __hash__(self) -> int:
        return hash((self.described, tuple(self.weight_shapes.items()), self.head))

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        reduction, features = values["reduction"], values["features"]
        if (reduction == "none") != (not features):
            raise InputError(
                f"PennyLaneModel takes all features of a sample (reduction='none', features=0), or "
                f"those that a reduction ({', '.join(map(repr, REDUCTIONS[1:]))}) leaves, at least "
                f"1; but got reduction={reduction!r}, features={features}."
            )
        if features:
            try:
                check_reduction(reduction, shape, features)
            except ValueError as error:
                raise InputError(f"PennyLaneModel with features={features}: {error}.") from None

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """`None`: only the built model knows how many outputs the QNode has."""
        return None

    def expects(self, values: Values) -> Sizes | None:
        """`None`: only the QNode knows."""
        return None
