"""How long `qkd-study report` takes, and how much memory, on a large made run.

    python -m benchmarks.report --rows 20000

Writes a run of made numbers to a temporary folder, a file per configuration, joins them as `run`
does at its end, and reports on it in a process of its own. Prints wall seconds, CPU seconds and the
peak of the resident memory. On a busy machine read the CPU seconds: the report is one thread, but
for reading files and linear algebra.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from qkd_study.analysis import Results
from qkd_study.results import compact_tables
from qkd_study.study.replicates import Replicates
from tests.analysis.made import made_results, made_study, written

ARMS = ("scratch", "scaled-ce", "soft", "classical-teacher")


def made(rows: int, epochs: int) -> Results:
    """A run of about so many rows: 12 configurations of 3 replicates and 20 confirm runs a cell."""
    cells = max(1, math.ceil(rows / (len(ARMS) * (12 * 3 + 20)) / 4))
    study = made_study(
        factors={"samples": (20, 50, 100, 200), "teacher_samples": tuple(range(200, 200 + cells))},
        arms=ARMS,
        trials=12,
        replicates=Replicates(search=3, confirm=20),
    )
    results = made_results(study=study, epochs=1)
    # The made scores rise with every cell; here only K is to matter.
    runs = results.runs
    number = runs["cell"].map({cell: i for i, cell in enumerate(results.cells)})
    gain = 0.05 * np.log2(runs["config.samples"] / 20) - 0.05 * number
    runs["metric.test_accuracy"] += gain - 0.1
    last = results.curves
    curves = last.loc[np.repeat(last.index, epochs)].reset_index(drop=True)
    epoch = np.tile(np.arange(1, epochs + 1), len(last))
    curves["epoch"] = epoch
    curves["metric.val_accuracy"] *= 1 - 0.5 / epoch
    return replace(results, runs=runs, curves=curves)


def main() -> None:
    """Print what a report took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=100)
    given = parser.parse_args()
    results = made(given.rows, given.epochs)
    with tempfile.TemporaryDirectory() as temporary:
        folder = written(results, Path(temporary))
        compact_tables(folder)  # as `run` does at its end
        files = sum(1 for _ in folder.glob("*/*.parquet"))
        counts = pd.Series({"rows": len(results.runs), "epochs": len(results.curves)})
        del results
        os.sync()  # what was written is on its way to the disk
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "qkd_study", "report", str(folder)], check=True)
        wall = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = (folder / "report.html").stat().st_size / 1e6
    print(f"{counts['rows']} rows, {counts['epochs']} rows of curves, {files} files")
    print(f"wall {wall:.1f} s, CPU {used.ru_utime + used.ru_stime:.1f} s")
    print(f"peak memory {used.ru_maxrss * 1024 / 1e9:.2f} GB, page {size:.1f} MB")


if __name__ == "__main__":
    main()
