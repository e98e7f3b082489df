"""Do intervals cover and tests reject as often as they say? Simulated replicates, known truth.

    python -m benchmarks.coverage --repetitions 4000
    python -m benchmarks.coverage --report 200
    python -m benchmarks.coverage --laws 150

Prints shares for a nominal 95%: how often each interval of `paired_difference` holds the true mean
difference of zero, and how often each test rejects it; then how often that of `data_efficiency`
holds the true factor of 2, inside the baseline's curve and beyond its end. Differences: normal;
skewed, exponential less its mean; discrete, two accuracies near 0.99 on 597 samples, many of them
tied. Skewed differences are not symmetric, so Wilcoxon's null hypothesis is false for them.

Then how often the interval of a mean accuracy holds the true one (`share_interval`, and Student's
cut at 0 and 1), for few replicates and near 1: accuracies on 597 samples, whose expectations are
beta-distributed.

With --laws, how often the intervals of `fit_error` hold the true floor, scale, exponent and error
at twice the largest K, with a floor and without one.

With --report, made runs with a known gain go through the report: how often the intervals that it
shows hold that gain, and how often an arm that gains nothing is given a gain.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_study.analysis import judge, mean_interval, share_interval
from qkd_study.analysis.report.page import Table, TableCell
from qkd_study.analysis.report.scores import scores
from qkd_study.analysis.scaling import fit_error
from qkd_study.analysis.statistics import data_efficiency, paired_difference
from tests.analysis.made import made_results

REPLICATES = (5, 10, 20, 30)
GAINS_AND_CLAIMS = ("Scores on the test set", "The claims, contrast by contrast")
AMOUNTS = (10, 20, 40, 80, 160)
#: Mean accuracies, and the standard deviation between replicates.
ACCURACIES = ((0.5, 0.05), (0.5, 0.15), (0.9, 0.08), (0.95, 0.04), (0.99, 0.008))
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


def laws(n: int, floor: float, sizes: int, repetitions: int) -> list[float]:
    """Shares of intervals of `fit_error` that hold floor, scale, exponent and a prediction."""
    rng = np.random.default_rng([7, n, sizes])
    amounts = 20.0 * 2.0 ** np.arange(sizes)
    beyond = 2 * amounts[-1]
    held: list[NDArray[np.bool_]] = []
    for seed in range(repetitions):
        common = rng.normal(0, 0.01, (n, 1))  # the samples of a replicate are nested
        errors = floor + 1.5 * amounts**-0.6 + common + rng.normal(0, 0.015, (n, sizes))
        law = fit_error(amounts, np.clip(errors, 0, None), seed=seed, resamples=400)
        ahead = law.predict(beyond)
        found = [(f.low, f.high) for f in (law.floor, law.scale, law.exponent)]
        truth = np.array([floor, 1.5, 0.6, floor + 1.5 * beyond**-0.6])
        ends = np.array([*found, (ahead.low, ahead.high)]).T
        held.append((ends[0] <= truth) & (truth <= ends[1]))
    return [float(share) for share in np.mean(held, axis=0)]


def shares(mean: float, sd: float, n: int, repetitions: int) -> list[float]:
    """How often `share_interval` and the t interval hold a mean accuracy, and median widths."""
    rng = np.random.default_rng([597, n])
    size = mean * (1 - mean) / sd**2 - 1
    truth = rng.beta(mean * size, (1 - mean) * size, (repetitions, n))
    held: list[list[float]] = []
    for values in rng.binomial(597, truth) / 597:
        logit, plain = share_interval(values), mean_interval(values)
        low, high = max(plain.low, 0.0), min(plain.high, 1.0)
        held.append(
            [
                logit.low <= mean <= logit.high,
                low <= mean <= high,
                logit.high - logit.low,
                high - low,
            ]
        )
    table = np.array(held, dtype=float)
    return [*table[:, :2].mean(axis=0), *np.median(table[:, 2:], axis=0)]


def reported(repetitions: int, gain: float = 0.03) -> dict[str, tuple[float, int]]:
    """Shares of intervals in the report's own tables that hold a known gain, and of how many.

    Of runs of 12 replicates in two cells, in which `soft` and `classical-teacher` gain so much and
    `scaled-ce` nothing. The last share is of runs in which Holm's p finds a gain of `scaled-ce`.
    """
    seen: dict[str, list[bool]] = {}
    for seed in range(repetitions):
        results = made_results({"soft": gain, "classical-teacher": gain}, seed=seed)
        tables = {table.title: table for table in scores(results, judge(results)).tables}
        gains, claims = (tables[title] for title in GAINS_AND_CLAIMS)
        other = tables["Gains by other methods"]
        rows = [_named(gains, row) for row in gains.rows]
        bootstrap = {(r["cell"], r["arm"]): r for r in (_named(other, row) for row in other.rows)}
        for row in (r for r in rows if r["arm"] in ("soft", "scaled-ce")):
            truth = 100 * gain if row["arm"] == "soft" else 0.0
            held = seen.setdefault("gain in a cell, t", [])
            held.append(row["from"] <= truth <= row["to"])
            held = seen.setdefault("gain in a cell, BCa", [])
            around = bootstrap[row["cell"], row["arm"]]
            held.append(around["BCa from"] <= truth <= around["BCa to"])
        overall = _named(claims, claims.rows[0])
        seen.setdefault("claim over its cells, t", []).append(
            overall["from"] <= 100 * gain <= overall["to"]
        )
        false = [r["p, Holm"] < 0.05 for r in rows if r["arm"] == "scaled-ce"]
        seen.setdefault("a gain found that is none", []).append(any(false))
    return {name: (float(np.mean(hits)), len(hits)) for name, hits in seen.items()}


def _named(table: Table, row: Sequence[TableCell]) -> dict[str, Any]:
    return {column.name: cell.value for column, cell in zip(table.columns, row, strict=True)}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--resamples", type=int, default=1999)
    parser.add_argument("--report", type=int, metavar="N", help="N made runs through the report")
    parser.add_argument("--laws", type=int, metavar="N", help="N power laws of each kind")
    given = parser.parse_args()
    if given.laws:
        print("| n | K | floor | floor covered | scale | exponent | prediction |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for n, floor, sizes in itertools.product((5, 10, 20), (0.0, 0.1), (4, 6)):
            cells = " | ".join(f"{share:.2f}" for share in laws(n, floor, sizes, given.laws))
            print(f"| {n} | {sizes} | {floor} | {cells} |", flush=True)
        return
    if given.report:
        print("| in the report | share | of |\n| --- | ---: | ---: |")
        for name, (share, count) in reported(given.report).items():
            print(f"| {name} | {share:.3f} | {count} |")
        return
    error = np.sqrt(0.95 * 0.05 / given.repetitions)
    print(f"{given.repetitions} repetitions; standard error of a share near 0.95: {error:.4f}\n")
    print("| differences | n | BCa covers | t covers | t rejects | Wilcoxon rejects |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, draw in DIFFERENCES.items():
        for n in REPLICATES:
            found = differences(draw, n, given.repetitions, given.resamples)
            cells = " | ".join(f"{share:.3f}" for share in found.values())
            print(f"| {name} | {n} | {cells} |", flush=True)
    print("\n| accuracy | sd | n | logit covers | t covers | logit width | t width |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for mean, sd in ACCURACIES:
        for n in (2, 3, *REPLICATES):
            cells = " | ".join(f"{x:.3f}" for x in shares(mean, sd, n, given.repetitions))
            print(f"| {mean} | {sd} | {n} | {cells} |", flush=True)
    print("\n| n | factor covered | at the largest K |\n| ---: | ---: | ---: |")
    for n in REPLICATES:
        inside, beyond = factors(n, given.repetitions, given.resamples)
        print(f"| {n} | {inside:.3f} | {beyond:.3f} |", flush=True)


if __name__ == "__main__":
    main()
