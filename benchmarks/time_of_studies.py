"""Where the time of each shipped study goes.

    python benchmarks/time_of_studies.py [--full] [--cpus 2] [--program qkd-study ...] [STUDY ...]
        [-- OPTION ...]

Runs the studies in `studies/` (or those that are named, or study files), each in an empty home and
with an empty cache, and prints for each program a table from the rows that it wrote. Options after
`--` are for `qkd-study run`. Several programs, such as those of two virtual environments, are
compared in the last table. On a busy machine these numbers mean nothing.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Run the studies, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="names or files; default: all")
    parser.add_argument("--full", action="store_true", help="as declared; default: --quick")
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="default: all")
    parser.add_argument("--program", action="append", help="may be repeated; default: qkd-study")
    own, _, passed = " ".join(sys.argv[1:]).partition("-- ")
    options = parser.parse_args(own.split())
    programs = options.program or ["qkd-study"]
    files = {path.stem: path for path in sorted(ROOT.glob("studies/*.py"))}
    chosen = [files.get(name, Path(name)) for name in options.studies or files]
    walls: dict[str, list[float]] = {}
    for program in programs:
        table = []
        for path in chosen:
            parts = measure(
                program, path, options.cpus, ["--quick"] * (not options.full) + passed.split()
            )
            walls.setdefault(path.stem, []).append(parts["wall, s"])
            table.append({"study": path.stem, **parts})
        print(f"\n{program}, {options.cpus} workers, seconds and shares of the workers' time\n")
        print(pd.DataFrame(table).round(1).to_string(index=False, na_rep="?"), flush=True)
    if len(programs) > 1:
        print("\nwall seconds, and the ratio of the first program to the last\n")
        compared = pd.DataFrame(walls, index=programs).T
        compared["ratio"] = compared.iloc[:, 0] / compared.iloc[:, len(programs) - 1]
        print(compared.round(1).to_string())


def measure(program: str, study: Path, cpus: int, options: list[str]) -> dict[str, float]:
    """What a study takes: wall seconds, and the shares of its parts in what workers had.

    Teachers and students are their trainings. Validation is that of students; rows of version 0.1.0
    do not tell it, nor the test: there validation is among students, and the test in "rest of
    runs". This rest is building models and the teachers' outputs; "no run" is the start, Ray, and
    waiting.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = {"HOME": folder, "XDG_CACHE_HOME": f"{folder}/cache"}
        command = [
            program,
            "run",
            str(study.resolve()),
            "--cpus",
            str(cpus),
            "--out",
            f"{folder}/out",
        ]
        start = time.monotonic()
        subprocess.run(
            command + options,
            env=os.environ | home,
            cwd=folder,  # workers would import another program's package from here
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wall = time.monotonic() - start
        runs = pd.read_parquet(Path(folder) / "out" / study.stem / "latest" / "runs")
    teachers, train, validation, test, total = (
        float(runs[name].sum()) if (name := f"cost.seconds_{part}") in runs else math.nan
        for part in ("teacher", "train", "validation", "test", "total")
    )
    known = not math.isnan(test)
    share = 100 / (wall * cpus)
    return {
        "runs": len(runs),
        "wall, s": wall,
        "teachers, %": share * teachers,
        "students, %": share * (train - validation if known else train),
        "validation, %": share * validation,
        "test, %": share * test,
        "rest of runs, %": share * (total - teachers - train - (test if known else 0)),
        "no run, %": 100 - share * total,
    }


if __name__ == "__main__":
    main()
