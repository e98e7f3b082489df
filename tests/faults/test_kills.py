"""Drivers killed at random moments: nothing lost, nothing twice, the same table in the end."""

from __future__ import annotations

import random
import signal
from pathlib import Path

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


@pytest.mark.slow
def test_random_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill, look at the folder, go on; when a run is complete, compare it and begin another."""
    whole = tmp_path / "whole"
    whole.mkdir()
    assert h.finish(whole).returncode == 0
    wanted = h.results_only(h.rows(whole))
    assert len(wanted) == h.RUNS

    order = random.Random(20)
    kills = lost = doubled = late = complete = 0
    while kills < KILLS:
        folder = tmp_path / f"killed{complete}"
        folder.mkdir(exist_ok=True)
        before = h.finished_runs(folder)
        driver = h.start(folder, "--cpus", str(order.choice([1, 2])))
        way, session = WAYS[kills % len(WAYS)]
        try:
            # Most of the time goes into starting: wait for that, or be killed in it.
            if order.random() < 0.8:
                h.wait_for(lambda b=before, f=folder, d=driver: h.finished_runs(f) != b or d.poll() is not None)  # fmt: skip  # noqa: E501
            driver.wait(timeout=order.uniform(0, 3))
        except Exception:
            for name in way.split():
                sent = signal.Signals[name]
                h.kill_session(driver, sent) if session else driver.send_signal(sent)
            kills += 1
        else:
            late += 1
        out, err = driver.communicate(timeout=60)
        assert "Traceback" not in err, err
        if "SIGKILL" not in way and "SIGHUP" not in way and driver.returncode not in (0, 3):
            assert driver.returncode in (-signal.SIGTERM, -signal.SIGINT), out + err
        after = h.finished_runs(folder)
        lost += len(before.keys() - after.keys())
        doubled += sum(after[key] != at for key, at in before.items() if key in after)
        if driver.returncode == 0 or len(after) >= h.RUNS:
            assert h.finish(folder).returncode == 0
            pd.testing.assert_frame_equal(h.results_only(h.rows(folder)), wanted)
            complete += 1
    assert h.finish(folder).returncode == 0
    pd.testing.assert_frame_equal(h.results_only(h.rows(folder)), wanted)
    left = [p for p in h.run_folder(folder).rglob("*") if "partial" in p.name]
    with capsys.disabled():
        print(
            f"\n{kills} kills survived ({late} came too late), {complete + 1} runs completed: "
            f"{lost} rows lost, {doubled} rows computed twice"
        )
    assert (lost, doubled, left) == (0, 0, [])
