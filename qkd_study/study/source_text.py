"""Writes a study that was built in Python as the text of a study file."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qkd_study
from qkd_study.common.errors import StudyWarning
from qkd_study.study.identity import declaration
from qkd_study.study.space import Choice
from qkd_study.study.study import Study

_PACKAGE = qkd_study.__name__


class _NoText(Exception):
    """A value that is no declaration of this package: a function, an array."""


def source_text(study: Study) -> str | None:
    """The text of a study file that binds the same study.

    Returns:
        `None` if it has parts that only the code defines which built them, such as functions,
        classes and arrays. Otherwise the text was run, and gave the same declaration.
    """
    try:
        imported: dict[str, str] = {}
        lines = [f"    {name}={text}," for name, text in _fields(study, imported)]
    except _NoText:
        return None
    imports = [f"from {module} import {name}" for name, module in sorted(imported.items())]
    head = [f'"""Written by {_PACKAGE}.run."""', "", *imports, "", "study = Study("]
    text = "\n".join([*head, *lines, ")", ""])
    return text if _gives(text, study) else None


def _gives(text: str, study: Study) -> bool:
    """Whether a text binds a study that is equal to this one."""
    bound: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StudyWarning)  # it was shown when the study was built
        exec(compile(text, "<study>", "exec", dont_inherit=True), bound)
    found = bound["study"]
    return bool(declaration(found) == declaration(study) and found.datasets == study.datasets)


def _fields(value: Any, imported: dict[str, str]) -> list[tuple[str, str]]:
    """The fields of a declaration that differ from their defaults, as text."""
    kind = type(value)
    if not kind.__module__.startswith(f"{_PACKAGE}."):
        raise _NoText
    public = kind.__name__ in qkd_study.__all__
    imported[kind.__name__] = _PACKAGE if public else kind.__module__
    return [
        (field.name, _text(getattr(value, field.name), imported))
        for field in dataclasses.fields(value)
        if field.init and not _is_default(field, getattr(value, field.name))
    ]


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    made = field.default_factory
    default = field.default if made is dataclasses.MISSING else made()
    return type(default) is type(value) and bool(default == value)


def _text(value: Any, imported: dict[str, str]) -> str:
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, Path):
        return repr(str(value))
    if isinstance(value, Mapping):
        inner = (f"{k!r}: {_text(v, imported)}" for k, v in value.items() if isinstance(k, str))
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, tuple | list):
        inner = (_text(v, imported) for v in value)
        return "(" + "".join(f"{text}, " for text in inner).rstrip() + ")"
    if isinstance(value, Choice):  # it takes its values one by one
        imported["Choice"] = _PACKAGE
        return f"Choice({', '.join(_text(v, imported) for v in value.values)})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = ", ".join(f"{name}={text}" for name, text in _fields(value, imported))
        return f"{type(value).__name__}({own})"
    raise _NoText
