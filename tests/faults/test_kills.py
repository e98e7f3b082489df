"""Drivers killed at random moments: nothing lost, nothing twice, the same table in the end."""

from __future__ import annotations

import functools
import random
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.faults import harness as h

KILLS = 25
#: How a driver may end, and whether what it started is told as well.
WAYS = [
    ("SIGKILL", True),
    ("SIGKILL", False),
    ("SIGTERM", False),
    ("SIGINT", True),
    ("SIGINT SIGINT", False),
    ("SIGHUP", True),
]


@dataclass
class Count:
    """What a chain of kills found."""

    kills: int = 0
    late: int = 0
    complete: int = 0
    lost: int = 0
    doubled: int = 0


@pytest.mark.slow
def test_random_kills(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two chains beside each other: most of the time goes into waiting for processes."""
    wanted = h.results_only(h.rows(whole))
    assert len(wanted) == h.RUNS
    with ThreadPoolExecutor(2) as pool:
        chains = [
            pool.submit(chain, tmp_path / f"chain{seed}", seed, kills, wanted)
            for seed, kills in ((20, KILLS - KILLS // 2), (21, KILLS // 2))
        ]
    found = [one.result() for one in chains]
    kills, late, complete, lost, doubled = (
        sum(getattr(count, field.name) for count in found) for field in fields(Count)
    )
    with capsys.disabled():
        print(
            f"\n{kills} kills survived ({late} came too late), {complete} runs completed: "
            f"{lost} rows lost, {doubled} rows computed twice"
        )
    assert (kills, lost, doubled) == (KILLS, 0, 0)


def moved_on(
    folder: Path, before: dict[tuple[Any, ...], Any], driver: subprocess.Popen[str]
) -> bool:
    """Whether more runs have ended than before, or the driver has."""
    return h.finished_runs(folder) != before or driver.poll() is not None


def chain(place: Path, seed: int, kills: int, wanted: pd.DataFrame) -> Count:
    """Kill, look at the folder, go on; when a run is complete, compare it and begin another."""
    order, count = random.Random(seed), Count()
    while count.kills < kills:
        folder = place / str(count.complete)
        folder.mkdir(parents=True, exist_ok=True)
        before = h.finished_runs(folder)
        driver = h.start(folder, "--cpus", str(order.choice([1, 2])))
        way, session = WAYS[(seed + count.kills) % len(WAYS)]
        try:
            # Most of the time goes into starting: wait for that, or be killed in it.
            if order.random() < 0.8:
                h.wait_for(functools.partial(moved_on, folder, before, driver))
            driver.wait(timeout=order.uniform(0, 3))
        except subprocess.TimeoutExpired:
            for name in way.split():
                sent = signal.Signals[name]
                h.kill_session(driver, sent) if session else driver.send_signal(sent)
            count.kills += 1
        else:
            count.late += 1
        out, err = h.output_of(driver, 60)
        assert "Traceback" not in err, err
        if "SIGKILL" not in way and "SIGHUP" not in way and driver.returncode not in (0, 3):
            assert driver.returncode in (-signal.SIGTERM, -signal.SIGINT), out + err
        after = h.finished_runs(folder)
        count.lost += len(before.keys() - after.keys())
        count.doubled += sum(after[key] != at for key, at in before.items() if key in after)
        if driver.returncode == 0 or len(after) >= h.RUNS:
            finished(folder, wanted)
            count.complete += 1
    begun = place / str(count.complete)
    if begun.exists():
        finished(begun, wanted)
        count.complete += 1
    return count


def finished(folder: Path, wanted: pd.DataFrame) -> None:
    """Run what is left; the table must be that of a run nobody killed, and nothing be half done."""
    done = h.finish(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    pd.testing.assert_frame_equal(h.results_only(h.rows(folder)), wanted)
    assert not [p for p in h.run_folder(folder).rglob("*") if "partial" in p.name]
