"""Converts search ranges to Optuna's distributions, and values to Optuna and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from qkd_study.study.config import PARAMETERS
from qkd_study.study.parameters import Parameter, Value
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


def default_in(what: Parameter, space: Range) -> Value:
    """The parameter's default, moved into the range if it lies outside."""
    value = what.default
    if isinstance(space, Choice):
        return value if value in space.values else space.values[0]
    number = space.low if value is None else float(value)
    number = min(max(number, space.low), space.high)
    return int(number) if isinstance(space, Int) else float(number)


def at_quantile(space: Range, share: float) -> Value:
    """The value of a range below which this share (0 to 1, 1 excluded) of its even draws lie."""
    if isinstance(space, Choice):
        return space.values[int(share * len(space.values))]
    if isinstance(space, Int):
        return space.low + int(share * (space.high - space.low + 1))
    if isinstance(space, LogFloat):
        low, high = math.log(space.low), math.log(space.high)
        return min(max(math.exp(low + share * (high - low)), space.low), space.high)
    return space.low + share * (space.high - space.low)


def with_weak_terms(
    space: Mapping[str, Range],
    of_baseline: Mapping[str, Value],
    known: Mapping[str, Parameter] = PARAMETERS,
) -> dict[str, Value]:
    """The baseline's values in the search space of an arm, with weak extra terms.

    Parameters that the baseline does not read: a weight, or another number that is neutral at some
    value, is as near to that as its range allows; any other has its default.

    Args:
        space: of the arm.
        of_baseline: the searched values of the baseline.
        known: the study's parameters, by name.
    """
    return {
        name: of_baseline[name] if name in of_baseline else _weakest(known[name], one)
        for name, one in space.items()
    }


def _weakest(what: Parameter, space: Range) -> Value:
    if not what.terms or what.nullable:
        return default_in(what, space)
    if isinstance(space, Choice):
        return min(space.values, key=lambda value: abs(float(value) - what.neutral))
    number = min(max(what.neutral, space.low), space.high)
    return int(number) if isinstance(space, Int) else float(number)


def as_suggested(value: Any, what: Parameter, space: Range) -> Value:
    """A searched value as it was suggested, from a table, which may have made it a float."""
    if isinstance(space, Choice):
        return next(v for v in space.values if v == value)
    return int(value) if what.kind == "int" else float(value)
