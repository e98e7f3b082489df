"""Declared models as JSON values, and back, so that a student can be built without its study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.models import BUILDERS
from qkd_study.students.recorded import KIND, RecordedAnsatz
from qkd_study.study.models import ModelSpec, Own
from qkd_study.study.noise import Noise

#: The declarations of the package, by the name of their class.
KINDS: dict[str, Any] = {kind.__name__: kind for kind in (*BUILDERS, Noise) if kind is not Own}
_PLAIN = (str, int, float, bool, type(None))


def written(model: ModelSpec) -> dict[str, Any] | None:
    """A declared model as JSON values; `None` if a part of it is code of the study's own."""
    try:
        values = _written(model)
        same = read(json.loads(json.dumps(values))) == model
    except (InputError, TypeError, ValueError):
        return None
    return values if same else None


def _written(value: Any) -> Any:
    if isinstance(value, ModelSpec | Noise):
        if not is_dataclass(value) or KINDS.get(type(value).__name__) is not type(value):
            raise InputError(f"{type(value).__name__} is defined in the study file.")
        return {
            "kind": type(value).__name__,
            **{field.name: _written(getattr(value, field.name)) for field in fields(value)},
        }
    if isinstance(value, RecordedAnsatz):
        return value.described()
    if isinstance(value, tuple | list):
        return [_written(one) for one in value]
    if type(value) not in _PLAIN:
        raise InputError(f"{safe_repr(value)} is no JSON value.")
    return value


def read(values: Mapping[str, Any]) -> ModelSpec:
    """The declared model that `written` gave.

    Raises:
        InputError: it is of a kind that this version lacks, or does not fit it.
    """
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        raise InputError(
            f"{safe_repr(values.get('kind'))} is no kind of model that this qkd-study builds. "
            f"Known: {', '.join(KINDS)}."
        )
    try:
        found = kind(**{name: _read(value) for name, value in values.items() if name != "kind"})
    except TypeError as error:
        raise InputError(f"{safe_repr(dict(values))} is no {kind.__name__}: {error}.") from None
    return cast(ModelSpec, found)


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        recorded = value.get("kind") == KIND
        return RecordedAnsatz.from_description(value) if recorded else read(value)
    return tuple(map(_read, value)) if isinstance(value, list) else value
