"""The search space: what Optuna may vary inside a cell."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import as_python, keep_python_values
from qkd_study.study.parameters import Parameter, Value

#: Values that a `Choice` may have.
MOST_CHOICES = 10_000


@dataclass(frozen=True)
class _Interval:
    low: float
    high: float

    kind: ClassVar[type[int] | type[float]] = float

    def __post_init__(self) -> None:
        keep_python_values(self)
        owner = type(self).__name__
        for name, bound in (("low", self.low), ("high", self.high)):
            if isinstance(bound, bool) or not isinstance(bound, int | float):
                raise InputError(f"{owner} takes numbers, but got {name}={safe_repr(bound)}.")
            if not abs(bound) <= sys.float_info.max:
                raise InputError(
                    f"{owner} takes finite numbers, but got {name}={safe_repr(bound)}."
                )
        given = f"{owner}(low={safe_repr(self.low)}, high={safe_repr(self.high)})."
        if not self.low < self.high:
            equal = " Use fixed={...} for one value." if self.low == self.high else ""
            raise InputError(f"`low < high` must hold, but got {given}{equal}")
        self._check(given)
        for name in ("low", "high"):
            object.__setattr__(self, name, self.kind(getattr(self, name)))

    def _check(self, given: str) -> None:
        """Further checks of a subclass."""

    def ends(self) -> tuple[Value, ...]:
        """Values whose validity implies that of all others."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Float(_Interval):
    """A real number between `low` and `high`, both included, drawn uniformly."""


@dataclass(frozen=True)
class LogFloat(_Interval):
    """A positive number from `low` to `high`, both included, drawn uniformly in its logarithm."""

    def _check(self, given: str) -> None:
        if self.low <= 0:
            raise InputError(f"`low > 0` must hold for a logarithm, but got {given}")


@dataclass(frozen=True)
class Int(_Interval):
    """An integer between `low` and `high`, both included, drawn uniformly."""

    low: int
    high: int

    kind: ClassVar[type[int] | type[float]] = int

    def _check(self, given: str) -> None:
        if self.low != int(self.low) or self.high != int(self.high):
            raise InputError(f"Int takes integers, but got {given}")


@dataclass(frozen=True, init=False)
class Choice:
    """One of the given values, which have no order; `Choice(1, 2)` and `Choice([1, 2])` are equal.

    Attributes:
        values: numbers or words, all different.
    """

    values: tuple[Value, ...]

    def __init__(self, *values: Value | Sequence[Value]) -> None:
        choices: tuple[Any, ...] = as_python(values)
        if len(choices) == 1 and isinstance(choices[0], list | tuple | range):
            choices = tuple(itertools.islice(choices[0], MOST_CHOICES + 1))
        if len(choices) > MOST_CHOICES:
            raise InputError(f"Choice has more than {MOST_CHOICES:,} values. Use Int(low, high).")
        if not choices:
            raise InputError("Choice() is empty: it needs at least one value, as in Choice(1, 2).")
        for value in choices:
            if not isinstance(value, int | float | str):
                raise InputError(
                    f"Choice takes numbers and words, as in Choice(1, 2) or Choice([1, 2]), but "
                    f"got {safe_repr(value)}."
                )
        if len(set(choices)) < len(choices):
            raise InputError(f"Choice{safe_repr(choices)} names a value twice.")
        object.__setattr__(self, "values", choices)

    def ends(self) -> tuple[Value, ...]:
        """Values whose validity implies that of all others."""
        return self.values


Range = Float | LogFloat | Int | Choice


def check_range(parameter: Parameter, space: object, where: str = "search") -> Range:
    """Return `space` if every value in it is valid for `parameter`.

    Raises:
        InputError: it is not a range, exceeds the bounds, or has the wrong kind.
    """
    if not isinstance(space, Float | LogFloat | Int | Choice):
        raise InputError(
            f"{where}[{parameter.name!r}] must be Float, LogFloat, Int or Choice, but got "
            f"{safe_repr(space)}. A value to keep goes into fixed={{...}}, values to cross go into "
            f"factors={{...}}."
        )
    if parameter.kind == "choice" and not isinstance(space, Choice):
        raise InputError(
            f"{parameter.name} takes words: search it with Choice(...), not {safe_repr(space)}."
        )
    if parameter.kind == "int" and isinstance(space, Float | LogFloat):
        raise InputError(
            f"{parameter.name} is an integer: search it with Int(...), not {safe_repr(space)}."
        )
    checked = [parameter.check(value) for value in space.ends()]
    if isinstance(space, Choice):
        if "auto" in checked:
            raise InputError(
                f"{parameter.name}='auto' follows from other parameters and cannot be searched: "
                f"name the values, but got {safe_repr(space)}."
            )
        return Choice(*checked)
    return space
