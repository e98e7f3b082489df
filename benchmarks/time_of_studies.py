"""Where the time of each shipped study goes.

    python benchmarks/time_of_studies.py [--full] [--cpus 2] [--program qkd-study ...] [STUDY ...]

Runs the studies in `studies/` (or those that are named), each in an empty home and with an empty
cache, and prints for each program a table from the rows that it wrote. Several programs, such as
those of two virtual environments, are compared in the last table. On a busy machine these numbers
mean nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Run the studies, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="names; default: all")
    parser.add_argument("--full", action="store_true", help="as declared; default: --quick")
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="default: all")
    parser.add_argument("--program", action="append", help="may be repeated; default: qkd-study")
    options = parser.parse_args()
    programs = options.program or ["qkd-study"]
    files = sorted(ROOT.glob("studies/*.py"))
    chosen = [path for path in files if not options.studies or path.stem in options.studies]
    walls: dict[str, list[float]] = {}
    for program in programs:
        table = []
        for path in chosen:
            parts = measure(program, path, options.cpus, quick=not options.full)
            walls.setdefault(path.stem, []).append(parts["wall, s"])
            table.append({"study": path.stem, **parts})
        print(f"\n{program}, {options.cpus} workers, seconds and shares of the workers' time\n")
        print(pd.DataFrame(table).round(1).to_string(index=False), flush=True)
    if len(programs) > 1:
        print("\nwall seconds, and the ratio of the first program to the last\n")
        compared = pd.DataFrame(walls, index=programs).T
        compared["ratio"] = compared.iloc[:, 0] / compared.iloc[:, len(programs) - 1]
        print(compared.round(1).to_string())


def measure(program: str, study: Path, cpus: int, *, quick: bool) -> dict[str, float]:
    """What a study takes: wall seconds, and the shares of its parts in what workers had.

    Teachers and students are their trainings, validation included; "rest of runs" is building
    models, the teachers' outputs for the training samples, and tests; "no run" is the start, Ray,
    and waiting.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = {"HOME": folder, "XDG_CACHE_HOME": f"{folder}/cache"}
        command = [program, "run", str(study), "--cpus", str(cpus), "--out", f"{folder}/out"]
        start = time.monotonic()
        subprocess.run(
            command + ["--quick"] * quick,
            env=os.environ | home,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wall = time.monotonic() - start
        runs = pd.read_parquet(Path(folder) / "out" / study.stem / "latest" / "runs")
    teachers, students, total = (
        float(runs[f"cost.seconds_{part}"].sum()) for part in ("teacher", "train", "total")
    )
    return {
        "runs": len(runs),
        "wall, s": wall,
        "teachers, %": 100 * teachers / (wall * cpus),
        "students, %": 100 * students / (wall * cpus),
        "rest of runs, %": 100 * (total - teachers - students) / (wall * cpus),
        "no run, %": 100 * (1 - total / (wall * cpus)),
    }


if __name__ == "__main__":
    main()
