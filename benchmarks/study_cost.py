"""What a study costs beyond its own compute: start-up, peak memory, wall time over work.

    python benchmarks/study_cost.py studies/q2c_low_data.py --quick

Runs the study in a new folder with `qkd-study run` and prints its output, then the figures. Memory
is the sum over all processes of the command and of its Ray, shared pages counted once each (PSS).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil


def memory(pid: int) -> int:
    """Bytes of a process and all below it; Ray's daemons stay below the driver."""
    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.Error, AttributeError):
            continue
    return total


def main() -> None:
    """Run the study named on the command line and print the figures."""
    os.environ["QKD_STUDY_TEACHER_CACHE"] = "0"  # teachers of earlier runs do not count
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(["qkd-study", "--help"], stdout=subprocess.DEVNULL, check=True)
        help_seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as out:
        started = pd.Timestamp.now("UTC")
        driver = subprocess.Popen(["qkd-study", "run", *sys.argv[1:], "--out", out])
        peak = 0
        while driver.poll() is None:
            try:
                peak = max(peak, memory(driver.pid))
            except psutil.Error:
                break
            time.sleep(3)
        driver.wait()
        wall = (pd.Timestamp.now("UTC") - started).total_seconds()
        (folder,) = (
            path.parent for path in Path(out).glob("*/*/study.json") if not path.parent.is_symlink()
        )
        runs = pd.read_parquet(folder / "runs")
    first = (runs["where.started_at"].min() - started).total_seconds()
    span = (runs["where.ended_at"].max() - runs["where.started_at"].min()).total_seconds()
    work = runs["cost.seconds_total"].sum()
    cpus = runs["where.worker"].nunique()
    print(f"qkd-study --help           {help_seconds:7.2f} s")
    print(f"command to first training  {first:7.2f} s")
    print(f"command in all             {wall:7.2f} s")
    print(f"peak memory, all processes {peak / 1e9:7.2f} GB")
    print(f"wall / (work / {cpus} workers)   {span / (work / cpus):7.2f}")


if __name__ == "__main__":
    main()
