"""What a search found: which parameters mattered, what won, what it cost, whether it converged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_study.analysis.summary import confirmed
from qkd_study.results import mean_score

#: Kind and bounds of each searched parameter, as `declaration["search"]` of study.json has them.
Ranges = Mapping[str, Mapping[str, Any]]

#: Fewer complete configurations than this say nothing about parameters.
LEAST_CONFIGURATIONS = 4
#: What stands in place of a cell where all cells count together.
ALL_CELLS = "all cells"
#: A value this close to an end of its range, as a share of the range, lies at its edge.
EDGE = 0.05

_BRANCH = ["cell", "arm"]
_TRIAL = [*_BRANCH, "trial"]


def _configurations(runs: pd.DataFrame) -> pd.DataFrame:
    """The search trials by cell, arm and trial: outcome, score, n, and their `config.*`."""
    search = runs[runs["phase"] == "search"]
    config = [c for c in search.columns if c.startswith("config.")]
    rows = []
    key: Any
    for key, group in search.groupby(_TRIAL, sort=True):
        statuses = set(group["status"])
        outcome = next((s for s in ("failed", "stopped") if s in statuses), "complete")
        score = mean_score(group["metric.val_accuracy"]) if outcome == "complete" else math.nan
        values = {name: group[name].iloc[0] for name in config}
        rows.append(
            dict(zip(_TRIAL, key, strict=True))
            | {"outcome": outcome, "score": score, "n": len(group), **values}
        )
    found = pd.DataFrame(rows, columns=[*_TRIAL, "outcome", "score", "n", *config])
    return found.astype({"score": float})


def _varied(found: pd.DataFrame, parameters: Ranges) -> dict[str, set[str]]:
    """By arm, the parameters of which its search tried more than one value, in any cell."""
    for name, space in parameters.items():
        if space.get("kind") not in ("Float", "LogFloat", "Int", "Choice"):
            raise ValueError(f"{name} must be Float, LogFloat, Int or Choice, but got {space!r}.")
    return {
        str(arm): {n for n in parameters if _column(n) in rows and rows[_column(n)].nunique() > 1}
        for arm, rows in found.groupby("arm")
    }


def _column(name: str) -> str:
    return f"config.{name}"


def parameter_importance(
    runs: pd.DataFrame, parameters: Ranges, *, pooled: bool = False, seed: int = 0
) -> pd.DataFrame:
    """How much of the variation of the validation scores each searched parameter explains.

    Functional ANOVA on a random forest (Hutter et al. 2014, PMLR 32(1):754), by Optuna: a
    parameter's importance is the variance of the score over it alone, averaged over all others,
    and those of an arm sum to 1. Interactions are left out, and so are configurations that were
    given up. A search lingers where scores are good, so importances of few configurations are
    coarse: from random data some parameter always comes out on top.

    Logarithmic parameters enter as logarithms. Optuna itself would average over them evenly in
    their value, where the top decade is nine tenths of the range.

    Args:
        runs: the `runs` table.
        parameters: the search space, as `declaration["search"]` of study.json.
        pooled: one answer per arm from all its cells, each score less the mean of its cell;
            otherwise one per cell and arm.
        seed: of the random forest.

    Returns:
        cell (or "all cells"), arm, parameter, importance, configurations (how many it is from) and
        reason: why the importance is nan, else null. Most important first.

    Raises:
        ValueError: a parameter's kind is unknown.
    """
    found = _configurations(runs)
    varied = _varied(found, parameters)
    complete = found[found["score"].notna()]
    if pooled:
        means = complete.groupby(_BRANCH)["score"].transform("mean")
        complete = complete.assign(score=complete["score"] - means)
        found, complete = found.assign(cell=ALL_CELLS), complete.assign(cell=ALL_CELLS)
    rows: list[dict[str, Any]] = []
    key: Any
    for key, _ in found.groupby(_BRANCH):
        cell, arm = key
        own = complete[(complete["cell"] == cell) & (complete["arm"] == arm)]
        names = [n for n in parameters if n in varied[arm]]
        values, reason = _importances(own, {n: parameters[n] for n in names}, seed)
        branch = [
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
        rows += sorted(branch, key=lambda row: -np.nan_to_num(row["importance"], nan=-1))
    columns = ["cell", "arm", "parameter", "importance", "configurations", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"importance": float})


def _importances(
    found: pd.DataFrame, parameters: Ranges, seed: int
) -> tuple[dict[str, float], str | None]:
    """Importances by parameter, or none and the reason."""
    if len(found) < LEAST_CONFIGURATIONS:
        return {}, f"{len(found)} complete configurations, fewer than {LEAST_CONFIGURATIONS}"
    if np.ptp(found["score"]) < 1e-9:
        return {}, "all configurations score alike"
    if not any(found[_column(name)].nunique() > 1 for name in parameters):
        return {}, "no parameter varies between the complete configurations"
    # Here, since it imports scikit-learn, which takes a second.
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    encoded = {n: _encoded(found[_column(n)], space) for n, space in parameters.items()}
    outside = [n for n, (_, values) in encoded.items() if None in values]
    if outside:
        return {}, f"values outside of the declared range: {', '.join(outside)}"
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
        return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed)), None
    except RuntimeError as error:  # no tree of the forest found anything to split
        return {}, str(error)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _encoded(values: pd.Series[Any], space: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """A parameter as fANOVA weighs it evenly, and its values; `None` for those out of range."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if space["kind"] == "Choice":
        choices = list(space["values"])
        numbers = [choices.index(v) if v in choices else None for v in values]
        return CategoricalDistribution(range(len(choices))), numbers
    log = space["kind"] == "LogFloat"
    low, high = (math.log(space[e]) if log else float(space[e]) for e in ("low", "high"))
    # An integer stands for the unit around it, so that those at the ends weigh no less.
    margin = 0.5 if space["kind"] == "Int" else 1e-9 * (high - low)
    points = [math.log(v) if log and v > 0 else (math.nan if log else float(v)) for v in values]
    distribution = FloatDistribution(low - margin, high + margin)
    return distribution, [x if low - margin <= x <= high + margin else None for x in points]


def best_configurations(runs: pd.DataFrame, parameters: Ranges) -> pd.DataFrame:
    """The configuration that each cell and arm confirms, and whether its search was too narrow.

    Args:
        runs: the `runs` table.
        parameters: the search space, as `declaration["search"]` of study.json.

    Returns:
        cell, arm, trial, score (mean validation accuracy), n (replicates), `config.<name>` of every
        parameter, and at_edge: a tuple of the parameters whose value lies within 5 % of the range
        from one of its ends, in the logarithm for `LogFloat`. A better value may lie beyond, unless
        the parameter itself ends there. Choices have no ends, and parameters that the arm did not
        vary, or that are null, are never listed.

    Raises:
        ValueError: a parameter's kind is unknown.
    """
    found = _configurations(runs)
    varied = _varied(found, parameters)
    best = found[found["score"].notna()].sort_values(
        [*_BRANCH, "score", "trial"], ascending=[True, True, False, True]
    )
    best = best.groupby(_BRANCH, as_index=False).head(1).reset_index(drop=True)
    edges = [
        tuple(
            n
            for n in parameters
            if n in varied[row["arm"]] and _edge(row[_column(n)], parameters[n])
        )
        for _, row in best.iterrows()
    ]
    columns = [_column(name) for name in parameters]
    kept = best.reindex(columns=[*_TRIAL, "score", "n", *columns])
    return kept.assign(at_edge=pd.Series(edges, index=kept.index, dtype=object))


def _edge(value: Any, space: Mapping[str, Any]) -> bool:
    if space["kind"] == "Choice" or pd.isna(value):
        return False
    low, high, x = float(space["low"]), float(space["high"]), float(value)
    if space["kind"] == "LogFloat":
        low, high, x = math.log(low), math.log(high), math.log(x) if x > 0 else -math.inf
    # The margin takes in values that lie on the limit but for rounding.
    return min(x - low, high - x) <= EDGE * (high - low) * (1 + 1e-9)


def search_budget(runs: pd.DataFrame) -> pd.DataFrame:
    """What the search of each cell and arm used.

    Returns:
        cell, arm, configurations (all that were tried), complete, stopped, failed (they sum to it;
        one failed replicate makes a configuration failed), runs (trainings that were begun, so
        without the replicates that a stop saved) and seconds (`cost.seconds_total` of those that
        ended well: failed ones have no time).
    """
    found = _configurations(runs)
    outcomes = {o: found["outcome"] == o for o in ("complete", "stopped", "failed")}
    counts = found.assign(configurations=1, **outcomes).groupby(_BRANCH)
    search = runs[runs["phase"] == "search"]
    used = search.assign(runs=search["status"] != "stopped").rename(
        columns={"cost.seconds_total": "seconds"}
    )
    table = counts[["configurations", *outcomes]].sum().astype(int)
    sums = used.groupby(_BRANCH)[["runs", "seconds"]].sum()
    return table.join(sums.astype({"runs": int, "seconds": float})).reset_index()


def convergence(runs: pd.DataFrame) -> pd.DataFrame:
    """The best score so far after each configuration, in the order in which they were suggested.

    Returns:
        cell, arm, trial, score (nan if not complete), best (so far) and gain_of_last_third: the
        best of all less the best before the last third of the configurations (rounded down), the
        same in all rows of a cell and arm. Near 0 means that more trials are unlikely to help; nan
        with fewer than three configurations or none complete before the last third. Scores are
        those that the search chose by: the best of many is too high by chance.
    """
    found = _configurations(runs)[[*_TRIAL, "score"]]
    best = found.groupby(_BRANCH)["score"].cummax()
    found = found.assign(best=best.groupby([found["cell"], found["arm"]]).ffill())

    def gain(values: pd.Series[float]) -> float:
        last = len(values) // 3
        return float(values.iloc[-1] - values.iloc[-last - 1]) if last else math.nan

    gains = found.groupby(_BRANCH)["best"].agg(gain).rename("gain_of_last_third").astype(float)
    return found.join(gains, on=_BRANCH)


def pareto_front(
    points: pd.DataFrame, *, maximise: Sequence[str] = (), minimise: Sequence[str] = ()
) -> NDArray[np.bool_]:
    """Which rows no other row dominates: as good in every column, and better in one.

    Equal rows are all kept. Rows with a nan in these columns are never on the front and dominate
    none.

    Args:
        points: one row per point.
        maximise, minimise: its columns, together at least one.

    Raises:
        ValueError: no column, one that `points` lacks, or one named twice.
    """
    names = [*maximise, *minimise]
    if isinstance(maximise, str) or isinstance(minimise, str) or not names:
        raise ValueError(f"Name columns in lists, but got {maximise=}, {minimise=}.")
    if len(set(names)) < len(names) or not set(names) <= set(points.columns):
        raise ValueError(f"Columns must be different ones of {list(points)}, but got {names}.")
    signs = np.array([1.0] * len(maximise) + [-1.0] * len(minimise))
    values = points[names].to_numpy(dtype=float) * signs
    front: NDArray[np.bool_] = ~np.isnan(values).any(axis=1)
    for i in np.flatnonzero(front):
        better = (values >= values[i]).all(axis=1) & (values > values[i]).any(axis=1)
        front[i] = not better.any()
    return front


def pareto_table(
    runs: pd.DataFrame, cost: str = "cost.parameters", metric: str = "metric.test_accuracy"
) -> pd.DataFrame:
    """Score against cost of the confirmed configurations, and which no other beats in both.

    A front is of means: a row may be on it by chance. Rows of cells that must not compete, such
    as those with fewer samples, are to be left out before.

    Args:
        runs: the `runs` table.
        cost: a column that should be small: `cost.parameters`, `config.qubits`, ...
        metric: a column that should be large.

    Returns:
        cell, arm, n (confirm replicates), the means of `cost` and `metric`, and on_front, cheapest
        first.
    """
    by_branch = confirmed(runs).groupby(_BRANCH)
    table = pd.DataFrame(
        {
            "n": by_branch.size(),
            cost: by_branch[cost].agg(mean_score),
            metric: by_branch[metric].agg(mean_score),
        }
    ).reset_index()
    front = pareto_front(table, maximise=[metric], minimise=[cost])
    return table.assign(on_front=front).sort_values([cost, *_BRANCH], ignore_index=True)
