"""What is written down of claims: when they were made, and what was changed after results came."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qkd_study import Claim, Replicates
from qkd_study.results.claim_history import updated_history
from qkd_study.study.identity import declaration
from tests.analysis.made import CLAIM, made_study

OTHER = Claim(says="Scaling helps.", better="scaled-ce", than="scratch")


def after(before: dict[str, Any], rows: int, **changes: Any) -> dict[str, Any]:
    declared = declaration(made_study(**changes))
    return updated_history(before, declared, at="2026-01-02", confirm_rows=rows)


def first(**changes: Any) -> dict[str, Any]:
    return after({}, 0, claims=(CLAIM, OTHER), **changes)


def test_nothing_is_held_against_what_changes_before_there_are_results() -> None:
    said = after(first(), 0, claims=(CLAIM,), replicates=Replicates(2, 40))
    assert said["withdrawn"] == []
    assert [entry["changes"] for entry in said["claims"]] == [[]]
    again = after(first(), 96, claims=(CLAIM, OTHER))
    assert again == first()
    twice = after({}, 0, claims=(OTHER, OTHER))
    assert after(twice, 96, claims=(OTHER, OTHER)) == twice


def test_claims_that_come_and_go_with_results_in_sight() -> None:
    said = after(first(), 96, claims=(CLAIM, replace(OTHER, says="It helps.")))
    assert [entry["confirm_rows"] for entry in said["claims"]] == [0, 96]
    (gone,) = said["withdrawn"]
    assert gone["claim"]["says"] == "Scaling helps."
    assert gone["changes"] == [
        {"at": "2026-01-02", "confirm_rows": 96, "what": "the claim was withdrawn"}
    ]
    assert after(said, 120, claims=(CLAIM,))["withdrawn"][0] == gone
    back = after(said, 120, claims=(CLAIM, OTHER))
    assert [c["what"] for c in back["claims"][1]["changes"]] == [
        "the claim was withdrawn",
        "the claim was made again",
    ]
    assert [entry["claim"]["says"] for entry in back["withdrawn"]] == ["It helps."]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"replicates": Replicates(2, 40)}, "confirm replicates from 12 to 40"),
        ({"trials": 6}, "trials from 4 to 6"),
        ({"factors": {"samples": (50,)}}, "samples from 50, 100 to 50"),
        ({"factors": {"samples": (100, 50)}}, None),
    ],
)
def test_what_a_verdict_rests_on_is_compared(changes: dict[str, Any], what: str | None) -> None:
    said = after(first(), 96, claims=(CLAIM, OTHER), **changes)
    for entry in said["claims"]:
        assert [c["what"] for c in entry["changes"]] == ([] if what is None else [what])


def test_the_replicates_before_there_were_results_are_kept() -> None:
    def kept(said: dict[str, Any]) -> list[int]:
        return [entry["replicates"] for entry in said["claims"]]

    more = {"claims": (CLAIM, OTHER), "replicates": Replicates(2, 40)}
    assert kept(first()) == [12, 12]
    assert kept(after(first(), 0, **more)) == [40, 40]
    extended = after(first(), 96, **more)
    assert kept(extended) == [12, 12]
    assert kept(after(extended, 320, claims=(CLAIM, OTHER), replicates=Replicates(2, 80))) == [
        12,
        12,
    ]
    earlier = first()
    for entry in earlier["claims"]:
        del entry["replicates"]  # as earlier versions wrote it
    assert kept(after(earlier, 96, **more)) == [12, 12]


def test_values_that_a_claim_does_not_look_at_may_come_and_go() -> None:
    one = replace(CLAIM, where={"samples": (50,)})
    contrast = Claim(says="More.", better={"samples": 100}, than={"samples": 50}, arm="soft")
    before = after({}, 0, claims=(one, contrast))
    said = after(before, 96, claims=(one, contrast), factors={"samples": (20, 50, 100)})
    assert [entry["changes"] for entry in said["claims"]] == [[], []]
