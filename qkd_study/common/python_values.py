"""Converts values of NumPy, pandas and torch in declarations to Python values.

A study that is written with either is then the same study.
"""

from __future__ import annotations

import contextlib
from dataclasses import fields
from typing import Any


def as_python(value: Any, nested: int = 4) -> Any:
    """Convert numbers and arrays to Python numbers and tuples, also inside containers.

    All other values, such as bytes and declared objects, stay as they are.

    Args:
        nested: the levels of containers to convert; valid declarations have fewer.
    """
    if nested and isinstance(value, dict):
        return {name: as_python(inner, nested - 1) for name, inner in value.items()}
    if nested and type(value) in (list, tuple):
        return type(value)(as_python(inner, nested - 1) for inner in value)
    if isinstance(value, str | int | float) and type(value).__module__ == "builtins":
        return value
    if type(value).__module__.partition(".")[0] not in ("numpy", "pandas", "torch"):
        return value
    with contextlib.suppress(Exception):  # e.g. a tensor without data
        found = value.tolist()
        if isinstance(found, list):
            return tuple(as_python(inner) for inner in found)
        if type(found).__module__ == "builtins":
            return found
        return float(found)  # a long double
    return value


def keep_python_values(declared: Any) -> None:
    """Replace every field of a frozen dataclass by its Python value (see `as_python`)."""
    for field in fields(declared):
        given = getattr(declared, field.name)
        converted = as_python(given)
        if converted is not given:
            object.__setattr__(declared, field.name, converted)
