"""Reads durations such as `30m`."""

from __future__ import annotations

import re

from qkd_study.common.errors import InputError, safe_repr

#: The longest duration, in seconds.
MOST = 366 * 86400.0
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile("".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in _UNITS))


def duration(text: str) -> float:
    """Seconds of a duration such as `30m`, `1h30m` or `90s`.

    Raises:
        InputError: it is none, or not above 0, or longer than a year.
    """
    found = _DURATION.fullmatch(text)
    parts = () if found is None else found.groups()
    units = zip(parts, _UNITS.values(), strict=True) if parts else ()
    seconds = sum(float(part) * unit for part, unit in units if part)
    if not 0 < seconds <= MOST:
        raise InputError(
            f"--time-budget must be a duration from above 0 to 366d, such as 90s, 30m or 1h30m, "
            f"but got {safe_repr(text)}."
        )
    return seconds
