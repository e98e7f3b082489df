"""Parameters that a study declares itself: checked, and as fields of its `Config`."""

from __future__ import annotations

import functools
import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, field, fields, make_dataclass, replace
from typing import Any

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.common.python_values import as_python
from qkd_study.study.config import Config
from qkd_study.study.parameters import Parameter, kind_of

#: What follows from where a parameter is declared.
_FOLLOWS: Mapping[str, Any] = {"nullable": True, "role": "declared", "changes_time": True}
#: What a study may say of a parameter of its own beside the name.
_ALLOWED = (
    *("default", "meaning", "unit", "low", "high", "above", "choices", "cost"),
    *("decides_fit", "kind"),
)


def checked(declares: object, whose: str) -> tuple[Parameter, ...]:
    """The parameters that a model or a term declares.

    Args:
        declares: as given; a single one, or a sequence.
        whose: the beginning of messages, such as `Own`.

    Raises:
        InputError: one is no `Parameter`, has a name that cannot be, or a default that it does not
            allow.
    """
    given = (declares,) if isinstance(declares, Parameter) else declares
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(
            f"declares of {whose} must be parameters, as in (Parameter('width', default=8, low=1),"
            f"), but got {safe_repr(given)}."
        )
    found = tuple(_checked(one, whose) for one in given)
    if twice := [p.name for i, p in enumerate(found) if p.name in {q.name for q in found[:i]}]:
        raise InputError(f"declares of {whose} names {twice[0]!r} twice.")
    return found


def _checked(one: object, whose: str) -> Parameter:
    if not isinstance(one, Parameter):
        raise InputError(
            f"declares of {whose} holds {safe_repr(one)}. Allowed: such as "
            f"Parameter('width', default=8, low=1)."
        )
    name = one.name
    word = is_text(name) and name.isidentifier() and not keyword.iskeyword(name)
    if not word or name.startswith("_") or len(name) > 100:
        raise InputError(
            f"a parameter's name must be a word such as 'width', but got {safe_repr(name)}."
        )
    if name in {f.name for f in fields(Config)} or hasattr(Config, name):
        raise InputError(
            f"{whose} declares a parameter {name!r}, but there is one of this name already. Take "
            f"another, such as 'own_{name}'."
        )
    for f in fields(Parameter):
        given = getattr(one, f.name)
        # Declarations are checked again when they are copied.
        same = given in (f.default, _FOLLOWS.get(f.name, f.default))
        if f.name not in (*_ALLOWED, "name") and not same:
            raise InputError(
                f"parameter {name!r} sets {f.name}, which follows from where it is declared. "
                f"Allowed: {', '.join(_ALLOWED)}."
            )
    numbers = {bound: as_python(getattr(one, bound)) for bound in ("low", "high", "above")}
    for bound, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise InputError(
                f"{bound} of parameter {name!r} must be a number, but got {safe_repr(value)}."
            )
    choices = as_python(one.choices)
    choices = tuple(choices) if isinstance(choices, list) else choices
    if not isinstance(choices, tuple) or not all(map(is_text, choices)):
        raise InputError(
            f"choices of parameter {name!r} must be words, as in ('sum', 'mean'), but got "
            f"{safe_repr(choices)}. Numbers have bounds: low and high."
        )
    for text in ("meaning", "unit"):
        if not isinstance(getattr(one, text), str):
            raise InputError(
                f"{text} of parameter {name!r} must be text, but got "
                f"{safe_repr(getattr(one, text))}."
            )
    default = as_python(one.default)
    kind = kind_of(default, choices)
    if kind == "auto":
        raise InputError(
            f"parameter {name!r} must have a default: an integer, a number or a word, but got "
            f"{safe_repr(default)}."
        )
    if one.kind not in ("auto", kind) and not (one.kind == "float" and kind == "int"):
        raise InputError(
            f"parameter {name!r} has kind={one.kind!r}, but its default, {safe_repr(default)}, is "
            f"of kind {kind!r}. Leave kind out."
        )
    found = replace(
        one,
        **numbers,
        choices=choices,
        default=default,
        kind=kind if one.kind == "auto" else one.kind,
        **_FOLLOWS,
    )
    return replace(found, default=found.check(default))


def together(every: Iterable[Parameter]) -> dict[str, Parameter]:
    """The parameters of all models and terms, by name; the same one may be declared by several.

    Raises:
        InputError: two that differ have one name.
    """
    found: dict[str, Parameter] = {}
    for one in every:
        before = found.setdefault(one.name, one)
        if replace(before, terms=()) != replace(one, terms=()):
            raise InputError(
                f"{one.name!r} is declared twice, as {_said(found[one.name])} and as {_said(one)}. "
                f"Declare one Parameter and use it in both places, or give them different names."
            )
        terms = tuple(dict.fromkeys((*before.terms, *one.terms)))
        found[one.name] = replace(before, terms=terms)
    return found


def _said(one: Parameter) -> str:
    return f"Parameter({one.name!r}, default={one.default!r}, {one.allowed})"


@functools.lru_cache(maxsize=100)
def config_kind(own: tuple[Parameter, ...]) -> type[Config]:
    """`Config` with the study's own parameters as further fields.

    It is made anew in each process, and pickled by its parameters.
    """
    if not own:
        return Config
    more: list[tuple[str, Any, Field[Any]]] = [
        (one.name, object, field(metadata={"meaning": one.meaning})) for one in own
    ]
    made = make_dataclass("Config", more, bases=(Config,), frozen=True, kw_only=True)
    made.own = own  # type: ignore[attr-defined]
    made.__reduce__ = _reduce  # type: ignore[method-assign,assignment]
    made.__module__ = Config.__module__
    return made


def _reduce(config: Any) -> tuple[Any, ...]:
    return _restored, (type(config).own, dict(vars(config)))


def _restored(own: tuple[Parameter, ...], values: dict[str, Any]) -> Config:
    return config_kind(own)(**values)
