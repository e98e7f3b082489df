"""Do intervals cover and tests reject as often as they say? Simulated replicates, known truth.

    python benchmarks/coverage.py --repetitions 4000

Prints shares for a nominal 95%: how often each interval of `paired_difference` holds the true mean
difference of zero, and how often each test rejects it; then how often that of `data_efficiency`
holds the true factor of 2, inside the baseline's curve and beyond its end. Differences: normal;
skewed, exponential less its mean; discrete, two accuracies near 0.99 on 597 samples, many of them
tied. Skewed differences are not symmetric, so Wilcoxon's null hypothesis is false for them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qkd_study.analysis.statistics import data_efficiency, paired_difference

REPLICATES = (5, 10, 20, 30)
AMOUNTS = (10, 20, 40, 80, 160)
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

DIFFERENCES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.exponential(size=n) - 1,
    "discrete": lambda rng, n: (
        (rng.binomial(597, 0.99, size=n) - rng.binomial(597, 0.99, size=n)) / 597
    ),
}


def differences(draw: Draw, n: int, repetitions: int, resamples: int) -> dict[str, float]:
    """Shares of repetitions in which an interval holds zero or a test rejects it at 0.05."""
    rng = np.random.default_rng([597, n])
    seen: dict[str, list[bool]] = {}
    for seed in range(repetitions):
        found = paired_difference(draw(rng, n), np.zeros(n), seed=seed, resamples=resamples)
        outcome = {
            "BCa": found.low <= 0 <= found.high,
            "t": found.t_low <= 0 <= found.t_high,
            "p t": found.p_t < 0.05,
            "p Wilcoxon": found.p_wilcoxon < 0.05,
        }
        for name, hit in outcome.items():
            seen.setdefault(name, []).append(hit)
    return {name: float(np.mean(hits)) for name, hits in seen.items()}


def factors(n: int, repetitions: int, resamples: int) -> tuple[float, float]:
    """Shares of intervals that hold a factor of 2, below the largest K and at it."""
    rng = np.random.default_rng([160, n])
    truth = 0.4 + 0.05 * np.log2(AMOUNTS)  # one doubling is worth 0.05
    inside, beyond = [], []
    for seed in range(repetitions):
        replicate = rng.normal(scale=0.03, size=(n, 1))
        noise = rng.normal(scale=0.03, size=(2, n, len(AMOUNTS)))
        found = data_efficiency(
            AMOUNTS,
            truth + replicate + noise[0],
            truth + 0.05 + replicate + noise[1],
            seed=seed,
            resamples=resamples,
        )
        holds = [low <= 2 <= high for low, high in zip(found.low, found.high, strict=True)]
        inside += holds[:-1]
        beyond.append(holds[-1])
    return float(np.mean(inside)), float(np.mean(beyond))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--resamples", type=int, default=1999)
    given = parser.parse_args()
    error = np.sqrt(0.95 * 0.05 / given.repetitions)
    print(f"{given.repetitions} repetitions; standard error of a share near 0.95: {error:.4f}\n")
    print("| differences | n | BCa covers | t covers | t rejects | Wilcoxon rejects |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, draw in DIFFERENCES.items():
        for n in REPLICATES:
            shares = differences(draw, n, given.repetitions, given.resamples)
            cells = " | ".join(f"{share:.3f}" for share in shares.values())
            print(f"| {name} | {n} | {cells} |", flush=True)
    print("\n| n | factor covered | at the largest K |\n| ---: | ---: | ---: |")
    for n in REPLICATES:
        inside, beyond = factors(n, given.repetitions, given.resamples)
        print(f"| {n} | {inside:.3f} | {beyond:.3f} |", flush=True)


if __name__ == "__main__":
    main()
