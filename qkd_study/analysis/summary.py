"""The table at the end of a run: test scores per cell and arm, and differences to the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import pandas as pd

from qkd_study.analysis.statistics.intervals import Interval, mean_interval, share_interval
from qkd_study.results import mean_score
from qkd_study.study.replicates import FIRST_CONFIRM_REPLICATE, TRIALS_PER_SEARCH
from qkd_study.study.trial import Phase

T = TypeVar("T", "pd.Series[float]", pd.DataFrame)

#: By arm that does not read all factors: each of its cells -> the cell under which its rows stand
#: (`study.branches`), as `plan.shared` of study.json has them.
SharedCells = Mapping[str, Mapping[str, str]]
TRIAL = ["cell", "arm", "trial"]
NOTHING_SHARED: SharedCells = MappingProxyType({})
#: The columns that a summary needs, beside the one that the study minimised.
SUMMARISED = (
    "phase",
    "cell",
    "arm",
    "trial",
    "replicate",
    "status",
    "metric.val_accuracy",
    "metric.test_accuracy",
)


def scored_trials(
    runs: pd.DataFrame, minimised: str | None = None, phase: Phase = "search"
) -> pd.DataFrame:
    """Score and size of the complete search trials.

    Args:
        runs: the `runs` table.
        minimised: the column that the study minimised, if it did.
        phase: of the search: for students or teachers.

    Returns:
        score (mean validation accuracy) and size (mean of `minimised`; 0 without one, or if an
        arm has no value), indexed by cell, arm and trial.
    """
    search = runs[runs["phase"] == phase]
    size = 0.0 if minimised is None else search[minimised].fillna(0)
    by_trial = search.assign(size=size).groupby(TRIAL)
    scored = pd.DataFrame(
        {
            "score": by_trial["metric.val_accuracy"].agg(mean_score),
            "size": by_trial["size"].agg(mean_score),
        }
    )
    complete = by_trial["status"].agg(lambda s: bool((s == "ok").all()))
    return scored[complete.astype(bool)]  # without rows it is of no type


def best_trials(runs: pd.DataFrame, minimised: str | None = None) -> pd.Series[int]:
    """The number of the configuration that each search of each cell and arm confirms.

    The complete search trial with the highest mean validation accuracy; of equals the first, but
    the smallest with two objectives.

    Args:
        runs: the `runs` table.
        minimised: the column that the study minimised, if it did.

    Returns:
        Trial numbers, indexed by cell and arm: one for each search.
    """
    return _best(scored_trials(runs, minimised))


def best_teachers(runs: pd.DataFrame) -> pd.Series[int]:
    """The number of the configuration of each teacher by which students are taught.

    The complete trial of the phase `teacher` with the highest mean validation accuracy; of equals
    the first.

    Args:
        runs: the `runs` table.

    Returns:
        Trial numbers, indexed by the teacher's cell and kind.
    """
    return _best(scored_trials(runs, phase="teacher"))


def _best(scored: pd.DataFrame) -> pd.Series[int]:
    chosen = scored.reset_index()
    chosen = chosen.sort_values(["score", "size", "trial"], ascending=[False, True, True])
    search = chosen["trial"] // TRIALS_PER_SEARCH
    best: pd.Series[int] = chosen.groupby(["cell", "arm", search])["trial"].first().droplevel(2)
    return best


def confirmed(runs: pd.DataFrame, minimised: str | None = None, status: str = "ok") -> pd.DataFrame:
    """The rows on which claims are tested: confirm runs of the chosen configurations.

    Args:
        runs, minimised: as for `best_trials`.
        status: of the rows: `ok`, or `failed`.
    """
    best = best_trials(runs, minimised)
    rows = runs[(runs["phase"] == "confirm") & (runs["status"] == status)]
    if rows.empty or best.empty:
        return rows.iloc[:0]
    chosen = pd.MultiIndex.from_frame(best.reset_index())
    return rows[pd.MultiIndex.from_frame(rows[TRIAL]).isin(chosen)]


def by_unit(scores: T, searches: int) -> T:
    """Scores of independent units: of each replicate, or the mean of each search if several.

    Args:
        scores: indexed by replicate, with or without the cell before it.
        searches: of each cell and arm; replicates are dealt out among them in turn.
    """
    if searches == 1:
        return scores
    *outer, last = (scores.index.get_level_values(i) for i in range(scores.index.nlevels))
    number = ((last - FIRST_CONFIRM_REPLICATE) % searches).rename(last.name)
    means: T = scores.groupby([*outer, number]).mean()
    return means


def in_every_cell(rows: pd.DataFrame, shared: SharedCells) -> pd.DataFrame:
    """Rows in which those of a branch are repeated in each cell that shares it.

    Args:
        rows: of a table.
        shared: see `SharedCells`.
    """
    if not shared:
        return rows
    parts = [rows[~rows["arm"].isin(list(shared))]]
    for arm, cells in shared.items():
        own = rows[rows["arm"] == arm]
        # A run of an earlier version may have rows of the cells themselves.
        parts.append(own[~own["cell"].isin([*cells, *cells.values()])])
        of_branch = {str(key): part for key, part in own.groupby("cell")}
        parts += [of_branch[b].assign(cell=c) for c, b in cells.items() if b in of_branch]
    return pd.concat([part for part in parts if len(part)] or [rows.iloc[:0]], ignore_index=True)


@dataclass(frozen=True)
class Line:
    """One cell and arm of the summary, in shares (0 to 1).

    Attributes:
        score: test accuracy over the confirm replicates.
        gain: difference to the baseline, paired by replicate; `None` for the baseline itself.

    With several searches the intervals are over the means of searches.
    """

    cell: str
    arm: str
    score: Interval
    gain: Interval | None


def summarise(
    runs: pd.DataFrame,
    baseline: str | None,
    cells: tuple[str, ...],
    arms: tuple[str, ...],
    minimised: str | None = None,
    *,
    shared: SharedCells = NOTHING_SHARED,
    searches: int = 1,
) -> list[Line]:
    """Test accuracy and paired gain of every cell and arm.

    Args:
        runs: the `runs` table.
        baseline: the arm to compare with; `None` if the study has none.
        cells, arms: in the order of the result.
        minimised: as for `best_trials`.
        shared: see `SharedCells`.
        searches: of each cell and arm.
    """
    rows = in_every_cell(confirmed(runs, minimised), shared)
    scores = rows.set_index(["cell", "arm", "replicate"])["metric.test_accuracy"]
    by_arm: dict[Any, pd.Series[float]] = {
        key: group.droplevel([0, 1]) for key, group in scores.groupby(level=[0, 1])
    }
    empty: pd.Series[float] = pd.Series(dtype=float)
    lines = []
    for cell in cells:
        reference = by_arm.get((cell, baseline), empty)
        for arm in arms:
            own = by_arm.get((cell, arm), empty)
            pairs = by_unit(own.sub(reference).dropna(), searches)
            gain = None if baseline is None or arm == baseline else mean_interval(pairs, most=1.0)
            lines.append(Line(cell, arm, share_interval(by_unit(own, searches)), gain))
    return lines
