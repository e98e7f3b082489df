"""The report on the search: chosen configurations, importances, convergence."""

from __future__ import annotations

import pandas as pd

from qkd_study.analysis import search_analysis
from qkd_study.analysis.report.page import Subsection, Table
from qkd_study.analysis.report.tables import ARM, CELL, Show, count, percent, points, records, table
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.summary import TRIAL, in_every_cell


def search(results: RunTables) -> Subsection:
    """The search, from its own rows: validation, not the test set."""
    space = results.declaration["search"]
    used = _progress(results)
    if used.empty:
        return Subsection("The search")
    lines, tables = [_converged(used)], []
    if space:
        best = search_analysis.best_configurations(results.runs, space, results.minimised)
        edges = sorted({name for names in best["at_edge"] for name in names})
        if edges:
            lines.append(f"Chosen near an end of their range, somewhere: {', '.join(edges)}.")
        tables.append(_winners(results, best))
        tables += [] if results.minimised is None else [_front(results, results.minimised)]
        importance = results.importance(pooled=True)
        lines += _importance_lines(importance)
        tables += [_importance(importance)] if importance["importance"].notna().any() else []
    return Subsection("The search", lines, [*tables, _budget(used)])


def in_order(results: RunTables, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by cell and arm in the order of the declaration."""
    places = {cell: i for i, cell in enumerate(results.cells)}
    for shared in results.shared.values():
        for cell, branch in shared.items():
            places.setdefault(branch, places[cell])
    ranks = {"cell": places, "arm": {name: i for i, name in enumerate(results.arms)}}
    found = frame[frame["cell"].isin(ranks["cell"]) & frame["arm"].isin(ranks["arm"])]
    return found.sort_values(["cell", "arm"], key=lambda c: c.map(ranks[str(c.name)]))


def _winners(results: RunTables, best: pd.DataFrame) -> Table:
    searched = list(results.declaration["search"])
    frame = in_order(results, best)
    frame = frame.assign(edges=[", ".join(names) for names in frame["at_edge"]])
    shown = [CELL, ARM, percent("score", "validation accuracy, %")]
    for name in searched:
        words = frame[f"config.{name}"].map(lambda value: isinstance(value, str)).any()
        shown.append(Show(f"config.{name}", name, "" if words else "{:.3g}"))
    shown.append(Show("edges", "at the edge of its range"))
    note = (
        "The configuration that each cell and arm confirmed. A value within 5 % of the edge of its "
        "range is a hint to search wider."
    )
    return table("Best configuration per cell and arm", note, frame, shown)


def _front(results: RunTables, cost: str) -> Table:
    searched = [f"config.{name}" for name in results.declaration["search"]]
    runs = in_every_cell(results.student_runs.drop_duplicates(TRIAL), results.shared)
    values = runs[[*TRIAL, *(c for c in searched if c != cost)]]
    frame = in_order(results, results.pareto().merge(values, on=TRIAL))
    frame = frame.assign(front=["yes" if on else "" for on in frame["on_front"]])
    bare = cost.partition(".")[2]
    shown = [
        CELL,
        ARM,
        count("trial", "configuration"),
        count("n", "replicates"),
        count(cost, bare),
    ]
    shown += [percent("metric.test_accuracy", "test accuracy, %")]
    for name in searched:
        if name != cost:
            words = frame[name].map(lambda value: isinstance(value, str)).any()
            shown.append(Show(name, name.partition(".")[2], "" if words else "{:.3g}"))
    shown.append(Show("front", "on the front"))
    note = (
        f"Every configuration that the search chose for its accuracy or its {bare}, confirmed. On "
        "the front: no other with the same data is as accurate on the test set for less."
    )
    return table(f"Accuracy against {bare}", note, frame, shown)


def _importance(frame: pd.DataFrame) -> Table:
    wide = frame.pivot_table(index="arm", columns="parameter", values="importance", sort=False)
    parameters = wide.mean().sort_values(ascending=False).index.tolist()
    sizes = frame.groupby("arm", sort=False)["configurations"].first()
    wide = wide.assign(configurations=sizes).reset_index()
    shown = [ARM, count("configurations", "configurations")]
    shown += [percent(name, f"{name}, %", "{:.0f}") for name in parameters]
    note = (
        "Share of the variation of the validation accuracy that a searched parameter explains "
        "alone (fANOVA), all cells together, each score less the mean of its cell. Coarse with few "
        "configurations: some parameter always comes out on top. An arm with one searched "
        "parameter has 100 % whatever happened."
    )
    return table("Importance of parameters", note, wide, shown)


def _importance_lines(frame: pd.DataFrame) -> list[str]:
    known = frame.dropna(subset=["importance"])
    several = known.groupby("arm")["parameter"].transform("size") > 1
    top = known[several].sort_values("importance", ascending=False).drop_duplicates("arm")
    if top.empty:
        return []
    names = ", ".join(f"{r.parameter} in {r.arm} ({r.importance:.0%})" for r in records(top))
    return [f"What explains most of the validation accuracy: {names}."]


def _progress(results: RunTables) -> pd.DataFrame:
    budget = search_analysis.search_budget(results.runs)
    last = search_analysis.convergence(results.runs).drop_duplicates(["cell", "arm"])
    gains = last[["cell", "arm", "gain_of_last_third"]].rename(
        columns={"gain_of_last_third": "gain"}
    )
    expected = search_analysis.levelling(results.expected_best())
    expected = expected[["cell", "arm", "gain"]].rename(columns={"gain": "expected"})
    found = budget.merge(gains, on=["cell", "arm"]).merge(expected, on=["cell", "arm"], how="left")
    return in_order(results, found)


def _budget(frame: pd.DataFrame) -> Table:
    shown = [CELL, ARM, count("configurations", "configurations")]
    shown += [count(name, name) for name in ("complete", "stopped", "failed", "runs")]
    shown += [Show("seconds", "seconds", "{:.4g}"), points("gain", "gain of last third, points")]
    shown.append(points("expected", "expected gain of last third, points"))
    note = (
        "Budget used: configurations tried, of which complete, stopped early or failed; trainings "
        "begun and their time. How far the search had converged: how much the last third of the "
        "configurations improved the best validation accuracy, and how much a last third would on "
        "average, in whatever order they were tried (Dodge et al. 2019). A claim is marked if that "
        "is more than half a point in more than a quarter of what it compares."
    )
    return table("Budget and convergence", note, frame, shown)


def _converged(frame: pd.DataFrame) -> str:
    known = frame.dropna(subset=["gain"])
    if known.empty:
        return "Too few configurations per cell and arm to say how far the searches had converged."
    still = int((known["gain"] > 0.005).sum())
    most = records(known.nlargest(1, "gain"))[0]
    return (
        f"In {still} of {len(known)} searches the last third of the configurations still improved "
        f"the best validation accuracy by more than half a point; at most by "
        f"{100 * most.gain:.1f} points ({most.cell}, {most.arm})."
    )
