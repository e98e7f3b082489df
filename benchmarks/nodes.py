"""Two nodes of one CPU each against one node of two CPUs, on the same study.

    python -m benchmarks.nodes [STUDY [OPTIONS]]

Starts Ray nodes on this machine as the tests do, runs the study on both in turn, and prints
the seconds from the first run's start to the last one's end, and their ratio.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from tests.cluster.nodes import RayCluster

ROOT = Path(__file__).parent.parent


def seconds(nodes: int, cpus: int, study: list[str]) -> float:
    """Of a study on so many nodes of so many CPUs each."""
    cluster = RayCluster(cpus=cpus)
    try:
        for _ in range(nodes - 1):
            cluster.add()
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "qkd_study", "run", *study]
            subprocess.run(
                [*command, "--address", cluster.address, "--out", out],
                env=cluster.env,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            runs = pd.read_parquet(next(Path(out).glob("*/latest")) / "runs")
    finally:
        cluster.close()
    workers = runs["where.worker"].nunique()
    found = (runs["where.ended_at"].max() - runs["where.started_at"].min()).total_seconds()
    work = runs["cost.seconds_total"].sum()
    print(
        f"{nodes} x {cpus} CPUs: {found:.1f} s for {work:.1f} s of runs, {workers} workers",
        flush=True,
    )
    return float(found)


def main() -> None:
    """Run both, twice in turn, and print the ratio of the sums."""
    os.environ["QKD_STUDY_TEACHER_CACHE"] = "0"  # teachers of earlier runs do not count
    default = [str(ROOT / "studies" / "q2c_low_data.py"), "--dataset", "digits"]
    study = sys.argv[1:] or default
    one = two = 0.0
    for _ in range(2):
        one += seconds(1, 2, study)
        two += seconds(2, 1, study)
    print(f"two nodes of one CPU / one node of two: {two / one:.2f}")


if __name__ == "__main__":
    main()
