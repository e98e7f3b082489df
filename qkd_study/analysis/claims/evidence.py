"""The paired scores of claims, at each look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from qkd_study.analysis.claims.contrasts import Member, p_values
from qkd_study.analysis.claims.datasets import by_dataset
from qkd_study.analysis.claims.looks import Design
from qkd_study.analysis.claims.sides import PairedScores, mean_over_cells, paired_scores
from qkd_study.analysis.run_tables import RunTables
from qkd_study.study.claims import DATASETS, rests_on


class Evidence:
    """The confirm rows of a run at its looks; without looks, all rows are those of look 0.

    Args:
        results: the run; also an attribute, like the next.
        design: its looks.

    Attributes:
        table: the run as it was at a look, by its index.
    """

    def __init__(self, results: RunTables, design: Design | None) -> None:
        self.results, self.design = results, design
        self.table = cache(self._table)
        self._found: dict[tuple[str, int], dict[str, PairedScores]] = {}
        self._p_values: dict[tuple[str, str, int], tuple[float, float]] = {}
        self._means: dict[tuple[str, int], PairedScores] = {}

    def _table(self, look: int) -> RunTables:
        return self.results if self.design is None else self.design.tables(self.results, look)

    def by_cell(self, claim: Mapping[str, Any], look: int) -> dict[str, PairedScores]:
        """The scores of both sides at a look, in each cell of a claim."""
        key = _key(claim, look)
        if key not in self._found:
            self._found[key] = paired_scores(self.table(look), claim)
        return self._found[key]

    def member(self, where: str, claim: Mapping[str, Any], last: int) -> Member:
        """The contrast of a claim over all its cells, at the last look that counts."""
        scores = [self._mean(claim, look) for look in range(last + 1)]
        found = self._member(where, claim, scores)
        if rests_on(claim) != DATASETS or self.design is not None:
            return found
        return replace(found, datasets=by_dataset(self.results, claim, self.by_cell(claim, 0)))

    def members(self, claim: Mapping[str, Any], last: int) -> list[Member]:
        """The contrasts of a claim in each of its cells."""
        cells = self.by_cell(claim, max(last, 0))
        looks = range(last + 1)
        return [
            self._member(cell, claim, [self.by_cell(claim, look)[cell] for look in looks])
            for cell in cells
        ]

    def _member(
        self, where: str, claim: Mapping[str, Any], scores: Sequence[PairedScores]
    ) -> Member:
        looks = []
        for look, one in enumerate(scores if self.design is not None else ()):
            key = (where, *_key(claim, look))
            if key not in self._p_values:
                self._p_values[key] = p_values(one, claim)
            looks.append(self._p_values[key])
        return Member(where, claim, scores[-1] if scores else None, looks)

    def _mean(self, claim: Mapping[str, Any], look: int) -> PairedScores:
        key = _key(claim, look)
        if key not in self._means:
            self._means[key] = mean_over_cells(self.by_cell(claim, look))
        return self._means[key]


def _key(claim: Mapping[str, Any], look: int) -> tuple[str, int]:
    return json.dumps(claim, sort_keys=True, default=str), look
