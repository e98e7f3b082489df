"""Converts any part of a declaration to JSON values, which are the same in every process."""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

#: The module of a study file, as `study.load` makes it. What it defines is described with all that
#: it uses; functions and classes of other modules by name and source.
MODULE = "qkd_study_file"
_OWN = (MODULE, "__main__")
_PLAIN = (str, int, float, bool, type(None))
#: Metadata of fields that came later: at their default they are left out, so that runs of before go
#: on.
LATER = {"later": True}
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def canonical(value: Any) -> Any:
    """Convert a value: declared objects by kind, functions and classes by source and uses."""
    return _canonical(value, ())


def _canonical(value: Any, within: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if id(value) in within:
        return {"again": within.index(id(value))}
    inside = (*within, id(value))
    if isinstance(value, type) or inspect.isfunction(value):
        return _code(value, inside)
    if dataclasses.is_dataclass(value):
        described = (f for f in dataclasses.fields(value) if f.compare)
        members = {f.name: getattr(value, f.name) for f in described if not _left_out(value, f)}
        kind = type(value)
        code = {"code": _code(kind, inside)} if kind.__module__ in _OWN else {}
        fields = {name: _canonical(v, inside) for name, v in members.items()}
        return {"kind": kind.__name__, **code, **fields}
    if isinstance(value, Mapping):
        return {str(name): _canonical(v, inside) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_canonical(v, inside) for v in value]
    if isinstance(value, set | frozenset):
        return sorted((_canonical(v, inside) for v in value), key=json.dumps)
    if isinstance(value, functools.partial):
        parts = {"args": value.args, "keywords": value.keywords}
        return {"partial": _canonical(value.func, inside), **_canonical(parts, inside)}
    if isinstance(value, ModuleType):
        return {"module": value.__name__}
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    if hasattr(value, "tobytes"):
        return _digest(pickle.dumps(value))
    if hasattr(value, "__dict__"):
        state = {name: v for name, v in vars(value).items() if not name.startswith("__")}
        return {"object": _code(type(value), inside), "state": _canonical(state, inside)}
    return _ADDRESS.sub("", repr(value))


def _left_out(value: Any, field: dataclasses.Field[Any]) -> bool:
    """Whether a field came later and has its default."""
    return "later" in field.metadata and bool(getattr(value, field.name) == field.default)


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def _code(value: Any, inside: tuple[int, ...]) -> dict[str, Any]:
    """A function or class: its source, and values that the source does not show."""
    found: dict[str, Any] = {"function": value.__qualname__, "sha256": _digest(_source(value))}
    if isinstance(value, FunctionType):
        found |= _values(value, inside)
    own = value.__module__ in _OWN
    uses = {name: _canonical(v, inside) for name, v in sorted(_used(value))} if own else {}
    return found | ({"uses": uses} if uses else {})


def _source(value: Any) -> str:
    """The source; where it cannot be had, as of a class of a notebook, what was made of it."""
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        pass
    if isinstance(value, type):
        methods = ((name, _function(member)) for name, member in vars(value).items())
        parts = [f"{name}: {_source(method)}" for name, method in methods if method is not None]
        return "\n".join([value.__qualname__, *parts])
    code = getattr(value, "__code__", None)
    return value.__qualname__ if code is None else repr(_instructions(code))


def _instructions(code: CodeType) -> list[Any]:
    """The instructions of a function, with its constants, the same in every process."""
    constants = [
        _instructions(constant)
        if isinstance(constant, CodeType)
        else sorted(map(repr, constant))
        if isinstance(constant, frozenset)
        else repr(constant)
        for constant in code.co_consts
    ]
    return [code.co_code.hex(), code.co_names, constants]


def _function(member: Any) -> FunctionType | None:
    """The function of a method, class method or property; `None` of anything else."""
    function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
    return function if isinstance(function, FunctionType) else None


def _values(function: FunctionType, inside: tuple[int, ...]) -> dict[str, Any]:
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_set(cell)]
    hidden = [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
    return {"values": _canonical(hidden, inside)} if hidden else {}


def _is_set(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _used(value: Any) -> Iterator[tuple[str, Any]]:
    """The definitions and plain values of the study file that a function or class uses.

    For a class: those of its methods, its attributes, and its base classes.
    """
    if isinstance(value, FunctionType):
        there = value.__globals__
        names = _globals_of(value.__code__) & there.keys()
        yield from ((name, there[name]) for name in names if _is_part(there[name]))
        return
    for base in value.__mro__[1:]:
        if base.__module__ in _OWN:
            yield f"base {base.__qualname__}", base
    for name, member in vars(value).items():
        function = _function(member)
        if function is not None:
            yield from ((f"{name}.{used}", v) for used, v in _used(function))
            yield f"{name}()", [*(function.__defaults__ or ()), function.__kwdefaults__]
        elif not name.startswith("__") and _is_part(member):
            yield name, member


def _globals_of(code: CodeType) -> set[str]:
    names = {
        i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return names.union(*map(_globals_of, inner))


def _is_part(value: Any) -> bool:
    """Whether a value belongs to the code of a study file, not to other modules."""
    if isinstance(value, type | FunctionType):
        return value.__module__ in _OWN
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(_is_part, value))
    if isinstance(value, Mapping):
        return all(map(_is_part, value.values()))
    if isinstance(value, functools.partial) or hasattr(value, "tobytes"):
        return True
    kind = type(value)
    declared = dataclasses.is_dataclass(value) and kind.__module__.startswith("qkd_study.")
    # The study itself contains the value.
    return (
        isinstance(value, _PLAIN)
        or kind.__module__ in _OWN
        or (declared and kind.__name__ != "Study")
    )
