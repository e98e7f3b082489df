"""Scaling: test error against samples, cost against qubits, with fitted laws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.figures.by_factor import BANDS, PANELS, line
from qkd_study.analysis.figures.style import DASHED, MARKERS, SOLID, Style
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.scaling import Floats, PowerLaw, data, fit_cost
from qkd_study.analysis.scaling.cost_table import SIZES, trials_of

#: Colours of depths; markers and dashes differ too.
SHADES = ("#08306B", "#3C8DC5", "#41AB5D", "#E69F00")
DASHES = SOLID + DASHED


def error_scaling(results: RunTables, title: str | None = None) -> Figure:
    """Test error (per cent, logarithmic) against training samples K (logarithmic) per arm.

    Points are means over confirm replicates with 95 % intervals; lines are the fitted power
    laws floor + a K^-b where there are three K with the same replicates; else they join points.

    Raises:
        InputError: samples are no factor with two values that have confirm runs.
    """
    found = values.scores(results, "metric.test_accuracy")
    every = values.slices(results, "samples")
    some = [(label, along) for label, along in every if _ready(along, found, results.arms)]
    if not some:
        raise values.NothingToDraw(f"{results.name} has no confirm runs at two or more samples.")
    shown = some[:PANELS]
    figure, panels = layout.sheet([label for label, _ in shown], title=title)
    looks = values.looks_of(results)
    fitted = []
    drawn: list[float] = []
    for axes, (_, along) in zip(panels, shown, strict=True):
        for arm, look in looks.items():
            own = [(float(k), found[cell, arm]) for k, cell in along if (cell, arm) in found]
            own = [(k, values.PlotInterval(100 - r.mid, 100 - r.high, 100 - r.low)) for k, r in own]
            own = [(k, r) for k, r in own if r.mid > 0]  # no error has no logarithm
            if not own:
                continue
            drawn += [r.mid for _, r in own]
            law = data.fitted(results, along, arm, resamples=1)
            curve = law[0] if law else None
            _with_law(axes, own, arm, look, curve, filled=len(looks) <= BANDS)
            fitted.append(law is not None)
        layout.amounts(axes, results.factors["samples"], doubling=True)
        layout.logarithmic(axes, "y", drawn)
    layout.label(panels, values.axis_of("config.samples"), "test error (%)")
    notes = []
    if any(fitted):
        notes.append("Lines: fitted power laws, floor + a K^-b")
    if len(shown) < len(some):
        notes.append(f"The first {len(shown)} of {len(every)} combinations of factors are shown")
    layout.arm_key(figure, looks, notes)
    return layout.describe(
        figure,
        f"Test error against training samples on logarithmic axes, for {', '.join(looks)}; "
        f"from {min(drawn):.3g} to {max(drawn):.3g} %.",
    )


def cost_scaling(
    results: RunTables,
    cost: str = "cost.seconds_train",
    arm: str | None = None,
    title: str | None = None,
) -> Figure:
    """A cost (its unit, logarithmic) against qubits, a line per depth, of one arm.

    Points are medians over all runs that finished, bars the quartiles. Panels are the training
    samples K. Thin lines are the fitted law c0 + c1 depth K r^qubits, where it can be fitted.

    Args:
        results: the run.
        cost: a column `cost.*`.
        arm: whose runs; the baseline's, else the first arm's.
        title: of the figure.

    Raises:
        InputError: there are no runs with two or more numbers of qubits.
    """
    arm = arm or results.baseline or results.arms[0]
    columns = ["config.qubits", "config.depth", "config.samples", cost]
    runs = results.student_runs
    runs = runs[(runs["status"] == "ok") & (runs["arm"] == arm) & (runs[cost] > 0)]
    runs = runs.dropna(subset=columns)
    rows = runs[columns].astype(float)
    if rows["config.qubits"].nunique() < 2:
        raise values.NothingToDraw(f"{results.name} has no runs of {arm} at two or more qubits.")
    groups = trials_of(runs, SIZES)
    law = _cost_law(rows.to_numpy(), groups)
    samples = sorted(rows["config.samples"].unique())
    depths = sorted(rows["config.depth"].unique())
    shown = samples[:PANELS]
    titles = [f"{values.name_of('samples')} = {k:g}" for k in shown]
    figure, panels = layout.sheet(titles, title=title)
    looks = {
        depth: Style(SHADES[i % len(SHADES)], MARKERS[i % len(MARKERS)], DASHES[i % 6])
        for i, depth in enumerate(depths)
    }
    for axes, k in zip(panels, shown, strict=True):
        for depth, look in looks.items():
            own = rows[(rows["config.samples"] == k) & (rows["config.depth"] == depth)]
            if own.empty:
                continue
            by = own.groupby("config.qubits")[cost]
            ends = by.quantile([0.25, 0.5, 0.75]).unstack()
            at = ends.index.to_numpy(dtype=float)
            axes.vlines(at, ends[0.25], ends[0.75], color=look.colour, linewidth=1.2)
            joined = look.points() if law else look.line()
            axes.plot(at, ends[0.5], label=f"depth {depth:g}", **joined)
            if law:
                grid = np.linspace(at.min(), at.max(), 60)
                fit = [law(q, depth, k) for q in grid]
                (curve,) = axes.plot(grid, fit, color=look.colour, label=f"law {depth:g}")
                curve.set(linestyle=look.dash, linewidth=1)
        layout.amounts(axes, rows["config.qubits"].unique().tolist(), doubling=False)
        layout.logarithmic(axes, "y", rows[cost])
    layout.label(panels, "qubits", values.axis_of(cost))
    notes = [f"Runs of {arm}; medians and quartiles"]
    if law:
        notes.append("Lines: fitted c0 + c1 depth K r^qubits")
    entries = [(f"depth {depth:g}", Line2D([], [], **look.line())) for depth, look in looks.items()]
    layout.key(figure, entries, notes)
    return layout.describe(
        figure,
        f"{values.name_of(cost)} of {arm} against qubits, a line per depth; "
        f"medians over runs, from {rows[cost].min():.3g} to {rows[cost].max():.3g}.",
    )


def _ready(along: list[tuple[float, str]], found: values.PlotIntervals, arms: list[str]) -> bool:
    return any(sum((cell, arm) in found for _, cell in along) > 1 for arm in arms)


def _with_law(
    axes: Axes,
    own: list[tuple[float, values.PlotInterval]],
    arm: str,
    look: Style,
    law: PowerLaw | None,
    *,
    filled: bool,
) -> None:
    at = [k for k, _ in own]
    line(axes, at, [r for _, r in own], arm, look, filled=filled)
    if law is not None:
        axes.lines[-1].set_linestyle("none")
        grid = np.geomspace(min(at), max(at), 60)
        curve = [100 * law.predict(k).value for k in grid]
        (drawn,) = axes.plot(grid, curve, color=look.colour, linewidth=1.2, label=f"law {arm}")
        drawn.set_linestyle(look.dash)


def _cost_law(
    rows: Floats, groups: NDArray[np.int64]
) -> Callable[[float, float, float], float] | None:
    qubits, depth, samples, cost = rows.T
    try:
        law = fit_cost(cost=cost, qubits=qubits, depth=depth, samples=samples, groups=groups)
    except ValueError:
        return None
    return lambda q, d, k: law.predict(qubits=q, depth=d, samples=k).value
