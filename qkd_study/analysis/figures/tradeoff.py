"""Accuracy against cost, and the importance of parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkd_study.analysis.figures import layout, values
from qkd_study.analysis.figures.style import Style, styles
from qkd_study.analysis.run_tables import COST, DATA, RunTables
from qkd_study.analysis.scaling.data import ACCURACY
from qkd_study.analysis.search_analysis import confirmed_front, pareto_front
from qkd_study.analysis.summary import in_every_cell

PANELS = 6
NAMED = 8


def pareto(results: RunTables, cost: str | None = None, title: str | None = None) -> Figure:
    """Test accuracy (per cent) against a cost (logarithmic) of every cell and arm.

    Of a study with two objectives, every configuration that it chose is a point.

    Points are means over confirm replicates, bars 95 % intervals of the accuracy. The line joins
    the front: no other point is as accurate for less. Its points are numbered and named below.
    What had other data has a panel of its own.

    Args:
        results: the run.
        cost: a column; default: what the study minimised, else `cost.parameters`.
        title: of the figure.

    Raises:
        InputError: there are no confirm runs with the cost.
    """
    two = results.minimised
    cost = cost or two or COST
    chosen = results.confirmed
    if two is not None:
        chosen = in_every_cell(confirmed_front(results.runs, two), results.shared)
    rows = [
        {
            "cell": cell,
            "arm": arm,
            "name": f"{arm}, {cell}" + (f", configuration {trial}" if two else ""),
            "cost": own[cost].mean(),
            **values.interval(own[ACCURACY], ACCURACY)._asdict(),
        }
        for (cell, arm, trial), own in chosen.groupby(["cell", "arm", "trial"])
        if cell in results.cells and own[ACCURACY].notna().any()
    ]
    table = pd.DataFrame(rows, columns=["cell", "arm", "name", "cost", "mid", "low", "high"])
    table = table[table["cost"] > 0].sort_values(["cost", "mid"])
    if table.empty:
        raise values.NothingToDraw(f"no confirm run of {results.name} has {cost} above 0.")
    table["data"] = [
        values.titled({k: v for k, v in results.cells[cell].items() if k in DATA})
        for cell in table["cell"]
    ]
    # A point that cells of one panel share is drawn once.
    branch = [results.branch(c, a) for c, a in zip(table["cell"], table["arm"], strict=True)]
    point = ["data", "branch", "arm", "cost", "mid"]
    table = table.assign(branch=branch).drop_duplicates(point)
    every = [d for d in dict.fromkeys(_data_of(results)) if d in set(table["data"])]
    looks = {a: v for a, v in values.looks_of(results).items() if a in set(table["arm"])}
    figure, panels = layout.sheet(every[:PANELS], title=title)
    fronts = []
    for axes, data in zip(panels, every, strict=False):
        own = table[table["data"] == data]
        _points(axes, own, looks)
        front = own[pareto_front(own, maximise=["mid"], minimise=["cost"])]
        front = front.sort_values("cost")
        ends = [*front["cost"], own["cost"].max()]
        heights = [*front["mid"], front["mid"].iloc[-1]]
        (line,) = axes.step(ends, heights, where="post", label="front")
        line.set(color=layout.GREY, linewidth=1.2, zorder=1.5)
        fronts.append((axes, front))
        layout.logarithmic(axes, "x", table["cost"])
        axes.margins(x=0.15, y=0.1)
    layout.label(panels, values.axis_of(cost), "test accuracy (%)")
    notes = [
        "Grey line: the front; no other point is as accurate for less",
        *_number_points(fronts),
    ]
    if len(every) > PANELS:
        notes.append(f"The first {PANELS} of {len(every)} amounts of data are shown")
    layout.arm_key(figure, looks, notes, lines=False)
    best = table.sort_values("mid").iloc[-1]
    return layout.describe(
        figure,
        f"Test accuracy against {values.name_of(cost)} of every cell and arm, with the front. "
        f"Most accurate: {best['mid']:.1f} % at {best['cost']:g} ({best['arm']}, {best['cell']}).",
    )


def _data_of(results: RunTables) -> list[str]:
    cells = results.cells.values()
    return [values.titled({k: v for k, v in named.items() if k in DATA}) for named in cells]


def _points(axes: Axes, table: pd.DataFrame, looks: dict[str, Style]) -> None:
    for arm, look in looks.items():
        own = table[table["arm"] == arm]
        if own.empty:
            continue
        sure = own[np.isfinite(own["low"])]
        at, low, high = (sure[name].to_numpy() for name in ("cost", "low", "high"))
        bars = axes.vlines(at, low, high, color=look.colour, label=arm)
        bars.set(linewidth=0.8, alpha=0.6)
        axes.plot(own["cost"].to_numpy(), own["mid"].to_numpy(), label=arm, **look.points(5.5))


def _number_points(fronts: list[tuple[Axes, pd.DataFrame]]) -> list[str]:
    """Number the points of fronts, or the best of each if there are many; returns the names."""
    if sum(len(front) for _, front in fronts) > NAMED:
        fronts = [(axes, front.tail(1)) for axes, front in fronts]
    names: list[str] = []
    for axes, front in fronts:
        for _, row in front.iterrows():
            names.append(f"{len(names) + 1}: {row['name']}")
            number = axes.annotate(
                str(len(names)), (row["cost"], row["mid"]), (-5, 4), textcoords="offset points"
            )
            number.set(fontsize=layout.SMALL, horizontalalignment="right")
    return names


def importance(
    frame: pd.DataFrame, looks: dict[str, Style] | None = None, title: str | None = None
) -> Figure:
    """Share of the validation accuracy's variation that each searched parameter explains, per arm.

    Arms with a single searched parameter are left out: theirs is 1 whatever happened.

    Args:
        frame: of `search_analysis.parameter_importance`: `arm`, `parameter`, `importance`; several
            rows of a parameter, which are those of cells, are averaged.
        looks: of the run's arms, so that colours are those of its other figures.
        title: of the figure.

    Raises:
        InputError: no arm has importances of two or more parameters.
    """
    means = frame.dropna(subset=["importance"]).groupby(["arm", "parameter"])["importance"].mean()
    known = means.groupby("arm").size()
    arms = [arm for arm in dict.fromkeys(frame["arm"]) if known.get(arm, 0) > 1]
    if not arms:
        raise values.NothingToDraw("no arm has importances of two or more parameters.")
    given = looks or styles(arms)
    arms = [arm for arm in given if arm in arms]
    means = means[means.index.get_level_values("arm").isin(arms)]
    parameters = means.groupby("parameter").mean().sort_values().index.tolist()
    figure, panels = layout.sheet(arms, title=title, height=1.8 + 0.55 * len(parameters))
    for axes, arm in zip(panels, arms, strict=True):
        own = means[arm].reindex(parameters).dropna()
        look = given[arm]
        rows = [parameters.index(name) for name in own.index]
        for bar in axes.barh(rows, own.to_numpy(), height=0.65, label=arm):
            bar.set(facecolor=look.face, edgecolor=look.colour)
            bar.set_hatch("////" if look.control else "")
        axes.grid(False, axis="y")
    panels[0].set_yticks(range(len(parameters)), [values.name_of(p) for p in parameters])
    panels[0].set_xlim(left=0)
    layout.label(panels, "share of the variation", "")
    top = means.groupby("arm").idxmax()
    names = "; ".join(f"{arm}: {top[arm][1]} {means[top[arm]]:.2f}" for arm in arms)
    return layout.describe(figure, f"Bars: importance of parameters per arm. Highest, {names}.")
