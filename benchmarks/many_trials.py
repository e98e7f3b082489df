"""Many short trials: what the platform adds to the runs' own seconds, and whether that stays flat.

    python benchmarks/many_trials.py                             # 10,000 trials of about 50 ms
    python benchmarks/many_trials.py --trials 250 --epochs 2000  # runs of some seconds

Runs a study on digits with `qkd-study run` in a new folder; prints wall time over pure work (the
sum of the runs' own seconds over the CPUs), start-up included and left out; seconds per trial at
the beginning and at the end; and how the driver's memory grew.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

STUDY = """
from qkd_study import LogFloat, Replicates, Study

study = Study(
    question="What do many short trials cost?",
    datasets=("digits",),
    factors={{"samples": tuple(range(50, 50 + {cells}))}},
    search={{"learning_rate": LogFloat(1e-4, 1e-1)}},
    fixed={{"epochs": {epochs}, "validation_samples": 50, "batch_size": 25}},
    arms=("scratch",),
    trials={per_cell},
    replicates=Replicates(search=1, confirm=2),
    name="many",
)
"""


def main() -> None:
    """Run the study and print the figures."""
    os.environ["QKD_STUDY_TEACHER_CACHE"] = "0"  # teachers of earlier runs do not count
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--cells", type=int, default=50)
    parser.add_argument("--cpus", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.py"
        per_cell = -(-asked.trials // asked.cells)
        path.write_text(STUDY.format(cells=asked.cells, epochs=asked.epochs, per_cell=per_cell))
        started = time.perf_counter()
        command = [sys.executable, "-m", "qkd_study", "run", str(path), "--cpus", str(asked.cpus)]
        driver = psutil.Popen([*command, "--out", folder], stdout=subprocess.DEVNULL)
        rss = []
        while driver.poll() is None:
            rss.append(driver.memory_info().rss / 2**20)
            time.sleep(0.5)
        wall = time.perf_counter() - started
        assert driver.returncode == 0
        results = next(Path(folder).glob("many/latest")) / "runs"
        runs = pd.read_parquet(results)
        resumed = pd.Timestamp.now("UTC")
        more = [*command, "--out", folder, "--replicates", "3"]
        subprocess.run(more, stdout=subprocess.DEVNULL, check=True)
        fresh = pd.read_parquet(results, filters=[("where.started_at", ">", resumed)])
        resume = (fresh["where.started_at"].min() - resumed).total_seconds()
    search = runs[runs["phase"] == "search"].sort_values("where.ended_at")
    work = runs["cost.seconds_total"].sum()
    first, last = runs["where.started_at"].min(), runs["where.ended_at"].max()
    span = (last - first).total_seconds()
    ended = (search["where.ended_at"] - first).dt.total_seconds().to_numpy()
    block = min(500, len(ended) // 4)
    early, late = ended[2 * block] - ended[block], ended[-1] - ended[-1 - block]
    settled = len(rss) // 10  # imports and Ray's start are not growth
    print(f"{len(search)} trials, {1000 * search['cost.seconds_total'].mean():.0f} ms each")
    print(
        f"wall / (work / {asked.cpus} CPUs): {wall / (work / asked.cpus):.2f} with start-up, ",
        end="",
    )
    print(f"{span / (work / asked.cpus):.2f} without ({wall:.0f} s, {span:.0f} s, {work:.0f} s)")
    print(f"ms per trial: {1000 * early / block:.1f} after the first {block}, ", end="")
    print(f"{1000 * late / block:.1f} in the last {block}, ratio {late / early:.2f}")
    print(f"driver: {rss[settled]:.0f} MB early, {max(rss):.0f} MB at most, ", end="")
    print(f"growth {max(rss) - rss[settled]:.0f} MB")
    print(f"taking it up again with more replicates: {resume:.1f} s from command to first run")


if __name__ == "__main__":
    main()
