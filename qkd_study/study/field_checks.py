"""Checks of the fields of declared objects."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from qkd_study.common.errors import InputError, safe_repr


def check_field(owner: object, name: str, fits: bool, allowed: str) -> None:
    """Check that a field `fits`.

    Raises:
        InputError: it does not; the message says what is `allowed`.
    """
    if not fits:
        kind, value = type(owner).__name__, safe_repr(getattr(owner, name))
        raise InputError(f"{name} of {kind} must be {allowed}, but got {value}.")


def is_integer(value: object, least: int = 1) -> bool:
    """Whether a value is an integer, not a bool, and at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def are_integers(values: object, least: int = 1) -> bool:
    """Whether a value is a tuple of such integers."""
    return isinstance(values, tuple) and all(is_integer(value, least) for value in values)


def check_positive_int(owner: object, *names: str) -> None:
    """Check that fields are integers >= 1; raises `InputError` if not."""
    for name in names:
        check_field(owner, name, is_integer(getattr(owner, name)), "an integer >= 1")


def check_bool(owner: object, *names: str) -> None:
    """Check that fields are `True` or `False`; raises `InputError` if not."""
    for name in names:
        check_field(owner, name, isinstance(getattr(owner, name), bool), "True or False")


def keep_tuple(owner: object, name: str) -> None:
    """Convert a field that is a list to a tuple."""
    value = getattr(owner, name)
    if isinstance(value, list):
        object.__setattr__(owner, name, tuple(value))


def sequence_of(name: str, values: object, most: int) -> tuple[Any, ...]:
    """The entries of a sequence that has from one to `most`.

    Raises:
        InputError: it is none, or has another number of entries.
    """
    entries: tuple[Any, ...] = ()
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        entries = tuple(itertools.islice(values, most + 1))
    if not entries or len(entries) > most:
        limit = f" and at most {most:,}" if entries else ""
        raise InputError(
            f"{name} must be a tuple with at least one entry{limit}, but got {safe_repr(values)}."
        )
    return entries
