"""Forecasts beside runs: what `qkd-study plan` says of each study, and what `run` then takes.

    python benchmarks/plan.py                        # the quick version of every study in studies/
    python benchmarks/plan.py studies/a.py --full    # of those named, as declared

Prints, for each, forecast and measured wall time of the command, their ratio, and the same of the
runs' own seconds. On a machine that does something else meanwhile the ratios say little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent


def planned(study: Path, options: list[str]) -> dict[str, float]:
    """Wall time and seconds of runs, as the forecast has them."""
    command = [
        sys.executable,
        "-m",
        "qkd_study",
        "plan",
        str(study),
        *options,
        "--json",
        "--forecast",
        "--recalibrate",
    ]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (machine,) = said["forecast"]["machines"]
    return {"wall": machine["wall_seconds"], "runs": machine["simulated"]["busy"]}


def measured(study: Path, options: list[str]) -> dict[str, float]:
    """Wall time and seconds of runs, as they were."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        command = [sys.executable, "-m", "qkd_study", "run", str(study), *options, "--out", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - start
        runs = pd.read_parquet(next(Path(out).glob("*/latest")) / "runs")
    return {"wall": wall, "runs": float(runs["cost.seconds_total"].sum())}


def main() -> None:
    """Compare the studies named on the command line, or all."""
    os.environ["QKD_STUDY_TEACHER_CACHE"] = "0"  # teachers of earlier runs do not count
    options = [] if "--full" in sys.argv else ["--quick"]
    named = [Path(name) for name in sys.argv[1:] if not name.startswith("-")]
    print(f"load before: {os.getloadavg()[0]:.1f}")
    print("study                 forecast  measured  ratio   runs: forecast  measured  ratio")
    for study in named or sorted((ROOT / "studies").glob("*.py")):
        said, was = planned(study, options), measured(study, options)
        print(
            f"{study.stem:20}  {said['wall']:7.1f}s  {was['wall']:7.1f}s  "
            f"{said['wall'] / was['wall']:5.2f}   {said['runs']:13.1f}s  {was['runs']:7.1f}s  "
            f"{said['runs'] / was['runs']:5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
