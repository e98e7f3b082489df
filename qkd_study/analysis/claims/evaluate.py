"""Verdicts on the claims that a study declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from qkd_study.analysis.claims.contrasts import Contrast, evaluate_family
from qkd_study.analysis.claims.evidence import Evidence
from qkd_study.analysis.claims.extension import declared_replicates
from qkd_study.analysis.claims.interaction import ALPHA, Interaction, interactions
from qkd_study.analysis.claims.looks import Design, Look
from qkd_study.analysis.claims.progress import Progress, follow, look_of
from qkd_study.analysis.claims.sensitivity import only_if_sensitive
from qkd_study.analysis.claims.sides import compared
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.search_analysis import CELL_ARM, levelling
from qkd_study.analysis.statistics import Paired
from qkd_study.analysis.undertraining import TOLERATED, teacher_undertraining, undertraining


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
        interactions: whether the difference depends on the cell; see `interactions`.
        declared_after: the number of confirm rows when the claim was first declared.
        changes: changes of the study when there were confirm rows: `what`, a text, and
            `confirm_rows`, their number.
        withdrawn: whether the study no longer declares the claim.
        cut_to: the number of replicates that all this rests on, if more were added with results in
            sight; see `declared_replicates`.
        compared: cell and arm of all that the claim compares, without controls.
        look: that the verdict rests on; `None` if the number of confirm replicates is fixed.
        rising: those of them whose validation accuracy still rose when training ended; see
            `undertraining`.
        taught: cell and arm of all that the claim compares, its controls too, whose teachers are
            known to have still risen or not; see `teacher_undertraining`.
        rising_teachers: those of them whose teachers still rose when their training ended.
        climbing: those that the claim compares whose search had not levelled off: see
            `search_analysis.levelling`.
    """

    claim: Mapping[str, Any]
    overall: Contrast
    cells: Sequence[Contrast]
    controls: Sequence[Control]
    declared_after: int
    interactions: Sequence[Interaction] = ()
    changes: Sequence[Mapping[str, Any]] = ()
    withdrawn: bool = False
    cut_to: int | None = None
    compared: Sequence[tuple[str, str]] = ()
    rising: Sequence[tuple[str, str]] = ()
    taught: Sequence[tuple[str, str]] = ()
    rising_teachers: Sequence[tuple[str, str]] = ()
    look: Look | None = None
    climbing: Sequence[tuple[str, str]] = ()

    @property
    def short_search(self) -> bool:
        """Whether the search of more than a quarter of what the claim compares still gained."""
        return len(self.climbing) > TOLERATED * len(self.compared)

    @property
    def undertrained(self) -> bool:
        """Whether more than a quarter of what the claim compares still rose when training ended."""
        return len(self.rising) > TOLERATED * len(self.compared)

    @property
    def undertrained_teachers(self) -> bool:
        """The same of the teachers of what it compares, its controls too."""
        return len(self.rising_teachers) > TOLERATED * len(self.taught)

    @property
    def marks(self) -> tuple[str, ...]:
        """What limits the verdict, in words that stand behind it: the marks of the contrast over
        all cells; `depends on` a factor, or on `cells`, with an interaction at 5 %; `undertrained`;
        `undertrained teachers`; `search not levelled off`.
        """
        depends = tuple(
            f"depends on {found.over}" for found in self.interactions if found.p < ALPHA
        )
        short = {"undertrained": self.undertrained}
        short["undertrained teachers"] = self.undertrained_teachers
        short["search not levelled off"] = self.short_search
        return (*self.overall.marks, *depends, *(mark for mark, holds in short.items() if holds))

    @property
    def status(self) -> str:
        """`supported`, `contradicted`, `equivalent` or `undecided`."""
        return "undecided" if self.overall.verdict is None else self.overall.verdict.status


def judge(results: RunTables, *, alpha: float = 0.05) -> list[ClaimResult]:
    """The verdict on every claim of a run; withdrawn claims come last.

    Only confirm rows count, paired by replicate. A claim over several cells is tested on the mean
    over them, per replicate. Replicates that were added with results in sight do not count, see
    `declared_replicates`; those that lack a side in one of the cells are left out. If the
    run of a side failed, a verdict must hold wherever between the lowest and the highest score of
    the cell's runs it would have been. Epochs
    to a target are restricted means: in each cell, a run that did not reach the target counts with
    the epochs that all runs had.

    Args:
        results: the run.
        alpha: the error rate of each family, of differences and of equivalences: the claims, the
            cells of one, the controls of one.
    """
    results, cut_to = declared_replicates(results)
    made: list[dict[str, Any]] = results.manifest.get("claims", [])
    claims = [*made, *results.manifest.get("withdrawn", [])]
    design = Design.of(results, alpha)
    evidence = Evidence(results, design)
    progress = [
        Progress(entry["claim"], 0, "open", dict.fromkeys(entry["claim"]["controls"], 0))
        for entry in claims
    ]
    if design is not None:
        progress = follow(evidence, [entry["claim"] for entry in claims], len(made))
    family = [evidence.member("all", one.claim, one.last) for one in progress]
    overall = evaluate_family(family, alpha, design)
    students, teachers = (_risen(f(results)) for f in (undertraining, teacher_undertraining))
    trends = levelling(results.expected_best())
    climbing = set(zip(*(trends.loc[trends["climbing"], name] for name in CELL_ARM), strict=True))
    judged = []
    for number, (entry, one, contrast) in enumerate(zip(claims, progress, overall, strict=True)):
        claim = one.claim
        both = list(dict.fromkeys(side for s in compared(results, claim).values() for side in s))
        alone = [(cell, arm) for cell in dict(both) for arm in claim["controls"]]
        taught = [side for side in dict.fromkeys([*both, *alone]) if side in teachers]
        until = evidence.table(max(one.last, 0))
        cells = evaluate_family(evidence.members(claim, one.last), alpha, design)
        by_cell = list(compared(results, claim).values())
        of_cells = zip(cells, ([own] for own in by_cell), strict=True)
        contrast, *cells = only_if_sensitive(until, claim, [(contrast, by_cell), *of_cells], alpha)
        judged.append(
            ClaimResult(
                claim,
                contrast,
                cells,
                _controls(evidence, one, alpha),
                declared_after=int(entry.get("confirm_rows") or 0),
                interactions=interactions(
                    evidence.by_cell(claim, max(one.last, 0)), _values(results, claim)
                ),
                changes=entry.get("changes", ()),
                withdrawn=number >= len(made),
                cut_to=cut_to,
                compared=both,
                rising=[side for side in both if students.get(side)],
                climbing=[side for side in both if (results.branch(*side), side[1]) in climbing],
                taught=taught,
                rising_teachers=[side for side in taught if teachers[side]],
                look=None if design is None or number >= len(made) else look_of(one, design),
            )
        )
    return judged


def _risen(trends: pd.DataFrame) -> dict[tuple[str, str], bool]:
    """Whether it still rose, by cell and arm."""
    sides = trends[["cell", "arm"]].itertuples(index=False, name=None)
    return dict(zip(sides, trends["rising"].astype(bool), strict=True))


def _values(results: RunTables, claim: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The factor values of a claim's cells, without those that it contrasts."""
    own = {label: sides[0][0] for label, sides in compared(results, claim).items()}
    left_out = claim["better"] if isinstance(claim["better"], Mapping) else {}
    return {
        label: {k: v for k, v in results.cells[cell].items() if k not in left_out}
        for label, cell in own.items()
    }


def _controls(evidence: Evidence, one: Progress, alpha: float) -> list[Control]:
    """The claim's `better` against each control, and the gain of each control."""
    against = [
        evidence.member(arm, {**one.claim, "than": arm}, last) for arm, last in one.controls.items()
    ]
    alone = [evidence.member(arm, {**one.claim, "better": arm}, one.last) for arm in one.controls]
    contrasts = evaluate_family(against, alpha, evidence.design)
    gains = evaluate_family(alone, alpha, evidence.design)
    return [
        Control(contrast.where, gain.paired, contrast)
        for contrast, gain in zip(contrasts, gains, strict=True)
    ]
