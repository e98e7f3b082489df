"""The figures of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure

from qkd_study.analysis.claims.evaluate import ClaimResult, judge
from qkd_study.analysis.figures import (
    by_factor,
    forest,
    laws,
    pooled,
    reliability,
    searches,
    tradeoff,
    training,
    values,
)
from qkd_study.analysis.run_tables import COST, RunTables
from qkd_study.common.errors import InputError

#: Cells with learning curves, at most.
MOST_CELLS = 4
Drawable = tuple[str, str, Callable[[], Figure]]


def for_report(
    results: RunTables, judged: Sequence[ClaimResult] | None = None
) -> list[tuple[str, str, Figure]]:
    """Figures of a run, each with a short id and a caption of one or two plain sentences.

    What a run has no rows for, or where nothing varies, is left out; an incomplete run gives fewer.

    Args:
        results: the run.
        judged: its claims with their verdicts, if they are known.
    """
    found = []
    for name, caption, draw in _entries(results, judge(results) if judged is None else judged):
        try:
            found.append((name, caption, draw()))
        except InputError:
            continue
    return found


def _entries(results: RunTables, judged: Sequence[ClaimResult]) -> Iterator[Drawable]:
    if not results.runs.empty:
        yield (
            "verdicts",
            "Every claim: its difference with 95 % intervals, its controls, its verdict. In the "
            "grey band a difference does not matter. Verdicts are corrected for the number of "
            "claims, intervals are not.",
            partial(forest.verdicts, judged),
        )
        yield from _by_factor(results)
        yield from _pooled(results)
        yield from _scaling(results)
        yield from _others(results)
        yield from _curves(results)


def _by_factor(results: RunTables) -> Iterator[Drawable]:
    measured = set(results.confirmed["cell"])
    for factor in results.factors:
        there = {named[factor] for cell, named in results.cells.items() if cell in measured}
        if len(there) < 2:
            continue
        label = values.name_of(factor)
        yield (
            f"score-{factor}",
            f"Test accuracy of every arm against {label}: means over confirm replicates with 95 % "
            "intervals.",
            partial(by_factor.score_by_factor, results, factor),
        )
        yield (
            f"gain-{factor}",
            f"Gain in test accuracy over {results.baseline} against {label}: means of differences "
            "between the same replicates, with 95 % t intervals. An interval that "
            "excludes zero is no claim yet: there are many of them.",
            partial(by_factor.gain_by_factor, results, factor),
        )


def _pooled(results: RunTables) -> Iterator[Drawable]:
    yield (
        "pooled-gains",
        f"Gain in test accuracy over {results.baseline} in every cell (small points), its mean "
        "over cells with a 95 % interval (thick), and the 95 % interval of the gain in one more "
        "cell (dotted).",
        partial(pooled.gains_over_cells, results),
    )
    yield (
        "pooled-datasets",
        f"Gain in test accuracy over {results.baseline} on every dataset with its 95 % interval, "
        "its mean over datasets (diamond, thick), and the 95 % interval of the gain on one more "
        "dataset (dotted).",
        partial(pooled.gains_over_datasets, results),
    )


def _scaling(results: RunTables) -> Iterator[Drawable]:
    if results.confirmed["config.samples"].nunique() > 2:
        yield (
            "error-scaling",
            "Test error against training samples on logarithmic axes, with fitted power laws where "
            "an arm has three sizes. Points are means with 95 % intervals.",
            partial(laws.error_scaling, results),
        )
    yield (
        "cost-scaling",
        "Time to train a student against the qubits of the circuit, a line per depth: medians and "
        "quartiles over all runs of one arm.",
        partial(laws.cost_scaling, results),
    )
    if len(front := results.pareto()) and front[cost := results.minimised or COST].nunique() > 1:
        yield (
            "pareto",
            f"Test accuracy against {values.name_of(cost)} of every cell and arm. On the grey line "
            "nothing else is as accurate with less.",
            partial(tradeoff.pareto, results),
        )


def _others(results: RunTables) -> Iterator[Drawable]:
    if results.expected_best()["n"].max() > 1:
        yield (
            "search-curves",
            "The best validation accuracy that a search is expected to find, against the number of "
            "its configurations: means over cells and searches. A line that still rises at its end "
            "says that more trials would have found more.",
            partial(searches.search_curves, results),
        )
    yield (
        "importance",
        "Share of the variation of the validation accuracy that each searched parameter explains "
        "(fANOVA over all cells). Few configurations give coarse shares.",
        partial(_importance, results),
    )
    yield (
        "calibration",
        "Expected calibration error and negative log-likelihood on the test set, per cell and "
        "arm; less is better. Bars are 95 % intervals over confirm replicates.",
        partial(reliability.calibration, results),
    )


def _importance(results: RunTables) -> Figure:
    return tradeoff.importance(results.importance(pooled=True), values.looks_of(results))


def _curves(results: RunTables) -> Iterator[Drawable]:
    measured = set(results.confirmed["cell"])
    cells = [cell for cell in results.cells if cell in measured]
    if len(cells) > MOST_CELLS:
        cells = [cells[0], cells[-1]]
    for cell in cells:
        yield (
            f"curves-{list(results.cells).index(cell) + 1}",
            f"Validation accuracy and training cross-entropy against the epoch in {cell}: "
            "means over the confirm replicates of each arm's chosen configuration, with 95 % "
            "intervals.",
            partial(training.learning_curves, results, cell),
        )
