"""What Ray's start costs by itself: an empty program, `ray.init` and one actor.

    python benchmarks/ray_start.py [--repeats 3]

Each repeat starts two processes in turn, one with Ray's own start, one with that of this package
(`compat/ray.py`). Printed are medians of wall seconds: of the import, the start, the actor's first
answer, and of all until then.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

PROGRAM = """
import logging, os, sys, tempfile, time
begin = time.time()
from qkd_study.tune.environment import prepare_driver
prepare_driver()
os.environ["RAY_AUTH_TOKEN"] = "0" * 64
import ray
from qkd_study.compat.ray import start_in
imported = time.time()
options = dict(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
    start = start_in if sys.argv[1] == "ours" else lambda at, **o: ray.init(_temp_dir=at, **o)
    start(folder, logging_level=logging.ERROR, **options)
    started = time.time()
    class Actor:
        def answer(self): return 1
    ray.get(ray.remote(Actor).remote().answer.remote())
    answered = time.time()
    print(imported - begin, started - imported, answered - started, answered - begin)
    ray.shutdown()
"""


def main() -> None:
    """Print a line for each way of starting."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    found: dict[str, list[list[float]]] = {"Ray's own": [], "ours": []}
    for _ in range(repeats):
        for way, rows in found.items():
            command = [sys.executable, "-c", PROGRAM, way]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows.append([float(number) for number in printed.split()])
    print(f"{'seconds':12s}{'import':>8s}{'start':>8s}{'actor':>8s}{'in all':>8s}")
    for way, rows in found.items():
        medians = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{way:12s}" + "".join(f"{median:8.2f}" for median in medians))


if __name__ == "__main__":
    main()
