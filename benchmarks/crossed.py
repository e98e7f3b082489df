"""Do intervals over replicates and test items cover new replicates on new items?

    python -m benchmarks.crossed --repetitions 4000

Simulated students with a known difference in accuracy (tests/analysis/crossed.py); each repetition
draws new replicates and new test samples. Prints how often the interval over replicates and the one
over replicates and test items hold the true difference, and their mean widths, for a nominal 95 %.
"""

from __future__ import annotations

import argparse

import numpy as np

from tests.analysis.crossed import Design, coverage

#: What varies most: a word for it, and the design.
DESIGNS: dict[str, dict[str, float]] = {
    "all of them": {},
    "samples": {"item_arm": 0.7, "replicate": 0.05, "replicate_arm": 0.02, "rest": 0.3},
    "samples, alike for both arms": {"item_arm": 0.0, "replicate_arm": 0.02, "rest": 0.3},
    "replicates": {"item_arm": 0.0, "replicate": 0.2, "replicate_arm": 0.3},
    "the rest": {"item_arm": 0.2, "replicate_arm": 0.1, "rest": 0.7},
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    given = parser.parse_args()
    error = np.sqrt(0.95 * 0.05 / given.repetitions)
    print(f"{given.repetitions} repetitions; standard error of a share near 0.95: {error:.4f}\n")
    names = ["what varies most", "test set", "replicates", "samples", "true difference"]
    names += ["over replicates", "over both", "width", "width over both"]
    print(f"| {' | '.join(names)} |\n| --- | --- |{' ---: |' * 7}")
    for name, changes in DESIGNS.items():
        for shared in (True, False):
            for n in (5, 10, 20):
                for items in (100, 600) if shared else (100,):
                    design = Design(n, items, shared=shared, **changes)  # type: ignore[arg-type]
                    found = coverage(design, given.repetitions)
                    draw = "common" if shared else "its own"
                    cells = [f"{x:.3f}" for x in found[:2]] + [f"{x:.1f}" for x in found[2:]]
                    print(
                        f"| {name} | {draw} | {n} | {items} | {100 * design.truth:.1f} | "
                        + " | ".join(cells)
                        + " |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
