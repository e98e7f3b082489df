"""Checks of a study's claims against the rest of its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.study.arms import Arm
from qkd_study.study.claims import DATASETS, Claim
from qkd_study.study.parameters import Value
from qkd_study.study.replicates import Replicates
from qkd_study.study.space import Choice


def check_claims(
    claims: Sequence[object], arms: Sequence[Arm], places: Mapping[str, Mapping[str, Any]]
) -> None:
    """Check that each claim is about arms, factors and metrics that the study has.

    Args:
        claims: of the study.
        arms: of the study, resolved.
        places: its `factors`, `search` and `fixed`.

    Raises:
        InputError: one is not.
    """
    by_name = {arm.name: arm for arm in arms}
    for claim in claims:
        if not isinstance(claim, Claim):
            raise InputError(f"claims must be a tuple of Claim(...), but got {safe_repr(claim)}.")
        claim.check(list(by_name), places["factors"])
        if claim.metric == "teacher_agreement":
            alone = [name for name in claim.arms if not by_name[name].needs_teacher]
            if alone:
                raise InputError(
                    f"claim {safe_repr(claim.says)} is about the agreement with a teacher, but arm "
                    f"{safe_repr(alone[0])} has none."
                )
        if claim.metric == "epochs_to_target" and "last" in _epoch_choices(claim, places):
            raise InputError(
                f"claim {safe_repr(claim.says)} counts the epochs to a validation accuracy, but "
                f"with epoch_choice='last' only the last epoch is validated. Allowed: 'best'."
            )


def check_looks(claims: Sequence[Claim], replicates: Replicates) -> None:
    """Check that the claims can stop a study whose confirm replicates come in looks.

    Raises:
        InputError: there is none, or one has no margin.
    """
    fixed = f"or ask for a fixed number such as Replicates(confirm={replicates.confirm})"
    if not claims:
        raise InputError(
            f"replicates with looks at {replicates.looks} stop when the claims are decided, but "
            f"the study has no claims. Declare some, {fixed}."
        )
    for claim in claims:
        if claim.over == DATASETS:
            raise InputError(
                f"replicates with looks at {replicates.looks} stop a claim when there are enough "
                f"of them, but claim {safe_repr(claim.says)} is over datasets, whose number is "
                f"fixed. Choose another `over`, {fixed}."
            )
        if claim.margin is None:
            raise InputError(
                f"replicates with looks at {replicates.looks} stop a claim also when it is "
                f"equivalent or hopeless, but claim {safe_repr(claim.says)} has no margin. Give it "
                f"the difference that does not matter, such as margin=0.01, {fixed}."
            )


def _epoch_choices(claim: Claim, places: Mapping[str, Mapping[str, Any]]) -> Sequence[Value]:
    """The values of `epoch_choice` in the cells of a claim."""
    name = "epoch_choice"
    if isinstance(searched := places["search"].get(name), Choice):
        return searched.values
    fixed = places["fixed"].get(name, "best")
    return claim.where.get(name) or places["factors"].get(name) or [fixed]
