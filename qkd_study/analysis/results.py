"""`Results`: the tables of a run, what is missing in them, and what follows from them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from qkd_study.analysis.summary import confirmed
from qkd_study.errors import InputError
from qkd_study.results import RunFolder, find_run, read_table


@dataclass(frozen=True, eq=False)
class Results:
    """A run, read.

    Attributes:
        path: its folder.
        about: what study.json says.
        runs, curves: the tables; see results/README.md.
        broken: what could not be read, in words.
    """

    path: Path
    about: dict[str, Any]
    runs: pd.DataFrame
    curves: pd.DataFrame
    broken: tuple[str, ...] = ()

    @property
    def declaration(self) -> dict[str, Any]:
        """The study as it was declared, every default spelt out."""
        declared: dict[str, Any] = self.about["declaration"]
        return declared

    @property
    def name(self) -> str:
        """`<study>/<run id>`."""
        return f"{self.declaration['name']}/{self.about['run_id']}"

    @property
    def factors(self) -> dict[str, list[Any]]:
        """The values of each factor."""
        found: dict[str, list[Any]] = self.declaration["factors"]
        return found

    @property
    def arms(self) -> list[str]:
        """The arms' names, as declared."""
        return list(self.declaration["arms"])

    @property
    def baseline(self) -> str | None:
        """The arm without any extra term, which others are compared with."""
        arms = self.declaration["arms"].items()
        return next((name for name, arm in arms if not arm["terms"]), None)

    @cached_property
    def cells(self) -> dict[str, dict[str, Any]]:
        """Factor values by cell, in the order of the declaration."""
        combinations = itertools.product(*self.factors.values())
        found = {}
        for values in combinations:
            named = dict(zip(self.factors, values, strict=True))
            found[",".join(f"{k}={v}" for k, v in named.items()) or "all"] = named
        return found

    @cached_property
    def confirmed(self) -> pd.DataFrame:
        """The rows that may support a claim: confirm runs of the chosen configurations."""
        return confirmed(self.runs)

    def scores(self, metric: str = "metric.test_accuracy") -> pd.DataFrame:
        """A metric of the confirm phase: a row per cell and replicate, a column per arm.

        Replicates that an arm lacks are NaN.
        """
        wide = self.confirmed.pivot_table(
            index=["cell", "replicate"], columns="arm", values=metric, aggfunc="first"
        )
        return wide.reindex(columns=self.arms)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is missing or failed, in words; empty for a complete run."""
        said = list(self.broken)
        if self.runs.empty:
            return (*said, "The run has no rows yet.")
        failed = self.runs[self.runs["status"] == "failed"]
        for (phase, cell, arm), rows in failed.groupby(["phase", "cell", "arm"]):
            reason = str(rows["reason"].iloc[0]).splitlines()[0]
            said.append(f"{len(rows)} {phase} runs of {cell}, {arm} failed: {reason}")
        wanted = int(self.declaration["replicates"]["confirm"])
        there = self.confirmed.groupby(["cell", "arm"]).size()
        if there.empty:
            return (*said, "No confirm runs yet: nothing here was measured on the test set.")
        for cell, arm in itertools.product(self.cells, self.arms):
            count = int(there.get((cell, arm), 0))
            if count < wanted:
                said.append(
                    f"{cell}, {arm}: {count} of {wanted} confirm replicates. Differences use those "
                    f"that both arms have."
                )
        return tuple(said)


def load(path: str | Path, out: str | Path = "results") -> Results:
    """Read a run.

    Args:
        path: its folder, or `study`, or `study/run id` below `out`.
        out: the results folder.

    Raises:
        InputError: there is no such run, or its tables are of another version.
    """
    folder = find_run(str(path), Path(out))
    about = folder.about()
    runs, broken_runs = _table(folder, "runs")
    curves, broken_curves = _table(folder, "curves")
    return Results(folder.path, about, runs, curves, (*broken_runs, *broken_curves))


def _table(folder: RunFolder, table: str) -> tuple[pd.DataFrame, Sequence[str]]:
    """A table, without the files of it that are broken, and which those are."""
    try:
        return read_table(folder.path, table), ()
    except InputError:
        files = sorted((folder.path / table).glob("[!.]*.parquet"))
        good = [path for path in files if _readable(folder, table, path)]
        if not good or len(good) == len(files):
            raise
        bad = [path.name for path in files if path not in good]
        said = f"{len(bad)} broken files in {table}/ are left out: {', '.join(bad[:3])}"
        return read_table(folder.path, table, good), (said,)


def _readable(folder: RunFolder, table: str, path: Path) -> bool:
    try:
        read_table(folder.path, table, [path])
    except InputError:
        return False
    return True
