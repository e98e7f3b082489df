"""Whether a study cannot work, from its first runs."""

from __future__ import annotations

from typing import Any

import pytest

from qkd_study.tune.first_runs import FirstRuns


def row(branch: int, trial: int = 0, status: str = "failed", reason: Any = "E: 1x2") -> Any:
    return {
        "phase": "search", "cell": f"samples={branch}", "arm": "soft", "trial": trial,
        "replicate": 0, "status": status, "reason": reason,
    }  # fmt: skip


def fault(rows: list[Any], workers: int = 2, searches: int = 6, worked: bool = False) -> bool:
    first = FirstRuns(searches, worked)
    for one in rows:
        first.add(one)
    return first.fault(workers) is not None


FOUR = [row(branch, reason=f"E: {branch}x2") for branch in range(4)]
STOPPED = row(0, status="stopped", reason="another replicate of this configuration failed")


@pytest.mark.parametrize(
    ("rows", "options", "stops"),
    [
        (FOUR, {}, True),
        ([*FOUR, STOPPED], {}, True),
        (FOUR[:3], {}, False),
        ([FOUR[0]] * 9, {}, False),  # replicates of one trial, trained side by side
        ([row(0, trial) for trial in range(9)], {}, False),  # one cell of six
        ([row(0, trial) for trial in range(4)], {"searches": 1}, True),
        ([row(n % 2, n) for n in range(4)], {"searches": 2}, True),
        (FOUR, {"workers": 5}, False),
        ([*FOUR, row(4)], {"workers": 5}, True),
        ([*FOUR, *(row(n, 1) for n in range(4))], {"workers": 8, "searches": 4}, True),
        ([*FOUR, row(5, status="ok", reason=None)], {}, False),
        ([row(5, status="ok", reason=None), *FOUR], {}, False),
        ([*FOUR, row(5, reason="diverged: the loss was nan")], {}, False),
        ([row(n, reason="diverged: the loss was nan") for n in range(4)], {}, False),
        ([*FOUR[:3], row(3, reason="KeyError: 'x'")], {}, False),
        (FOUR, {"worked": True}, False),
    ],
)
def test_when_a_study_cannot_work(rows: list[Any], options: dict[str, Any], stops: bool) -> None:
    assert fault(rows, **options) == stops
