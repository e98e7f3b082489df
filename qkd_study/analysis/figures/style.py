"""Styles of arms: the same in every figure of a run, distinct in colour and in greyscale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qkd_study.study.arms import ARMS
from qkd_study.study.config import OWN, TERMS

Dash = Literal["-"] | tuple[float, tuple[float, ...]]

#: Okabe and Ito's colours that are visible on white; black is the baseline's.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "8", "*", "H")
SOLID: tuple[Dash, ...] = ("-", (0, (8, 1.5, 1.5, 1.5)), (0, (8, 1.5, 1.5, 1.5, 1.5, 1.5)))
DASHED: tuple[Dash, ...] = ((0, (4, 1.8)), (0, (1.2, 1.2)), (0, (2.2, 1.2, 2.2, 3.2)))


@dataclass(frozen=True)
class Style:
    """Colour, marker and dash of an arm. Controls are dashed, with hollow markers."""

    colour: str
    marker: str
    dash: Dash
    control: bool = False

    @property
    def face(self) -> str:
        """The colour inside the marker."""
        return "white" if self.control else self.colour

    def line(self, size: float = 5.0) -> dict[str, Any]:
        """Keywords of a line through points."""
        return {**self.points(size), "linestyle": self.dash}

    def points(self, size: float = 5.0) -> dict[str, Any]:
        """Keywords of points without a line."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "markersize": size,
            "markerfacecolor": self.face,
            "markeredgecolor": self.colour,
            "linestyle": "none",
            "linewidth": 1.2 if self.control else 1.5,
        }


def styles(arms: Mapping[str, Mapping[str, Any]] | Sequence[str]) -> dict[str, Style]:
    """A style for each arm, distinct for 15 of them and more.

    The baseline is black. The others take colours in turn, controls last, and a further dash each
    time the colours are through.

    Args:
        arms: as in a run's declaration; or names, of which only the named arms of the platform can
            be told to be controls.
    """
    declared = arms if isinstance(arms, Mapping) else {name: _named(name) for name in arms}
    kinds = {name: _kind(arm) for name, arm in declared.items()}
    baseline = next((name for name, kind in kinds.items() if kind == "baseline"), None)
    others = sorted((name for name in kinds if name != baseline), key=lambda n: _RANK[kinds[n]])
    found = {}
    for i, name in enumerate(others):
        turn = i // len(COLOURS)
        control = kinds[name] == "control"
        dashes = DASHED if control else SOLID
        found[name] = Style(
            COLOURS[i % len(COLOURS)],
            MARKERS[i % len(MARKERS)],
            dashes[(i + turn) % len(dashes)] if control else dashes[turn % len(dashes)],
            control,
        )
    if baseline is not None:
        found[baseline] = Style("black", "o", "-")
    return {name: found[name] for name in declared}


_RANK = {"baseline": 0, "treatment": 0, "control": 1}


def _named(name: str) -> dict[str, Any]:
    arm = ARMS.get(name)
    if arm is None:
        return {"terms": ["?"]}
    changed = {name: getattr(arm, name) for name in ("teacher", "spoiled", "optimizer", "student")}
    return {"terms": list(arm.term_names), **changed}


def _kind(arm: Mapping[str, Any]) -> str:
    terms = [term if isinstance(term, str) else OWN for term in arm["terms"]]
    if arm.get("optimizer") or arm.get("student", "own") != "own":
        return "control"
    if not terms:
        return "baseline"
    teacher, spoiled = arm.get("teacher", "own"), arm.get("spoiled", "nothing")
    without_teacher = all(term in TERMS and TERMS[term].compares is None for term in terms)
    if teacher != "own" or spoiled != "nothing" or without_teacher:
        return "control"
    return "treatment"
