"""Durations on the command line."""

from __future__ import annotations

import pytest

from qkd_study.cli.durations import duration
from qkd_study.common.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "30 m", "0s", "-1m", "30m1h", "1e3s", "nan", "400d", "9" * 5000 + "s"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(
        InputError, match=r"must be a duration from above 0 to 366d, such as 90s, 30m"
    ):
        duration(text)
