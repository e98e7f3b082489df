"""Reasons of failed runs: what is the same, and how often it was."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from qkd_study.results import failed_share, reason_key, reasons


def row(replicate: int, status: str, reason: str | None) -> dict[str, Any]:
    keys = {"phase": "search", "cell": "all", "arm": "soft", "trial": 3, "replicate": replicate}
    return {**keys, "status": status, "reason": reason}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("E: shapes 20x64\n  in a", "E: shapes 50x64\n  in b", True),
        ("diverged: the loss was nan", "diverged: the loss was inf", False),
        ("took longer than 8 s", "took longer than 1.5e+03 s", True),
        ("KeyError: 'a'", "KeyError: 'b'", False),
    ],
)
def test_numbers_and_calls_make_no_other_reason(one: str, other: str, same: bool) -> None:
    assert (reason_key(one) == reason_key(other)) == same


def test_each_reason_once_the_most_frequent_first() -> None:
    rows = [
        row(0, "ok", None),
        row(1, "failed", "KeyError: 'a'\n  in g"),
        row(2, "failed", "E: shapes 20x64\n  in f"),
        row(3, "failed", "E: shapes 50x64"),
        row(4, "stopped", "another replicate of this configuration failed"),
    ]
    first, second = reasons(rows)
    assert (first.count, first.line, first.traceback) == (2, "E: shapes 20x64", ["  in f"])
    assert first.run == "search all soft trial 3 replicate 2"
    assert (second.count, second.line) == (1, "KeyError: 'a'")
    assert failed_share(pd.DataFrame(rows)) == "3 of 4 runs failed (75 %)"
    many = pd.DataFrame([row(n, "failed" if n == 7 else "ok", "x") for n in range(250)])
    assert failed_share(many) == "1 of 250 runs failed (0.4 %)"
    assert failed_share(many[many["replicate"] == 7]) == "1 of 1 runs failed (100 %)"
