"""Effects of the number of samples: gains per doubling, data-efficiency factors, error laws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.claims.arms import adjusted
from qkd_study.analysis.run_tables import RunTables, label
from qkd_study.analysis.scaling import Floats, PowerLaw, fit_error
from qkd_study.analysis.scaling.error_law import EXPONENTS
from qkd_study.analysis.statistics import data_efficiency, slope_per_doubling

ACCURACY = "metric.test_accuracy"


def slopes(results: RunTables, factor: str = "samples") -> pd.DataFrame:
    """How the gain over the baseline changes per doubling of an amount, such as K.

    Args:
        results: the run.
        factor: the amount: a factor with numbers above zero.

    Returns:
        Per arm and combination of the other factors (`where`): amounts (a tuple), n (replicates
        that both arms have at all of them), left_out (replicates without), slope (accuracy per
        doubling), its t interval `low` to `high`, p and p_holm (over this table). No rows where
        fewer than two amounts were confirmed.
    """
    rows = []
    for where, arm, amounts, ours, theirs, left_out in _against_baseline(results, factor):
        found = slope_per_doubling(amounts, ours - theirs)
        rows.append(
            {
                "where": where,
                "arm": arm,
                "amounts": tuple(amounts),
                "n": found.n,
                "left_out": left_out,
                "slope": found.slope,
                "low": found.low,
                "high": found.high,
                "p": found.p,
            }
        )
    names = ["where", "arm", "amounts", "n", "left_out", "slope", "low", "high", "p", "p_holm"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(p_holm=adjusted(table["p"]))


def efficiency(results: RunTables) -> pd.DataFrame:
    """The data-efficiency factor: how many times K the baseline needs to match each arm at K.

    Returns:
        Per arm, combination of the other factors (`where`) and K (`samples`): factor, bound (`=`,
        `>`: the baseline never reaches it, `<`: it does so below its smallest K), its
        interval `low` to `high` (0 and inf are open ends), n and left_out as in `slopes`.
    """
    rows: list[dict[str, Any]] = []
    for where, arm, amounts, ours, theirs, left_out in _against_baseline(results, "samples"):
        found = data_efficiency(amounts, theirs, ours)
        columns = zip(amounts, found.factor, found.bound, found.low, found.high, strict=True)
        rows += [
            {
                "where": where,
                "arm": arm,
                "samples": int(k),
                "factor": factor,
                "bound": bound,
                "low": low,
                "high": high,
                "n": found.n,
                "left_out": left_out,
            }
            for k, factor, bound, low, high in columns
        ]
    names = ["where", "arm", "samples", "factor", "bound", "low", "high", "n", "left_out"]
    return pd.DataFrame(rows, columns=names)


def error_laws(results: RunTables, at: float | None = None) -> pd.DataFrame:
    """Test error of each arm as floor + scale * K^-exponent, and its prediction for another K.

    Args:
        results: the run.
        at: K to predict for; default: twice the largest that was run.

    Returns:
        Per arm and combination of the other factors (`where`) with three or more K: amounts, n,
        left_out, floor, exponent and the error predicted at `samples`, each with `_low` and
        `_high`; scale, r_squared, residual (the largest, signed), extrapolated (whether `samples`
        lies outside of what was run), law_holds (False: the exponent ended at a limit of the
        search, or no error fell with K), and law, the fit itself.
    """
    rows: list[dict[str, Any]] = []
    for where, along in results.along("samples") if "samples" in results.factors else ():
        for arm in results.arms:
            found = fitted(results, along, arm)
            if found is None:
                continue
            law, left_out = found
            k = 2 * max(law.amounts) if at is None else at
            prediction = law.predict(k)
            exponent = law.exponent.value
            low, high = EXPONENTS
            inside = low * 1.01 < exponent < high * 0.99 and law.scale.value > 0
            rows.append(
                {
                    "where": label(where),
                    "arm": arm,
                    "amounts": law.amounts,
                    "n": law.replicates,
                    "left_out": left_out,
                    **_estimate("floor", law.floor),
                    "scale": law.scale.value,
                    **_estimate("exponent", law.exponent),
                    "r_squared": law.r_squared,
                    "residual": max(law.residuals, key=abs),
                    "samples": k,
                    **_estimate("error", prediction),
                    "extrapolated": prediction.extrapolated,
                    "law_holds": inside,
                    "law": law,
                }
            )
    return pd.DataFrame(rows)


def fitted(
    results: RunTables, along: list[tuple[Any, str]], arm: str, *, resamples: int = 1000
) -> tuple[PowerLaw, int] | None:
    """The law of an arm and the number of left-out replicates; `None` below three amounts."""
    amounts, (scores,), left_out = _complete(results, along, [arm])
    if len(amounts) < 3 or not len(scores):
        return None
    return fit_error(amounts, 1 - scores, resamples=resamples), left_out


def _estimate(name: str, found: Any) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _against_baseline(
    results: RunTables, factor: str
) -> Iterator[tuple[str, str, list[float], Floats, Floats, int]]:
    """Combination of the other factors, arm, amounts, both sides' scores, replicates left out."""
    base = results.baseline
    if base is None or results.confirmed.empty or factor not in results.factors:
        return
    for where, along in results.along(factor):
        for arm in (name for name in results.arms if name != base):
            amounts, (ours, theirs), left_out = _complete(results, along, [arm, base])
            if len(amounts) > 1 and len(ours):
                yield label(where), arm, amounts, ours, theirs, left_out


def _complete(
    results: RunTables, along: list[tuple[Any, str]], arms: list[str]
) -> tuple[list[float], list[Floats], int]:
    """Amounts with two or more shared replicates; scores of those that are in all of them."""
    wide = results.scores(ACCURACY)[arms]
    cells = set(wide.index.get_level_values("cell"))
    shared = {float(k): wide.loc[cell].dropna() for k, cell in along if cell in cells}
    shared = {k: rows for k, rows in sorted(shared.items()) if len(rows) > 1}
    if not shared:
        return [], [np.empty((0, 0))] * len(arms), 0
    sides = pd.concat(shared, axis=1)
    complete = sides.dropna()
    scores = [complete.xs(arm, axis=1, level=1).to_numpy(dtype=float) for arm in arms]
    return list(shared), scores, len(sides) - len(complete)
