"""Branches: what an arm does not read makes no search of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qkd_study import ClassicalToHybrid, HybridCircuit, LogFloat, Mlp, Study
from qkd_study.study.branches import branch, branches, shared_cells
from qkd_study.study.load import load_study

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.py"))


def hybrid(**changes: Any) -> Study:
    return Study(
        **{
            "question": "?",
            "setting": ClassicalToHybrid(Mlp(), HybridCircuit()),
            "arms": ("scratch", "soft"),
            "factors": {"temperature": (1.0, 4.0)},
            "search": {"learning_rate": LogFloat(1e-3, 1e-1)},
            **changes,
        }
    )


def keys(study: Study) -> list[tuple[str, str]]:
    return [(cell.key, arm.name) for cell, arm in branches(study)]


def test_a_factor_that_an_arm_does_not_read_makes_no_branch() -> None:
    study = hybrid()
    assert keys(study) == [
        ("all", "scratch"),
        ("temperature=1.0", "soft"),
        ("temperature=4.0", "soft"),
    ]
    assert shared_cells(study) == {
        "scratch": {"temperature=1.0": "all", "temperature=4.0": "all"},
    }
    # A value more does not rename the branch: its rows stay.
    assert keys(hybrid(factors={"temperature": (0.5, 1.0, 4.0)}))[0] == ("all", "scratch")


def test_a_factor_may_be_read_beside_one_value_of_another_only() -> None:
    factors = {"optimizer": ("adam", "sgd"), "momentum": (0.0, 0.9)}
    assert [key for key, arm in keys(hybrid(factors=factors)) if arm == "scratch"] == [
        "optimizer=adam",
        "optimizer=sgd,momentum=0.0",
        "optimizer=sgd,momentum=0.9",
    ]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_runs_of_a_branch_are_those_of_every_cell_that_shares_it(path: Path) -> None:
    study = load_study(path)
    for cell in study.cells():
        for arm in study.all_arms:
            chosen = {name: space.ends()[0] for name, space in study.space(arm).items()}
            configs = [
                study.config(where, arm, chosen, "digits")
                for where in (branch(study, cell, arm), cell)
            ]
            if not arm.needs_teacher:  # never null, but only teachers and their draw read them
                configs = [replace(c, teacher_samples=0, generations=0) for c in configs]
            assert configs[0] == configs[1]
