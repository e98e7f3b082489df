"""Cost laws of every arm, as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_study.analysis.run_tables import RunTables, label
from qkd_study.analysis.scaling import CostLaw, fit_cost

SIZES = ("qubits", "depth", "samples")
#: The size of a prediction, from the largest that was run: a doubling; two more qubits.
BEYOND: dict[str, Callable[[float], float]] = {
    "qubits": lambda most: most + 2,
    "depth": lambda most: 2 * most,
    "samples": lambda most: 2 * most,
}


def cost_laws(results: RunTables, cost: str = "cost.seconds_train") -> pd.DataFrame:
    """A cost of each arm as overhead + unit * depth * samples * ratio^qubits, from all its runs.

    The replicates of a trial are trained together and cost alike: a trial is one value of the fit.

    Args:
        results: the run.
        cost: a column `cost.*`; runs without it, or with none of it, are left out.

    Returns:
        Per arm and combination of the factors other than qubits, depth and samples (`where`), if
        any of the three varies: runs, trials, sizes (which vary), overhead and ratio (nan where it
        was not fitted) and the cost predicted at `at` (a size that was not run, beyond each that
        varies), each with `_low` and `_high`; r_squared of its logarithm, spread (the
        factor within which two thirds of the trials lie around the law), and law, the fit itself.
    """
    runs = results.student_runs
    ok = runs[(runs["status"] == "ok") & (runs[cost] > 0)]
    others = [name for name in results.factors if name not in SIZES]
    rows: list[dict[str, Any]] = []
    for where, cells in results.sliced(others):
        for arm in results.arms:
            own = ok[(ok["arm"] == arm) & ok["cell"].isin({results.branch(c, arm) for c in cells})]
            sizes = [n for n in SIZES if own[f"config.{n}"].nunique() > 1]
            own = own.dropna(subset=[f"config.{name}" for name in sizes])
            if not sizes:
                continue
            inputs: dict[str, Any] = {
                name: own[f"config.{name}"].to_numpy(dtype=float) for name in sizes
            }
            groups = trials_of(own, sizes)
            try:
                law = fit_cost(cost=own[cost].to_numpy(dtype=float), groups=groups, **inputs)
            except ValueError:  # the product of the sizes does not vary
                continue
            at = {name: BEYOND[name](float(v.max())) for name, v in inputs.items()}
            keys = {"where": label(where), "arm": arm, "runs": len(own)}
            rows.append({**keys, "trials": len(law.residuals), **_row(law, at)})
    return pd.DataFrame(rows)


def trials_of(runs: pd.DataFrame, sizes: Sequence[str]) -> NDArray[np.int64]:
    """(n,): the number of the trial that each run of an arm is a replicate of."""
    keys = ["phase", "cell", "trial", *(f"config.{name}" for name in sizes)]
    return np.asarray(runs.groupby(keys, dropna=False).ngroup(), dtype=np.int64)


def _row(law: CostLaw, at: dict[str, float]) -> dict[str, Any]:
    prediction = law.predict(**at)
    row: dict[str, Any] = {"sizes": tuple(at)}
    for name, found, fitted in (
        ("overhead", law.overhead, law.overhead_fitted),
        ("ratio", law.ratio, law.ratio_fitted),
        ("predicted", prediction, True),
    ):
        value = found.value if fitted else float("nan")
        row |= {name: value, f"{name}_low": found.low, f"{name}_high": found.high}
    return {
        **row,
        "at": ", ".join(f"{name} = {value:g}" for name, value in at.items()),
        "r_squared": law.r_squared,
        "spread": float(np.exp(np.quantile(np.abs(law.residuals), 2 / 3))),
        "law": law,
    }
