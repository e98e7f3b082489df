"""How far the claims of a run with looks have come, and what they still need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qkd_study.analysis.claims.contrasts import differences, verdicts_at_look
from qkd_study.analysis.claims.evidence import Evidence
from qkd_study.analysis.claims.looks import Design, Look, Reason, Side
from qkd_study.analysis.claims.sides import compared
from qkd_study.analysis.run_tables import RunTables


@dataclass
class Progress:
    """How far a claim has come.

    Attributes:
        claim: as declared.
        last: the index of the last look that counts for it; -1 before the first.
        reason: what ended it there.
        controls: the same index of each of its controls. Those of a supported claim go on until
            each is beaten, or matches, or is hopeless.
        open_controls: those that go on.
    """

    claim: Mapping[str, Any]
    last: int = -1
    reason: Reason = "open"
    controls: dict[str, int] = field(default_factory=dict)
    open_controls: list[str] = field(default_factory=list)

    def needs(self, results: RunTables) -> set[Side]:
        """The cells and arms of which the claim needs more replicates."""
        than = [self.claim["than"]] if self.reason == "open" else []
        claims = [{**self.claim, "than": side} for side in (*than, *self.open_controls)]
        return {
            side for claim in claims for pair in compared(results, claim).values() for side in pair
        }


def follow(evidence: Evidence, claims: Sequence[Mapping[str, Any]], made: int) -> list[Progress]:
    """Go through the looks that are complete, and end claims at them.

    It depends on the rows until each look alone: the same rows give the same, whenever it is asked.

    Args:
        evidence: of a run with looks.
        claims: the study's, then withdrawn ones, which count in Holm's correction and need nothing.
        made: how many of them are the study's.
    """
    found = [
        Progress(c, -1, "open", dict.fromkeys(c["controls"], -1), [*c["controls"]]) for c in claims
    ]
    design = evidence.design
    assert design is not None
    for look in range(len(design.looks)):
        needed = {side for one in found[:made] for side in one.needs(evidence.results)}
        if not needed or not design.complete(evidence.results, needed, look):
            break
        for one in found:
            if one.reason == "open":
                one.last = look
            for control in one.open_controls:
                one.controls[control] = look
        _end_claims(evidence, design, found, made, look)
        for one in found[:made]:
            _end_controls(evidence, design, one, look)
    return found


def _end_claims(
    evidence: Evidence, design: Design, found: Sequence[Progress], made: int, look: int
) -> None:
    family = [evidence.member("all", one.claim, one.last) for one in found]
    judged = verdicts_at_look(family, design)
    for one, member, verdict in zip(found[:made], family, judged, strict=False):
        if one.reason == "open":
            margin = one.claim["margin"]
            one.reason = design.reason(verdict, differences(member), margin, look)


def _end_controls(evidence: Evidence, design: Design, one: Progress, look: int) -> None:
    if one.reason == "open":
        return
    if one.reason != "supported":  # there is no gain that a control may match
        one.open_controls.clear()
        return
    family = [
        evidence.member(control, {**one.claim, "than": control}, last)
        for control, last in one.controls.items()
    ]
    judged = verdicts_at_look(family, design) if family else []
    for member, verdict in zip(family, judged, strict=True):
        reason = design.reason(verdict, differences(member), one.claim["margin"], look)
        if member.where in one.open_controls and reason != "open":
            one.open_controls.remove(member.where)


def needed_after(results: RunTables, replicates: int, *, alpha: float = 0.05) -> set[Side]:
    """The cells and arms, as they stand in the tables, that open claims need after a look.

    Args:
        results: the run; rows of later replicates are left out.
        replicates: of confirmation at the look.
        alpha: as of `judge`.
    """
    design = Design.of(results, alpha)
    assert design is not None
    until = design.tables(results, design.looks.index(replicates))
    progress, made = _followed(until, design)
    needed = {side for one in progress[:made] for side in one.needs(results)}
    return {(results.branch(cell, arm), arm) for cell, arm in needed}


def wanted_replicates(results: RunTables, *, alpha: float = 0.05) -> dict[Side, int] | None:
    """The confirm replicates that each cell and arm needs so far, as they stand in the tables.

    Those that are not named need as many as the first look. `None` if their number is fixed.
    """
    design = Design.of(results, alpha)
    if design is None:
        return None
    progress, made = _followed(results, design)
    wanted: dict[Side, int] = {}
    for one in progress[:made]:
        main = (one.claim["than"], one.last + (one.reason == "open"))
        controls = [(arm, last + (arm in one.open_controls)) for arm, last in one.controls.items()]
        for than, look in (main, *controls):
            for pair in compared(results, {**one.claim, "than": than}).values():
                for cell, arm in pair:
                    side = (results.branch(cell, arm), arm)
                    wanted[side] = max(wanted.get(side, 0), design.looks[look])
    return wanted


def _followed(results: RunTables, design: Design) -> tuple[list[Progress], int]:
    made = results.manifest.get("claims", [])
    entries = [*made, *results.manifest.get("withdrawn", [])]
    claims = [entry["claim"] for entry in entries]
    return follow(Evidence(results, design), claims, len(made)), len(made)


def look_of(one: Progress, design: Design) -> Look:
    """The look that the verdict on a claim rests on."""
    return design.look(one.last, one.reason)
