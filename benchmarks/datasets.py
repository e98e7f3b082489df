"""How often intervals over datasets hold the mean over datasets, and the effect on one more.

    python -m benchmarks.datasets

Effects of datasets are normal around 0 with a spread; each is measured on 8 replicates, whose noise
differs from dataset to dataset by up to a factor of ten. Variances are estimated from the
replicates, as in reports.
"""

from __future__ import annotations

import argparse

import numpy as np

from qkd_study.analysis.statistics.random_effects import random_effects

#: Replicates of each dataset, and the standard deviations of their differences, in points.
REPLICATES, LEAST, MOST = 8, 0.5, 5.0


def coverage(
    count: int, spread: float, *, weighted: bool, times: int, seed: int = 0
) -> tuple[float, float, float]:
    """The shares of simulations whose intervals hold the mean, and the effect on one more dataset,
    and the median width of the first.

    Args:
        count: datasets.
        spread: standard deviation between them, in points.
        weighted: as of `random_effects`.
        times: simulations.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    noise = np.geomspace(LEAST, MOST, count)
    held, ahead, widths = 0, 0, []
    for _ in range(times):
        effects = rng.normal(0, spread, count + 1)
        values = effects[:count] + rng.normal(0, noise, (REPLICATES, count))
        errors = np.diag(values.var(axis=0, ddof=1) / REPLICATES)
        found = random_effects(values.mean(axis=0), errors, weighted=weighted)
        held += found.low <= 0 <= found.high
        ahead += found.next_low <= effects[count] <= found.next_high
        widths.append(found.high - found.low)
    return held / times, ahead / times, float(np.median(widths))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000, help="simulations of each line")
    times = parser.parse_args().times
    print("| datasets | spread | weights | mean | one more | width |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    for count in (2, 3, 4, 6):
        for spread in (0.0, 1.0, 4.0):
            for weighted in (True, False):
                mean, ahead, width = coverage(count, spread, weighted=weighted, times=times)
                name = "of precision" if weighted else "equal"
                print(
                    f"| {count} | {spread:g} | {name} | {mean:.3f} | {ahead:.3f} | {width:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
