"""What is declared of a parameter of a run, and of a term of the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal

from qkd_study.common.errors import InputError, is_text, shown
from qkd_study.common.python_values import as_python

Value = int | float | str
#: No integer parameter may be larger.
MOST = 10**9
Kind = Literal["int", "float", "choice", "text"]
Role = Literal["student", "teacher", "both", "circuit"]
#: Outputs of student and teacher, or a part of them, by the name that `Outputs` gives it.
Part = Literal["outputs", "logits", "features", "state"]


@dataclass(frozen=True)
class Term:
    """A term of the loss. `qkd_study.distill.losses.LOSSES` has its function under the same name.

    Attributes:
        name: as it is written in the terms of an arm. Its column is `loss.NAME`.
        meaning: what the function computes.
        unit: of its value; empty where it has none.
        compares: what of student and teacher the function takes, one after the other; `None` for
            a term that changes the cross-entropy: it needs no teacher and has no function.
        same_shape: whether these must be of one shape.
        labels: whether the function takes the labels (batch,) after them.
        reads: parameters that the function takes after those, in this order.
        weight: the parameter that weighs the term; `None` where the function takes its weights.
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
    """What a value of one parameter may be, and who reads it.

    Attributes:
        name: as it is written in study files and, behind `config.`, in the tables.
        kind: `int`, `float`, `choice`, or `text`, which is any word without spaces.
        meaning: one sentence.
        default: the value when a study says nothing; `None` where it follows from others.
        nullable: whether it is null in runs that do not read it.
        neutral: what it is in arms without its terms, where it is not null.
        terms: the loss terms that alone read this parameter; arms without any ignore it.
        only_with: another parameter, and the values of it beside which alone this one is read.
        role: whose parameter it is; `circuit` belongs to whichever of the two is quantum.
        follows: the parameter whose value it takes where a study gives it none.
        decides_fit: whether it decides if data and models fit together.
        changes_time: whether how long a run takes depends on it.
        unit: of its column; empty where it has none.
        low, high: inclusive bounds of numbers.
        above: an exclusive lower bound.
        choices: the allowed words of a `choice`.
        cost: what a larger value costs, for parameters that buy accuracy with it.
    """

    name: str
    kind: Kind
    meaning: str
    default: Value | None
    nullable: bool = False
    neutral: float = 0.0
    terms: tuple[str, ...] = ()
    only_with: tuple[str, tuple[str, ...]] | None = None
    role: Role = "student"
    follows: str | None = None
    decides_fit: bool = False
    changes_time: bool = False
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    choices: tuple[str, ...] = ()
    cost: str | None = None

    @property
    def allowed(self) -> str:
        """The allowed values, in words for a message."""
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
        return " and ".join([f"{noun} {bounds[0]}", *bounds[1:]]) if bounds else noun

    def check(self, value: object) -> Value:
        """Return `value` in the parameter's type.

        Raises:
            InputError: the value has another type or lies outside the bounds.
        """
        value = as_python(value)
        problem = f"{self.name} must be {self.allowed}, but got {self.name}={shown(value)}."
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
        """What stands for `value` in the row of a run that does not read the parameter."""
        if self.nullable:
            return None
        return self.neutral if self.terms else value

    @property
    def note(self) -> str:
        """What the meaning of its column adds: when it says nothing."""
        if self.terms:
            return f"; {'null' if self.nullable else f'{self.neutral:g}'} in arms without it"
        own = ", or only a model of the study's own while the study does not set it"
        circuit = own if self.role == "circuit" else ""
        return f"; null where nothing reads it{circuit}" if self.nullable else ""
