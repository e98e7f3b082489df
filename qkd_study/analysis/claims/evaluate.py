"""Verdicts on the claims that a study declared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics import Paired, Verdict, holm, paired_difference, verdict
from qkd_study.analysis.undertraining import TOLERATED, undertraining
from qkd_study.results import largest_difference
from qkd_study.study.claims import MORE_IS_BETTER


@dataclass(frozen=True)
class Contrast:
    """Two sides of a claim, paired by replicate, in one cell or averaged over several.

    Attributes:
        where: the cell, or `all` of the claim's.
        paired: the difference, better minus than; `None` with fewer than two pairs.
        verdict: on the difference; its p values are Holm-corrected over the family, as those of the
            tests within a margin.
        left_out: replicates that do not have both sides in every cell.
    """

    where: str
    paired: Paired | None
    verdict: Verdict | None
    left_out: int


@dataclass(frozen=True)
class Control:
    """Whether a control arm matches the gain.

    Attributes:
        arm: the control.
        gain: of the control over the claim's `than`.
        contrast: the claim's `better` against the control.
    """

    arm: str
    gain: Paired | None
    contrast: Contrast

    @property
    def outcome(self) -> Literal["beaten", "matches", "open", "untested"]:
        """`beaten` by the claim's `better`; `matches` it: as good within the margin, or better;
        `open`: neither is shown; `untested`: there are no two pairs.
        """
        if self.contrast.verdict is None:
            return "untested"
        status = self.contrast.verdict.status
        if status == "supported":
            return "beaten"
        return "open" if status == "undecided" else "matches"


@dataclass(frozen=True)
class ClaimResult:
    """A claim and the evidence of the confirm rows.

    Attributes:
        claim: as declared.
        overall: averaged over its cells, replicate by replicate; Holm over the study's claims.
        cells: each of its cells; Holm over them.
        controls: each of its controls; Holm over them.
        declared_after: the number of confirm rows when the claim was first declared.
        changes: changes of the study when there were confirm rows: `what`, a text, and
            `confirm_rows`, their number.
        withdrawn: whether the study no longer declares the claim.
        compared: cell and arm of all that the claim compares, without controls.
        rising: those of them whose validation accuracy still rose when training ended; see
            `undertraining`.
    """

    claim: Mapping[str, Any]
    overall: Contrast
    cells: Sequence[Contrast]
    controls: Sequence[Control]
    declared_after: int
    changes: Sequence[Mapping[str, Any]] = ()
    withdrawn: bool = False
    compared: Sequence[tuple[str, str]] = ()
    rising: Sequence[tuple[str, str]] = ()

    @property
    def undertrained(self) -> bool:
        """Whether more than a quarter of what the claim compares still rose when training ended."""
        return len(self.rising) > TOLERATED * len(self.compared)

    @property
    def marks(self) -> tuple[str, ...]:
        """What limits the verdict, in words that stand behind it: `undertrained`."""
        return ("undertrained",) if self.undertrained else ()

    @property
    def status(self) -> str:
        """`supported`, `contradicted`, `equivalent` or `undecided`."""
        return "undecided" if self.overall.verdict is None else self.overall.verdict.status


def judge(results: RunTables, *, alpha: float = 0.05) -> list[ClaimResult]:
    """The verdict on every claim of a run; withdrawn claims come last.

    Only confirm rows count, paired by replicate. A claim over several cells is tested on the mean
    over them, per replicate; replicates that lack a side in one of the cells are left out. Epochs
    to a target are restricted means: in each cell, a run that did not reach the target counts with
    the epochs that all runs had.

    Args:
        results: the run.
        alpha: the error rate of each family, of differences and of equivalences: the claims, the
            cells of one, the controls of one.
    """
    made: list[dict[str, Any]] = results.manifest.get("claims", [])
    claims = [*made, *results.manifest.get("withdrawn", [])]
    sides = [_sides(results, entry["claim"]) for entry in claims]
    overall = _evaluate_family(
        [("all", _mean(pairs), entry["claim"]) for entry, pairs in zip(claims, sides, strict=True)],
        alpha,
    )
    trends = undertraining(results)
    risen = set(trends.loc[trends["rising"].astype(bool), ["cell", "arm"]].itertuples(index=False))
    judged = []
    for number, (entry, pairs, contrast) in enumerate(zip(claims, sides, overall, strict=True)):
        claim = entry["claim"]
        compared = list(
            dict.fromkeys(side for sides in _compared(results, claim).values() for side in sides)
        )
        cells = _evaluate_family([(cell, pair, claim) for cell, pair in pairs.items()], alpha)
        judged.append(
            ClaimResult(
                claim,
                contrast,
                cells,
                _controls(results, claim, alpha),
                declared_after=int(entry.get("confirm_rows") or 0),
                changes=entry.get("changes", ()),
                withdrawn=number >= len(made),
                compared=compared,
                rising=[side for side in compared if side in risen],
            )
        )
    return judged


PairedValues = pd.DataFrame  # index replicate, columns better and than; nan where a side lacks one


def _sides(results: RunTables, claim: Mapping[str, Any]) -> dict[str, PairedValues]:
    """The scores of both sides of a claim in each of its cells, by replicate."""
    scores, limits = _scores(results, claim)
    found: dict[str, PairedValues] = {}
    for label, sides in _compared(results, claim).items():
        columns = [scores.get(side, pd.Series(dtype=float)) for side in sides]
        pair = pd.concat(columns, axis=1, keys=["better", "than"])
        if limits is not None:
            both = pair.dropna().index  # if it is empty, the limit is nan, which does not clip
            shortest = [limits[side].reindex(both).min() for side in sides if side in limits]
            pair = pair.clip(upper=min(shortest, default=math.nan))
        found[label] = pair
    return found


def _compared(
    results: RunTables, claim: Mapping[str, Any]
) -> dict[str, tuple[tuple[str, str], tuple[str, str]]]:
    """Cell and arm of both sides of a claim, by what its cells are called."""
    better, than = claim["better"], claim["than"]
    found = {}
    by_cell = {frozenset(values.items()): cell for cell, values in results.cells.items()}
    for cell, values in results.cells.items():
        if any(values[name] not in allowed for name, allowed in claim["where"].items()):
            continue
        if isinstance(better, str):
            sides, label = ((cell, better), (cell, than)), cell
        else:
            if any(values[name] != value for name, value in better.items()):
                continue
            other = by_cell.get(frozenset({**values, **than}.items()))
            if other is None:  # the claim was withdrawn, and so was its factor's value
                continue
            sides = ((cell, claim["arm"]), (other, claim["arm"]))
            rest = [f"{k}={v}" for k, v in values.items() if k not in better]
            label = ",".join(rest) or "all"
        found[label] = sides
    return found


Scores = dict[tuple[str, str], "pd.Series[float]"]  # by cell and arm, indexed by replicate


def _scores(results: RunTables, claim: Mapping[str, Any]) -> tuple[Scores, Scores | None]:
    """The claim's metric; for epochs to a target (inf: never reached) also the epochs trained."""
    rows, by = results.confirmed, ["cell", "arm", "replicate"]
    if claim["metric"] != "epochs_to_target":
        return _by_side(rows.set_index(by)[f"metric.{claim['metric']}"]), None
    curves = results.confirmed_curves
    trained = curves.groupby(by)["epoch"].max().astype(float)
    reached = curves[curves["metric.val_accuracy"] >= claim["target"]]
    first = reached.groupby(by)["epoch"].min().reindex(trained.index).fillna(math.inf)
    return _by_side(first), _by_side(trained)


def _by_side(table: pd.Series[float]) -> Scores:
    groups: Any = table.groupby(level=[0, 1])
    return {key: group.droplevel([0, 1]) for key, group in groups}


def _mean(pairs: Mapping[str, PairedValues]) -> PairedValues:
    """The mean over cells; nan for replicates that are not complete in all cells."""
    if not pairs:
        return pd.DataFrame({"better": [], "than": []}, dtype=float)
    stacked = pd.concat(pairs, names=["cell", "replicate"])
    by_replicate = stacked.dropna().groupby(level="replicate")
    complete = by_replicate.mean()[by_replicate.size() == len(pairs)]
    return complete.reindex(stacked.index.unique("replicate"))


def _evaluate_family(
    family: Sequence[tuple[str, PairedValues, Mapping[str, Any]]], alpha: float
) -> list[Contrast]:
    """Contrasts of a family, with Holm's correction over its tests, and over its margins."""
    found: list[Contrast] = []
    tested: list[int] = []
    values: list[Any] = []
    for where, every, claim in family:
        pair = every.dropna()
        left_out = len(every) - len(pair)
        differences = (pair["better"] - pair["than"]).to_numpy(dtype=float)
        values.append(differences)
        if len(differences) < 2:
            found.append(Contrast(where, None, None, left_out))
            continue
        tested.append(len(found))
        paired = paired_difference(
            pair["better"].to_numpy(),
            pair["than"].to_numpy(),
            most=largest_difference(f"metric.{claim['metric']}"),
        )
        found.append(Contrast(where, paired, None, left_out))
    alone = {i: _verdict(values[i], family[i][2], alpha) for i in tested}
    p_values = _adjusted({i: single.p for i, single in alone.items()})
    within = _adjusted({i: s.equivalence.p for i, s in alone.items() if s.equivalence is not None})
    for i in tested:
        adjusted = _verdict(values[i], family[i][2], alpha, p_values[i], within.get(i))
        found[i] = replace(found[i], verdict=adjusted)
    return found


def _adjusted(p_values: Mapping[int, float]) -> dict[int, float]:
    if not p_values:
        return {}
    return dict(zip(p_values, map(float, holm(list(p_values.values()))), strict=True))


def _verdict(
    differences: Any,
    claim: Mapping[str, Any],
    alpha: float,
    p: float | None = None,
    p_within: float | None = None,
) -> Verdict:
    direction: Literal["lower", "higher"] = "higher" if MORE_IS_BETTER[claim["metric"]] else "lower"
    return verdict(
        differences,
        direction=direction,
        margin=claim["margin"],
        alpha=alpha,
        p=p,
        p_within=p_within,
    )


def _controls(results: RunTables, claim: Mapping[str, Any], alpha: float) -> list[Control]:
    """The claim's `better` against each control, and the gain of each control."""
    if not claim["controls"]:
        return []
    against = [{**claim, "than": arm} for arm in claim["controls"]]
    alone = [{**claim, "better": arm} for arm in claim["controls"]]
    contrasts = _evaluate_family(
        [(c["than"], _mean(_sides(results, c)), c) for c in against], alpha
    )
    gains = _evaluate_family([(c["better"], _mean(_sides(results, c)), c) for c in alone], alpha)
    return [
        Control(contrast.where, gain.paired, contrast)
        for contrast, gain in zip(contrasts, gains, strict=True)
    ]
