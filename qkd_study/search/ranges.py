"""Converts search ranges to Optuna's distributions, and values to Optuna and back."""

from __future__ import annotations

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from qkd_study.study.config import PARAMETERS
from qkd_study.study.parameters import Value
from qkd_study.study.space import Choice, Float, Int, LogFloat, Range


def distribution(space: Range) -> BaseDistribution:
    """Optuna's distribution for a range."""
    match space:
        case Float(low, high):
            return FloatDistribution(low, high)
        case LogFloat(low, high):
            return FloatDistribution(low, high, log=True)
        case Int(low, high):
            return IntDistribution(low, high)
        case Choice(values):
            return CategoricalDistribution(values)


def default_in(name: str, space: Range) -> Value:
    """The parameter's default, moved into the range if it lies outside."""
    value = PARAMETERS[name].default
    if isinstance(space, Choice):
        return value if value in space.values else space.values[0]
    number = space.low if value is None else float(value)
    number = min(max(number, space.low), space.high)
    return int(number) if isinstance(space, Int) else float(number)


def as_suggested(value: Any, name: str, space: Range) -> Value:
    """A searched value as it was suggested, from a table, which may have made it a float."""
    if isinstance(space, Choice):
        return next(v for v in space.values if v == value)
    return int(value) if PARAMETERS[name].kind == "int" else float(value)
