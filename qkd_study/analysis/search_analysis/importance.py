"""The importance of the searched parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qkd_study.analysis.search_analysis.configurations import (
    CELL_ARM,
    DeclaredRanges,
    column,
    configurations,
    varied,
)

#: With fewer complete configurations, there are no importances.
LEAST_CONFIGURATIONS = 4
#: Of more configurations, so many are drawn: the time grows with the square of their number.
MOST_CONFIGURATIONS = 150
#: Trees of the random forest: half of Optuna's number, in half the time.
TREES = 32
#: The value of the column `cell` if all cells are pooled.
ALL_CELLS = "all cells"


def parameter_importance(
    runs: pd.DataFrame, parameters: DeclaredRanges, *, pooled: bool = False, seed: int = 0
) -> pd.DataFrame:
    """How much of the variation of the validation scores each searched parameter explains.

    Functional ANOVA on a random forest (Hutter et al. 2014, PMLR 32(1):754), by Optuna: a
    parameter's importance is the variance of the score over it alone, averaged over all others,
    and those of an arm sum to 1. Interactions and stopped configurations are left out. A search
    samples more where scores are good, so importances from few configurations are
    coarse: in random data, too, some parameter is the most important. Of more than 150
    configurations, 150 are drawn at random.

    Logarithmic parameters enter as logarithms. Optuna itself would average over them uniformly in
    their value, where the top decade is nine tenths of the range.

    Args:
        runs: the `runs` table.
        parameters: the search space, as `declaration["search"]` of study.json.
        pooled: one result per arm from all its cells, each score minus the mean of its cell;
            otherwise one per cell and arm.
        seed: of the random forest, and of that draw.

    Returns:
        cell (or "all cells"), arm, parameter, importance, configurations (how many it is from) and
        reason: why the importance is nan, else null. Most important first.

    Raises:
        ValueError: a parameter's kind is unknown.
    """
    found = configurations(runs)
    tried = varied(found, parameters)
    complete = found[found["score"].notna()]
    if pooled:
        means = complete.groupby(CELL_ARM)["score"].transform("mean")
        complete = complete.assign(score=complete["score"] - means)
        found, complete = found.assign(cell=ALL_CELLS), complete.assign(cell=ALL_CELLS)
    rows: list[dict[str, Any]] = []
    key: Any
    for key, _ in found.groupby(CELL_ARM):
        cell, arm = key
        own = complete[(complete["cell"] == cell) & (complete["arm"] == arm)]
        if len(own) > MOST_CONFIGURATIONS:
            own = own.sample(MOST_CONFIGURATIONS, random_state=seed).sort_index()
        names = [n for n in parameters if n in tried[arm]]
        values, reason = _importances(own, {n: parameters[n] for n in names}, seed)
        rows_of_arm = [
            {
                "cell": cell,
                "arm": arm,
                "parameter": name,
                "importance": values.get(name, math.nan),
                "configurations": len(own),
                "reason": reason if name in names else "not varied in this arm",
            }
            for name in parameters
        ]
        rows += sorted(rows_of_arm, key=lambda row: -np.nan_to_num(row["importance"], nan=-1))
    columns = ["cell", "arm", "parameter", "importance", "configurations", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"importance": float})


def _importances(
    found: pd.DataFrame, parameters: DeclaredRanges, seed: int
) -> tuple[dict[str, float], str | None]:
    """Importances by parameter, or none and the reason."""
    if len(found) < LEAST_CONFIGURATIONS:
        return {}, f"{len(found)} complete configurations, fewer than {LEAST_CONFIGURATIONS}"
    if np.ptp(found["score"]) < 1e-9:
        return {}, "all configurations score alike"
    if not any(found[column(name)].nunique() > 1 for name in parameters):
        return {}, "no parameter varies between the complete configurations"
    # Here, since it imports scikit-learn, which takes a second.
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    encoded = {n: _encoded(found[column(n)], space) for n, space in parameters.items()}
    outside = [n for n, (_, values) in encoded.items() if None in values]
    if outside:
        return {}, f"values outside of the declared range: {', '.join(outside)}"
    if len(parameters) == 1:
        return dict.fromkeys(parameters, 1.0), None
    spaces = {name: space for name, (space, _) in encoded.items()}
    trials = [
        optuna.trial.create_trial(
            value=float(score),
            params={name: values[i] for name, (_, values) in encoded.items()},
            distributions=spaces,
        )
        for i, score in enumerate(found["score"])
    ]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
        study.add_trials(trials)
        evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
        return get_param_importances(study, evaluator=evaluator), None
    except RuntimeError as error:  # no tree of the forest found anything to split
        return {}, str(error)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _encoded(values: pd.Series[Any], space: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """The distribution and values of a parameter for fANOVA; `None` for values out of range."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if space["kind"] == "Choice":
        choices = list(space["values"])
        numbers = [choices.index(v) if v in choices else None for v in values]
        return CategoricalDistribution(range(len(choices))), numbers
    log = space["kind"] == "LogFloat"
    low, high = (math.log(space[e]) if log else float(space[e]) for e in ("low", "high"))
    # An integer stands for the interval of length 1 around it, at the ends of the range too.
    margin = 0.5 if space["kind"] == "Int" else 1e-9 * (high - low)
    points = [math.log(v) if log and v > 0 else (math.nan if log else float(v)) for v in values]
    distribution = FloatDistribution(low - margin, high + margin)
    return distribution, [x if low - margin <= x <= high + margin else None for x in points]
