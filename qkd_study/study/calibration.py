"""Reads the calibration of a device: a JSON file with numbers of qubits and pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.names import unknown

#: The made-up devices of this package.
DEVICES = {path.stem: path for path in sorted((Path(__file__).parent / "devices").glob("*.json"))}
#: What a qubit may have, in the file as in `Noise`.
OF_QUBIT = (
    *("one_qubit", "amplitude_damping", "phase_damping", "t1", "t2", "one_qubit_time"),
    *("readout_0_as_1", "readout_1_as_0"),
)
OF_PAIR = ("two_qubit", "two_qubit_time")
_TOP = ("about", "qubits", "pairs", "over_rotation")


def fields_of_calibration(source: str | Path) -> dict[str, Any]:
    """The fields of a `Noise` out of a calibration file.

    Args:
        source: its path, or a name out of `DEVICES`.

    Raises:
        InputError: there is no such file, or it is not in the form that docs/on_hardware.md has.
    """
    path = DEVICES.get(str(source), Path(source))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read the calibration {str(source)!r}: {error.strerror}. Give the path of a "
            f"JSON file, or one of the devices {', '.join(DEVICES)}."
        ) from None
    except ValueError as error:
        raise InputError(f"the calibration {str(source)!r} is no JSON: {error}.") from None
    _check_names(source, "the calibration", content, _TOP)
    found: dict[str, Any] = {}
    qubits = _list(source, content, "qubits")
    if not qubits:
        raise InputError(f"calibration {str(source)!r}: qubits is empty; each needs an entry.")
    for number, qubit in enumerate(qubits):
        _check_names(source, f"qubit {number}", qubit, OF_QUBIT)
        if qubit.keys() != qubits[0].keys():
            raise InputError(
                f"calibration {str(source)!r}: qubit {number} has {', '.join(qubit)}, but qubit 0 "
                f"has {', '.join(qubits[0])}. All need the same."
            )
    for name in qubits[0]:
        found[name] = tuple(qubit[name] for qubit in qubits)
    pairs = _list(source, content, "pairs")
    seen: set[tuple[int, int]] = set()
    for place, pair in enumerate(pairs):
        what = f"pair {place}"
        _check_names(source, what, pair, ("qubits", *OF_PAIR))
        ends = pair.get("qubits")
        whole = isinstance(ends, list) and len(ends) == 2 and all(type(q) is int for q in ends)
        if not whole or ends[0] == ends[1] or not all(0 <= q < len(qubits) for q in ends):
            raise InputError(
                f"calibration {str(source)!r}: qubits of {what} must be two different ones of 0 to "
                f"{len(qubits) - 1}, but got {safe_repr(ends)}."
            )
        low, high = sorted(ends)
        if (low, high) in seen or pair.keys() != pairs[0].keys():
            raise InputError(
                f"calibration {str(source)!r}: {what} is there twice, or has other entries than "
                f"pair 0. Every pair needs one entry, and all need the same numbers."
            )
        seen.add((low, high))
        for name in pair.keys() - {"qubits"}:
            found[name] = (*found.get(name, ()), (low, high, pair[name]))
    found.setdefault("two_qubit", tuple((a, b, 0.0) for a, b in sorted(seen)))
    if "over_rotation" in content:
        found["over_rotation"] = content["over_rotation"]
    return found


def _list(source: object, content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    if not isinstance(value, list):
        raise InputError(
            f"calibration {str(source)!r} needs a list {name!r}, but has {safe_repr(value)}."
        )
    return value


def _check_names(source: object, what: str, value: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise InputError(
            f"calibration {str(source)!r}: {what} must be a JSON object with "
            f"{', '.join(allowed)}, but is {safe_repr(value)}."
        )
    for name in value:
        if name not in allowed:
            raise InputError(
                f"calibration {str(source)!r}: {what} has an {unknown('entry', name, allowed)}"
            )
