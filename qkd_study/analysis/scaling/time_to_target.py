"""Epochs to a target, of every arm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.claims.arms import adjusted
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics import compare_epochs

#: The default target: this share of the baseline's best mean accuracy.
SHARE = 0.95


def epochs(results: RunTables, target: float | None = None) -> pd.DataFrame:
    """Epochs until validation accuracy first reaches a target, every arm against the baseline.

    Only epochs that were validated count; where that is the last alone, nothing is said.
    Runs that never reach it are censored; arms are compared by restricted means, see
    `statistics.compare_epochs`.

    Args:
        results: the run.
        target: an accuracy between 0 and 1; default: those of the claims about epochs, or without
            any, per cell, 95 % of the best mean accuracy that the baseline had in any epoch.

    Returns:
        cell, arm, target, declared (whether a claim named it), pairs, limit (epochs that all were
        trained for), reached and base_reached (shares), epochs and base_epochs (restricted
        means), difference, its t interval `low` to `high`, p (paired t, as of claims) and p_holm
        (over this table).
    """
    base, curves = results.baseline, results.confirmed_curves
    rows: list[dict[str, Any]] = []
    if base is not None:
        for cell in results.cells:
            here = curves[curves["cell"] == cell]
            # One row per arm and replicate, one column per epoch.
            wide = here.pivot_table(
                index=["arm", "replicate"], columns="epoch", values="metric.val_accuracy"
            )
            by_arm = {str(arm): own.droplevel("arm") for arm, own in wide.groupby(level="arm")}
            if base not in by_arm:
                continue
            for goal, declared in _targets(results, by_arm[base], target):
                for arm in (a for a in results.arms if a != base and a in by_arm):
                    found = _compared(by_arm[arm], by_arm[base], goal)
                    if found:
                        keys = {"cell": cell, "arm": arm, "target": goal, "declared": declared}
                        rows.append({**keys, **found})
    names = ["cell", "arm", "target", "declared", "pairs", "limit", "reached", "base_reached"]
    names += ["epochs", "base_epochs", "difference", "low", "high", "p", "p_holm"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(p_holm=adjusted(table["p"]))


def _targets(
    results: RunTables, base: pd.DataFrame, target: float | None
) -> list[tuple[float, bool]]:
    if target is not None:
        return [(target, False)]
    claims = [entry["claim"] for entry in results.manifest.get("claims", [])]
    declared = {c["target"] for c in claims if c["metric"] == "epochs_to_target"}
    return [(t, True) for t in sorted(declared)] or [(SHARE * float(base.mean().max()), False)]


def _compared(arm: pd.DataFrame, base: pd.DataFrame, target: float) -> dict[str, Any] | None:
    shared = arm.index.intersection(base.index)
    ours, theirs = arm.loc[shared], base.loc[shared]
    if min((int(side.notna().sum(axis=1).min()) for side in (ours, theirs)), default=0) < 2:
        return None
    # Shorter curves end in nan: all runs are observed as long as the shortest.
    limit = min(_last(ours), _last(theirs))
    found = compare_epochs(_first(ours, target), _first(theirs, target), limit)
    return {
        "pairs": found.n,
        "limit": limit,
        "reached": found.treated_reached,
        "base_reached": found.control_reached,
        "epochs": found.treated,
        "base_epochs": found.control,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
    }


def _last(curves: pd.DataFrame) -> int:
    """The last epoch of the shortest curve."""
    there = curves.notna().to_numpy()
    last = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    return int(curves.columns.to_numpy()[last].min())


def _first(curves: pd.DataFrame, target: float) -> list[float | None]:
    reached = (curves >= target).to_numpy()
    at = curves.columns.to_numpy()[reached.argmax(axis=1)]
    return [float(e) if any_ else None for e, any_ in zip(at, np.any(reached, axis=1), strict=True)]
