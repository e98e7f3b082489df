"""Checks study.json, which may have been edited or written by another version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.study.claims import Claim
from qkd_study.study.config import PARAMETERS, parameter
from qkd_study.study.parameters import Parameter
from qkd_study.study.replicates import Replicates
from qkd_study.study.space import Choice, Float, Int, LogFloat, check_range

_RANGES: Mapping[str, Any] = {kind.__name__: kind for kind in (Choice, Float, Int, LogFloat)}

#: The type of every value; in objects, `...` stands for any name.
_SHAPE: Mapping[Any, Any] = {
    "fingerprint": str,
    "dataset": str,
    "dataset_sha256": str,
    "run_id": str,
    "arms": dict,
    "plan": {"runs": int, "cell_keys": [str], "arm_names": [str]},
    "sessions": [dict],
    "declaration": {
        "name": str,
        "question": str,
        "seed": int,
        "trials": int,
        "factors": {...: [(int, float, str)]},
        "search": {...: {"kind": str}},
        "fixed": dict,
        "arms": {...: {"terms": list}},
        "replicates": {"search": int, "confirm": int},
    },
}
#: A search for a teacher.
_TEACHER: Mapping[Any, Any] = {"cell": str, "arm": str, "values": dict, "arms": [str]}


def check_manifest(manifest: Any) -> None:
    """Check the types and names in study.json.

    Raises:
        InputError: an entry is missing or has another type; the message names it.
    """
    _check(manifest, _SHAPE, "")
    declared = manifest["declaration"]
    if not manifest["sessions"]:
        raise InputError("sessions is empty")
    _check(manifest["plan"].get("arm_trials", {}), {...: int}, "plan.arm_trials")
    _check(manifest["plan"].get("shared", {}), {...: {...: str}}, "plan.shared")
    _check(manifest.get("search_rule", 1), int, "search_rule")
    _check(manifest.get("class_names", []), [str], "class_names")
    _check(manifest.get("class_names_of", {}), {...: [str]}, "class_names_of")
    _check(manifest.get("files", {}), {...: str}, "files")
    _check(manifest.get("datasets", {}), {...: str}, "datasets")
    for session in manifest["sessions"]:
        _check(session.get("started_at", ""), str, "started_at")
        _check(session.get("command", []), [str], "command")
        _check(session.get("packages", {}), {...: str}, "packages")
    _check(declared["replicates"].get("looks", []), [int], "replicates.looks")
    Replicates(**declared["replicates"])  # looks that do not rise, for example
    known = {**PARAMETERS, **_own_parameters(declared.get("own_parameters", {}))}
    for name in declared["factors"]:
        parameter(name, known)
    _check(manifest["plan"].get("teacher_searches", []), [_TEACHER], "plan.teacher_searches")
    searched = {"teacher_search": declared.get("teacher_search", {}), "search": declared["search"]}
    _check(searched, {...: {...: {"kind": str}}}, "declaration")
    ranges = ((where, *one) for where, found in searched.items() for one in found.items())
    for where, name, space in ranges:
        given = {key: value for key, value in space.items() if key not in ("kind", "values")}
        try:
            check_range(
                parameter(name, known), _RANGES[space["kind"]](*space.get("values", ()), **given)
            )
        except (KeyError, TypeError):
            raise InputError(f"{where}.{name} is {safe_repr(space)}, no range") from None
    for entry in manifest.get("claims", []):
        _claim(entry, "claims").check(list(declared["arms"]), declared["factors"])
    for entry in manifest.get("withdrawn", []):  # its arms and factor values may be gone
        _claim(entry, "withdrawn")


def _own_parameters(entries: Any) -> dict[str, Parameter]:
    """The study's own parameters, as `identity.described` writes them."""
    _check(entries, {...: dict}, "declaration.own_parameters")
    try:
        return {name: Parameter(name, **given) for name, given in entries.items()}
    except TypeError:
        raise InputError("declaration.own_parameters holds something else") from None


def _claim(entry: Any, place: str) -> Claim:
    _check(entry, {"claim": dict, "confirm_rows": int}, place)
    change = {"confirm_rows": int, "what": str}
    _check(entry.get("changes", []), [change], f"{place}.changes")
    scope = {"trials": int, "confirm replicates": int, "cells": {...: list}}
    if "scope" in entry:
        _check(entry["scope"], scope, f"{place}.scope")
        _check(entry["scope"].get("looks", []), [int], f"{place}.scope.looks")
    number = entry.get("replicates", 1)
    _check(number, [int] if isinstance(number, list) else int, f"{place}.replicates")
    given = {name: value for name, value in entry["claim"].items() if name != "kind"}
    if set(given) != {part.name for part in fields(Claim)}:
        raise InputError(f"{safe_repr(given)} is no claim")
    return Claim(**given)


def _check(value: Any, shape: Any, place: str) -> None:
    if isinstance(shape, Mapping):
        _is(value, dict, place)
        for name, inner in shape.items():
            for key in value if name is ... else [name]:
                if key not in value:
                    raise InputError(f"it has no {f'{place}.{key}'.lstrip('.')!r}")
                _check(value[key], inner, f"{place}.{key}".lstrip("."))
    elif isinstance(shape, list):
        _is(value, list, place)
        for inner in value:
            _check(inner, shape[0], place)
    else:
        _is(value, shape, place)


def _is(value: Any, kinds: Any, place: str) -> None:
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, allowed) or isinstance(value, bool):
        names = " or ".join(kind.__name__ for kind in allowed)
        raise InputError(f"{place or 'all of it'} is {safe_repr(value)}, not {names}")
