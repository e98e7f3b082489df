"""The scores of both sides of a contrast, paired by replicate, and what failed runs leave open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.summary import by_unit
from qkd_study.study.claims import PER_ITEM

Frame = pd.DataFrame  # index replicate, columns better and than; nan where a side lacks one
Scores = dict[tuple[str, str], "pd.Series[float]"]  # by cell and arm, indexed by replicate
Sides = tuple[tuple[str, str], tuple[str, str]]  # cell and arm, of better and of than
Items = dict[str, pd.DataFrame]  # by dataset: index replicate, columns test samples


@dataclass(frozen=True)
class PairedScores:
    """Scores by replicate, in columns better and than; nan where a side lacks one.

    A failed run has no score, and runs that fail may be those that would have scored badly, or
    well. So contrasts are tested three times: without the failed runs, with all of them at the
    score of their cell that is worst for `better`, and with all of them at the best for it: failed
    runs of `better` at the lowest score of any confirmed run of the cell and those of `than` at the
    highest, or the other way round. What failed is assumed to lie between.

    Attributes:
        complete: without failed runs.
        lowest, highest: with them, such that better - than is lowest or highest.
        items: better - than for each test sample, as differences whose means over the samples of a
            dataset add up to that of the scores; `None` if they are not known.
        searches: independent searches of each cell and arm, over which tests are if several.
    """

    complete: Frame
    lowest: Frame
    highest: Frame
    items: Items | None = None
    searches: int = 1

    def units(self, frame: Frame) -> Frame:
        """The complete pairs of a frame: of replicates, or the means of searches if several."""
        return by_unit(frame.dropna(), self.searches)

    @property
    def failed(self) -> int:
        """How many pairs a failed run leaves out."""
        return len(self.lowest.dropna()) - len(self.complete.dropna())

    @property
    def left_out(self) -> int:
        """How many replicates have not both sides, failed ones included."""
        return len(self.lowest) - len(self.complete.dropna())


def compared(results: RunTables, claim: Mapping[str, Any]) -> dict[str, Sides]:
    """Cell and arm of both sides of a claim, by what its cells are called."""
    better, than = claim["better"], claim["than"]
    found: dict[str, Sides] = {}
    by_cell = {frozenset(values.items()): cell for cell, values in results.cells.items()}
    for cell, values in results.cells.items():
        if any(values[name] not in allowed for name, allowed in claim["where"].items()):
            continue
        if isinstance(better, str):
            found[cell] = ((cell, better), (cell, than))
            continue
        if any(values[name] != value for name, value in better.items()):
            continue
        other = by_cell.get(frozenset({**values, **than}.items()))
        if other is None:  # the claim was withdrawn, and so was its factor's value
            continue
        rest = [f"{k}={v}" for k, v in values.items() if k not in better]
        found[",".join(rest) or "all"] = ((cell, claim["arm"]), (other, claim["arm"]))
    return found


def paired_scores(results: RunTables, claim: Mapping[str, Any]) -> dict[str, PairedScores]:
    """The scores of both sides of a claim in each of its cells."""
    scores, trained = _scores(results, claim)
    failed = _by_side(results.failed_confirm.assign(failed=math.nan), "failed")
    found: dict[str, PairedScores] = {}
    for label, sides in compared(results, claim).items():
        complete, low, high = (_pair(scores, failed, sides, fill) for fill in (None, "low", "high"))
        if trained is not None:
            both = complete.dropna().index  # if it is empty, the limit is nan, which does not clip
            shortest = [trained[side].reindex(both).min() for side in sides if side in trained]
            limit = min(shortest, default=math.nan)
            complete, low, high = (frame.clip(upper=limit) for frame in (complete, low, high))
        found[label] = PairedScores(
            complete, low, high, _items(results, claim, sides), results.searches
        )
    return found


def mean_over_cells(pairs: Mapping[str, PairedScores]) -> PairedScores:
    """The mean over cells; nan for replicates that are not complete in all cells."""
    return PairedScores(
        _mean({cell: pair.complete for cell, pair in pairs.items()}),
        _mean({cell: pair.lowest for cell, pair in pairs.items()}),
        _mean({cell: pair.highest for cell, pair in pairs.items()}),
        _sum([(pair.items, 1 / len(pairs)) for pair in pairs.values()]),
        max((pair.searches for pair in pairs.values()), default=1),
    )


def _mean(frames: Mapping[str, Frame]) -> Frame:
    if not frames:
        return pd.DataFrame({"better": [], "than": []}, dtype=float)
    stacked = pd.concat(frames, names=["cell", "replicate"])
    by_replicate = stacked.dropna().groupby(level="replicate")
    complete = by_replicate.mean()[by_replicate.size() == len(frames)]
    return complete.reindex(stacked.index.unique("replicate"))


def _items(results: RunTables, claim: Mapping[str, Any], sides: Sides) -> Items | None:
    """The differences for each test sample, of claims about the accuracy."""
    if claim["metric"] not in PER_ITEM:
        return None
    known = [results.correctness.get((results.branch(*side), side[1])) for side in sides]
    parts = [None if one is None else {one.dataset: one.right} for one in known]
    return _sum(list(zip(parts, (1.0, -1.0), strict=True)))


def _sum(parts: Sequence[tuple[Items | None, float]]) -> Items | None:
    """The weighted sum, dataset by dataset; `None` if one is not known."""
    found: Items = {}
    for items, weight in parts:
        if items is None:
            return None
        for dataset, frame in items.items():
            own = weight * frame
            found[dataset] = found[dataset] + own if dataset in found else own
    return found or None


def _pair(
    scores: Scores, failed: Scores, sides: Sides, fill: Literal["low", "high"] | None
) -> Frame:
    """Both sides beside each other, with failed runs filled in or left out."""
    columns = []
    for side, name in zip(sides, ("better", "than"), strict=True):
        own = scores.get(side, pd.Series(dtype=float))
        gone = failed.get(side, pd.Series(dtype=float))
        gone = gone[~gone.index.isin(own.index)]
        if fill is not None and len(gone):
            here = pd.concat([s for (cell, _), s in scores.items() if cell == side[0]] or [own])
            value = here.min() if (fill == "low") == (name == "better") else here.max()
            gone = gone.fillna(value)
        columns.append(pd.concat([part for part in (own, gone) if len(part)] or [own]))
    return pd.concat(columns, axis=1, keys=["better", "than"]).sort_index()


def _scores(results: RunTables, claim: Mapping[str, Any]) -> tuple[Scores, Scores | None]:
    """The claim's metric; for epochs to a target (inf: never reached) also the epochs trained."""
    if claim["metric"] != "epochs_to_target":
        return _by_side(results.confirmed, f"metric.{claim['metric']}"), None
    curves, by = results.confirmed_curves, ["cell", "arm", "replicate"]
    trained = curves.groupby(by)["epoch"].max().astype(float)
    reached = curves[curves["metric.val_accuracy"] >= claim["target"]]
    first = reached.groupby(by)["epoch"].min().reindex(trained.index).fillna(math.inf)
    epochs = pd.DataFrame({"first": first, "trained": trained}).reset_index()
    return _by_side(epochs, "first"), _by_side(epochs, "trained")


def _by_side(rows: pd.DataFrame, column: str) -> Scores:
    table = rows.set_index(["cell", "arm", "replicate"])[column].astype(float)
    groups: Any = table.groupby(level=[0, 1])
    return {key: group.droplevel([0, 1]) for key, group in groups}
