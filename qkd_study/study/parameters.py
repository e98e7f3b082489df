"""`Parameter` and `Term`: the declarations of parameters and loss terms."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from numbers import Real
from typing import Any, Literal

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.common.python_values import as_python

Value = int | float | str
#: No integer parameter may be larger.
MOST = 10**9
Kind = Literal["int", "float", "choice", "text", "auto"]
Role = Literal["student", "teacher", "both", "circuit", "network", "declared"]
#: Outputs of student and teacher, or a part of them, by the name that `Outputs` gives it.
Part = Literal["outputs", "logits", "features", "state"]


@dataclass(frozen=True)
class Term:
    """A term of the loss. `qkd_study.distill.losses.LOSSES` has its function under the same name.

    Attributes:
        name: in the terms of an arm. Its column is `loss.NAME`.
        meaning: what the function computes.
        unit: of its value; empty if there is none.
        compares: the part of student's and teacher's outputs that the function takes first; `None`
            for a term that changes the cross-entropy, without teacher and function.
        same_shape: whether these parts must have the same shape.
        labels: whether the function takes the labels (batch,) next.
        reads: parameters that the function takes last, in this order.
        weight: the parameter that is its weight; `None` if the function takes its weights.
    """

    name: str
    meaning: str = ""
    unit: str = ""
    compares: Part | None = None
    same_shape: bool = False
    labels: bool = False
    reads: tuple[str, ...] = ()
    weight: str | None = None


@dataclass(frozen=True)
class Parameter:
    """The allowed values of a parameter, and which runs read it.

    A study declares its own where they are read: `Own(build, declares=(Parameter("width",
    default=8, low=1, meaning="..."),))`. It says `meaning`, `unit`, bounds or choices, `cost` and
    `decides_fit`; the rest follows.

    Attributes:
        name: in study files and, after `config.`, in the tables.
        kind: `int`, `float`, `choice`, or `text`, which is any word without spaces; `auto`: that of
            the default, and `choice` if there are choices.
        meaning: one sentence.
        default: the value if a study does not set it; `None` if it follows from others.
        nullable: whether it is null in runs that do not read it.
        neutral: its value in arms without its terms, if it is not null there.
        terms: the loss terms that read it, if only they do; other arms ignore it.
        only_with: another parameter, of the student, and those of its values with which this one
            is read. A teacher reads one with the role `both` with every value.
        unlabelled: whether only terms that compare the student with a teacher without labels read
            it.
        role: the model that reads it; `circuit`: each of the two that is quantum; `network`: the
            student, if it is classical; its teacher has one of its own, `teacher_` and the name;
            `declared`: the models and terms of the study that declare it.
        follows: the parameter whose value it has if a study does not set it.
        decides_fit: whether it affects which data and models fit together.
        changes_time: whether the time of a run depends on it.
        optional: whether leaving it out has a meaning of its own, which `None` has in `fixed`, too.
        unit: of its column; empty if there is none.
        low, high: inclusive bounds of numbers.
        above: an exclusive lower bound.
        choices: the allowed words of a `choice`.
        cost: the cost of a larger value, if that improves the accuracy.
    """

    name: str
    _: KW_ONLY
    default: Value | None
    kind: Kind = "auto"
    meaning: str = ""
    nullable: bool = False
    neutral: float = 0.0
    terms: tuple[str, ...] = ()
    only_with: tuple[str, tuple[str, ...]] | None = None
    unlabelled: bool = False
    role: Role = "student"
    follows: str | None = None
    decides_fit: bool = False
    changes_time: bool = False
    optional: bool = False
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    choices: tuple[str, ...] = ()
    cost: str | None = None

    def __post_init__(self) -> None:
        if self.kind == "auto":
            object.__setattr__(self, "kind", kind_of(self.default, self.choices))

    @property
    def allowed(self) -> str:
        """The allowed values, as text for messages."""
        if self.kind == "choice":
            return "one of " + ", ".join(repr(choice) for choice in self.choices)
        if self.kind == "text":
            return "a word without spaces"
        noun = "an integer" if self.kind == "int" else "a number"
        bounds = []
        if self.above > -math.inf:
            bounds.append(f"> {self.above:g}")
        if self.low > -math.inf:
            bounds.append(f">= {self.low:g}")
        if self.high < math.inf:
            bounds.append(f"<= {self.high:g}")
        text = " and ".join([f"{noun} {bounds[0]}", *bounds[1:]]) if bounds else noun
        return f"{text}, or left out" if self.optional else text

    def check(self, value: object) -> Value:
        """Return `value` in the parameter's type.

        Raises:
            InputError: the value has another type or lies outside the bounds.
        """
        value = as_python(value)
        problem = f"{self.name} must be {self.allowed}, but got {self.name}={safe_repr(value)}."
        if self.kind == "choice":
            if not isinstance(value, str) or value not in self.choices:
                raise InputError(problem)
            return str(value)
        if self.kind == "text":
            if not is_text(value) or not value.isprintable() or " " in value:
                raise InputError(problem)
            return str(value)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise InputError(problem)
        try:
            number = float(value)
        except OverflowError:
            raise InputError(problem) from None
        if self.kind == "int" and number > MOST:
            raise InputError(f"{problem[:-1]}, more than {MOST:,}.")
        fits = self.low <= number <= self.high and number > self.above
        if not fits or not math.isfinite(number) or (self.kind == "int" and number % 1):
            raise InputError(problem)
        return int(number) if self.kind == "int" else number

    def unread(self, value: Value | None) -> Value | None:
        """The value in rows of runs that do not read the parameter."""
        if self.nullable:
            return None
        return self.neutral if self.terms else value

    @property
    def note(self) -> str:
        """The end of its column's meaning: when the value is not used."""
        if self.terms:
            return f"; {'null' if self.nullable else f'{self.neutral:g}'} in arms without it"
        own = ", or only a model of the study's own while the study does not set it"
        circuit = own if self.role == "circuit" else ""
        return f"; null where nothing reads it{circuit}" if self.nullable else ""


def parameter_field(default: Value | None, meaning: str, **more: Any) -> Any:
    """A field of `Config` that is a `Parameter`; `term` declares a term of the loss beside it."""
    return field(metadata={"default": default, "meaning": meaning, **more})


def weight_field(default: float, term: Term) -> Any:
    """A field of `Config` that is the weight of a term."""
    return parameter_field(default, f"weight of {term.meaning}", low=0, term=term)


_KINDS: Mapping[object, Kind] = {int: "int", float: "float", str: "text"}


def kind_of(default: object, choices: object) -> Kind:
    """The kind of a parameter that has this default; `auto` if it can be none."""
    return "choice" if choices else _KINDS.get(type(default), "auto")


def terms_of(config: Any) -> Iterator[Term]:
    """The terms that the fields of a dataclass declare as `term`; the field is their weight."""
    for f in fields(config):
        if "term" in f.metadata:
            term: Term = f.metadata["term"]
            yield term if f.name in term.reads else replace(term, weight=f.name)


def parameters_of(config: Any, terms: Mapping[str, Term]) -> Iterator[Parameter]:
    """The parameters that the fields of a dataclass declare; those without `default` are none.

    Args:
        config: the dataclass.
        terms: of the loss, by name.
    """
    hints = typing.get_type_hints(config)
    for f in fields(config):
        more = {name: value for name, value in f.metadata.items() if name != "term"}
        if "default" not in more:
            continue
        hint = hints[f.name]
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        yield Parameter(
            f.name,
            kind="choice" if "choices" in more else _KINDS[kinds[0]],
            nullable=types.NoneType in kinds,
            terms=tuple(t.name for t in terms.values() if f.name in (*t.reads, t.weight)),
            **more,
        )
