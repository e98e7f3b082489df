"""Checks of the names of declared datasets and of their classes."""

from __future__ import annotations

from collections.abc import Sequence

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.data.sources import SOURCES


def checked_name(kind: str, name: object) -> str:
    """The name of a declared dataset.

    Args:
        kind: of declaration, for the message.
        name: to be checked.

    Raises:
        InputError: it is not a line of text, or is that of a known dataset.
    """
    if not is_text(name) or not name.isprintable() or len(name) > 100:
        raise InputError(f"name of {kind} must be a line of text, but got {safe_repr(name)}.")
    if name in SOURCES:
        raise InputError(
            f"name of {kind} must not be that of a known dataset, but got {safe_repr(name)}."
        )
    return str(name)


def checked_class_names(of: str, given: object) -> Sequence[str] | None:
    """The names of classes, or `None`.

    Args:
        of: the name of the dataset.
        given: to be checked.

    Raises:
        InputError: it is not a sequence of text.
    """
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(map(is_text, given)):
        raise InputError(
            f"dataset {of!r}: class_names must be such as ('cat', 'dog'), but got "
            f"{safe_repr(given)}."
        )
    return tuple(given)
