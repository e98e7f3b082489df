"""Branches: the pairs of cell and arm that are searched, each once.

An arm that does not read a factor runs the same in all cells that differ in this factor alone.
These cells share one branch, whose cell lacks the factor: `scratch` at
`samples=20,temperature=1.0` and at `samples=20,temperature=4.0` is the branch `samples=20`.
"""

from __future__ import annotations

from qkd_study.study.arms import Arm
from qkd_study.study.reading import reads, reads_with
from qkd_study.study.setting import TAUGHT
from qkd_study.study.study import Cell, Study


def branch(study: Study, cell: Cell, arm: Arm) -> Cell:
    """The part of a cell that an arm reads: its runs stand in the tables under this cell."""
    return Cell(tuple(pair for pair in cell.values if _reads_in(study, cell, arm, pair[0])))


def _reads_in(study: Study, cell: Cell, arm: Arm, name: str) -> bool:
    """Whether some runs of an arm in a cell depend on a factor."""
    what = study.parameters[name]
    if not reads(study, arm, what):
        return False
    if what.only_with is not None and what.only_with[0] in study.search:
        return True
    if name in TAUGHT and "generations" in study.search:
        return True
    return any(
        reads_with(study, arm, name, {**values, **study.resolved(values, arm)})
        for values in study.extremes(cell)
    )


def branches(study: Study) -> list[tuple[Cell, Arm]]:
    """All branches, in the order of cells and arms."""
    found = {
        (shared.key, arm.name): (shared, arm)
        for cell in study.cells()
        for arm in study.all_arms
        for shared in [branch(study, cell, arm)]
    }
    return list(found.values())


def shared_cells(study: Study) -> dict[str, dict[str, str]]:
    """By arm that shares branches: each of its cells' keys -> the key of the branch's cell."""
    found: dict[str, dict[str, str]] = {}
    for arm in study.all_arms:
        for cell in study.cells():
            shared = branch(study, cell, arm)
            if shared != cell:
                found.setdefault(arm.name, {})[cell.key] = shared.key
    return found
