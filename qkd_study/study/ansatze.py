"""PennyLane functions as ansatze: which callables are ones, and the shapes of their weights.

Nothing here imports PennyLane: `qkd_study.quantum.from_pennylane` records the functions.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.field_checks import check_field, is_integer

Shape = tuple[int, ...]
#: What a shape may name beside integers.
_SIZES = ("qubits", "depth")
#: Arguments of the `shape` of PennyLane's templates.
_OF_TEMPLATES = {"n_layers": "depth", "n_wires": "qubits", "n_rotations": "qubits"}
#: Arguments of a PennyLane function that are not weights.
_NO_WEIGHTS = ("wires", "depth")


@dataclass(frozen=True)
class PennyLaneAnsatz:
    """A PennyLane function as an ansatz, with the shapes of its weights.

    A function of weights and wires that neither takes `depth` nor has it in the shapes is one
    layer: it is applied `depth` times, each time with weights of its own.

    Attributes:
        function: takes arrays of weights, `wires`, and perhaps `depth`, and applies gates.
        weight_shapes: the shape of every array of weights by its argument's name: integers,
            `"qubits"` and `"depth"`, or a function of qubits and depth that returns integers.
    """

    function: Callable[..., Any]
    weight_shapes: Mapping[str, Any]

    def __post_init__(self) -> None:
        keep_python_values(self)
        if isinstance(self.weight_shapes, Mapping):
            shapes = self.weight_shapes.items()
            tuples = {name: tuple(v) if isinstance(v, list) else v for name, v in shapes}
            object.__setattr__(self, "weight_shapes", tuples)
        fits = callable(self.function) and is_quantum_function(self.function)
        check_field(self, "function", fits, "a function of weights and wires")
        names = _weights(self.function)
        fits = isinstance(self.weight_shapes, dict) and set(self.weight_shapes) == set(names)
        fits = fits and all(map(_is_shape, self.weight_shapes.values()))
        allowed = "{" + ", ".join(f"{name!r}: ('depth', 'qubits', 3)" for name in names) + "}"
        check_field(
            self, "weight_shapes", fits, f"a shape for each array of weights, such as {allowed}"
        )

    def __hash__(self) -> int:
        return hash((self.function, tuple(self.weight_shapes)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the function."""
        return self.function(*args, **kwargs)


def _is_shape(value: object) -> bool:
    if callable(value):
        return True
    return isinstance(value, tuple) and all(is_integer(v) or v in _SIZES for v in value)


def check_ansatz(owner: Any) -> None:
    """Check the field `ansatz` of a model; raises `InputError` if it is no function."""
    value = owner.ansatz
    fits = value is None or (callable(value) and isinstance(value, Hashable))
    check_field(owner, "ansatz", fits, "a function")
    if value is not None and is_quantum_function(value):
        _function(value)


def is_quantum_function(ansatz: Callable[..., Any]) -> bool:
    """Whether an ansatz is a PennyLane function or template of weights and wires.

    All other functions take qubits and depth.
    """
    if isinstance(ansatz, PennyLaneAnsatz):
        return True
    return "wires" in _arguments(ansatz) and bool(_weights(ansatz))


def _arguments(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions of C
        return {}


def _weights(function: Callable[..., Any]) -> list[str]:
    """The arguments that are arrays of weights: those that must be given, but the wires."""
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name
        for name, argument in _arguments(function).items()
        if name not in _NO_WEIGHTS
        and argument.kind in plain
        and argument.default is inspect.Parameter.empty
    ]


@dataclass(frozen=True)
class QuantumFunction:
    """How a PennyLane function is called for some qubits and depth.

    Attributes:
        function: to be called with arrays of weights and `wires` by name.
        shapes: of the arrays; `None`: to be seen from which entries it uses.
        weights: the name of the only array, if `shapes` is `None`.
        layers: how often it is applied, each time with weights of its own.
    """

    function: Callable[..., Any]
    shapes: Mapping[str, Shape] | None
    weights: str
    layers: int


def quantum_function(ansatz: Callable[..., Any], qubits: int, depth: int) -> QuantumFunction:
    """How an ansatz that is a PennyLane function is called.

    Raises:
        InputError: the shapes of its weights are unknown or impossible.
    """
    function, declared = _function(ansatz)
    names = _weights(function)
    sizes = {"qubits": qubits, "depth": depth}
    whole = "depth" in _arguments(function)
    if declared is None:
        shapes = None
    elif callable(declared):
        asked = {name: sizes[_OF_TEMPLATES[name]] for name in _arguments(declared)}
        whole = whole or "n_layers" in asked
        found = declared(**asked)
        several = found if isinstance(found, list) else [found]
        shapes = dict(zip(names, map(tuple, several), strict=True))
    else:
        whole = whole or any(callable(shape) or "depth" in shape for shape in declared.values())
        shapes = {name: _resolved(name, shape, sizes) for name, shape in declared.items()}
    takes_depth = "depth" in _arguments(function)
    call = functools.partial(function, depth=depth) if takes_depth else function
    return QuantumFunction(call, shapes, names[0], 1 if whole else depth)


def _resolved(name: str, shape: Any, sizes: Mapping[str, int]) -> Shape:
    """A declared shape in integers."""
    if not callable(shape):
        return tuple(sizes.get(size, size) for size in shape)
    found = shape(sizes["qubits"], sizes["depth"])
    if not isinstance(found, tuple | list) or not all(map(is_integer, found)):
        raise InputError(
            f"the shape of {name} for qubits={sizes['qubits']}, depth={sizes['depth']} must be a "
            f"tuple of integers >= 1, but weight_shapes gave {safe_repr(found)}."
        )
    return tuple(found)


def _function(ansatz: Callable[..., Any]) -> tuple[Callable[..., Any], Any]:
    """The function, and the shapes of its weights as declared, of a template, or `None`."""
    if isinstance(ansatz, PennyLaneAnsatz):
        return ansatz.function, ansatz.weight_shapes
    names = _weights(ansatz)
    head = ansatz.func if isinstance(ansatz, functools.partial) else ansatz
    shape = getattr(head, "shape", None) if isinstance(head, type) else None
    if shape is not None and set(_arguments(shape)) <= set(_OF_TEMPLATES):
        return ansatz, shape
    if len(names) > 1 or shape is not None:
        wanted = ", ".join(f"{name!r}: ('depth', 'qubits')" for name in names)
        raise InputError(
            f"the shapes of {' and '.join(names)} in ansatz={safe_repr(ansatz)} are unknown: "
            f"declare them, as in PennyLaneAnsatz(function, {{{wanted}}})."
        )
    return ansatz, None


def weight_count(ansatz: Callable[..., Any], qubits: int, depth: int) -> int | None:
    """How many weights an ansatz that is a PennyLane function has; `None`: to be seen from it."""
    found = quantum_function(ansatz, qubits, depth)
    if found.shapes is None:
        return None
    return found.layers * sum(map(prod, found.shapes.values()))


def minimal_brickwork_angles(qubits: int, depth: int) -> int:
    """Angles of the ansatz `brickwork-minimal`.

    Three per wire at first and after each block, but two after its last, and the blocks. A block
    itself has three, but two where neither of its wires has another block.
    """
    layers = range(depth if qubits > 2 else 1)
    blocks = [(first, first + 1) for i in layers for first in range(i % 2, qubits - 1, 2)]
    wires = {wire for block in blocks for wire in block}
    last = {wire: max(i for i, block in enumerate(blocks) if wire in block) for wire in wires}
    ending = sum(all(last[wire] == i for wire in block) for i, block in enumerate(blocks))
    return 3 * len(wires) + 6 * len(blocks) - len(wires) + 3 * len(blocks) - ending


def check_entangling(of: Any, values: Mapping[str, Any]) -> None:
    """Check that a control without entangling gates has several qubits; raises `InputError`."""
    if not of.entangling and values["qubits"] < 2:
        raise InputError(
            f"{type(of).__name__} without entangling gates needs qubits >= 2, but got qubits="
            f"{values['qubits']}: a circuit on one qubit has none, so the control has no meaning."
        )
