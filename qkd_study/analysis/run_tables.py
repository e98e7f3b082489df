"""`RunTables`: the tables of a run in memory, and what is missing in them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from qkd_study.analysis.predictions import Correctness, correctness
from qkd_study.analysis.search_analysis import (
    expected_best,
    parameter_importance,
    pareto_table,
)
from qkd_study.analysis.summary import SharedCells, by_unit, confirmed, in_every_cell
from qkd_study.common.errors import InputError
from qkd_study.results import (
    BrokenFile,
    RunFolder,
    VanishedFile,
    files_of,
    find_run,
    read_once,
    reasons,
    retry_read,
    schema,
)
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.search_methods import MINIMISED

#: The cost of Pareto fronts, unless a study minimises something else.
COST = "cost.parameters"
#: Factors whose values have fronts of their own: with more or easier data, a model is not better.
DATA = (
    *(DATASET, "samples", "teacher_samples", "transfer_samples"),
    *("validation_samples", "validation_share", "label_noise"),
)


@dataclass(frozen=True, eq=False)
class RunTables:
    """The tables of a run.

    Attributes:
        path: its folder.
        manifest: the content of study.json.
        runs, curves: the tables; see results/README.md.
        broken: messages about files that could not be read.
        folder: the same folder, with its object store if it has one; `None`: it has none.
    """

    path: Path
    manifest: dict[str, Any]
    runs: pd.DataFrame
    curves: pd.DataFrame
    broken: tuple[str, ...] = ()
    folder: RunFolder | None = None

    @property
    def declaration(self) -> dict[str, Any]:
        """The declaration of the study, with all defaults."""
        declared: dict[str, Any] = self.manifest["declaration"]
        return declared

    @property
    def name(self) -> str:
        """`<study>/<run id>`."""
        return f"{self.declaration['name']}/{self.manifest['run_id']}"

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
        """The arm that changes nothing of the student's training: others are compared with it."""
        arms = self.declaration["arms"].items()
        own = {"optimizer": None, "student": "own"}
        plain = (
            name
            for name, arm in arms
            if not arm["terms"] and all(arm.get(k, v) == v for k, v in own.items())
        )
        return next(plain, None)

    @cached_property
    def cells(self) -> dict[str, dict[str, Any]]:
        """Factor values by cell, in the order of the declaration."""
        combinations = itertools.product(*self.factors.values())
        found = {}
        for values in combinations:
            named = dict(zip(self.factors, values, strict=True))
            found[label(named)] = named
        return found

    @property
    def student_runs(self) -> pd.DataFrame:
        """The rows of students: all but those of the phase `teacher`."""
        return self.runs[self.runs["phase"] != "teacher"]

    @property
    def shared(self) -> SharedCells:
        """The cells whose rows stand in the tables under another cell, by arm."""
        found: SharedCells = self.manifest.get("plan", {}).get("shared", {})
        return found

    def branch(self, cell: str, arm: str) -> str:
        """The cell under which the rows of an arm in a cell stand in the tables."""
        return self.shared.get(arm, {}).get(cell, cell)

    @cached_property
    def confirmed(self) -> pd.DataFrame:
        """The rows on which claims are tested: confirm runs of the chosen configurations.

        Rows that cells share stand in each of them.
        """
        return in_every_cell(confirmed(self.runs, self.minimised), self.shared)

    @cached_property
    def failed_confirm(self) -> pd.DataFrame:
        """The rows that are missing in `confirmed` because their runs failed."""
        failed = confirmed(self.runs, self.minimised, status="failed")
        return in_every_cell(failed, self.shared)

    @property
    def predictions(self) -> pd.DataFrame:
        """The table of predictions per test sample; empty if the run kept none.

        Without the column `probabilities`, which may be gigabytes: pyarrow reads it in parts.
        """
        return self._predictions[0]

    @cached_property
    def _predictions(self) -> tuple[pd.DataFrame, Sequence[str]]:
        if not (self.path / "predictions").is_dir():
            empty = schema("predictions").empty_table().drop_columns("probabilities")
            return empty.to_pandas(), ()
        columns = [name for name in schema("predictions").names if name != "probabilities"]
        return retry_read(lambda: _table(self.path, "predictions", "", columns))

    @cached_property
    def correctness(self) -> Mapping[tuple[str, str], Correctness]:
        """Which test samples the confirmed runs of each cell and arm classified correctly.

        Rows that cells share stand under one of them: see `branch`.
        """
        return correctness(self.predictions, confirmed(self.runs, self.minimised))

    @cached_property
    def confirmed_curves(self) -> pd.DataFrame:
        """The epochs of the runs in `confirmed`."""
        keys = ["cell", "arm", "trial", "replicate"]
        curves = in_every_cell(self.curves[self.curves["phase"] == "confirm"], self.shared)
        return curves.merge(self.confirmed[keys], on=keys)

    def sliced(self, by: Sequence[str]) -> list[tuple[dict[str, Any], list[str]]]:
        """The cells grouped by the values of some factors."""
        found: dict[tuple[Any, ...], list[str]] = {}
        for cell, named in self.cells.items():
            found.setdefault(tuple(named[name] for name in by), []).append(cell)
        return [(dict(zip(by, values, strict=True)), cells) for values, cells in found.items()]

    def along(self, factor: str) -> list[tuple[dict[str, Any], list[tuple[Any, str]]]]:
        """For each combination of the other factors, the values of a factor and their cells.

        Raises:
            InputError: it is no factor of the run.
        """
        if factor not in self.factors:
            known = ", ".join(self.factors) or "none"
            raise InputError(f"{factor!r} is no factor of {self.name}. Its factors: {known}.")
        others = [name for name in self.factors if name != factor]
        return [
            (fixed, [(self.cells[cell][factor], cell) for cell in cells])
            for fixed, cells in self.sliced(others)
        ]

    def scores(self, metric: str = "metric.test_accuracy") -> pd.DataFrame:
        """A metric of the confirm phase: a row per cell and replicate, a column per arm.

        Replicates that an arm lacks are NaN. With several searches per cell and arm, there is a row
        per search, from 0, in place of the replicates: their mean.
        """
        if metric not in self._scores:
            wide = self.confirmed.pivot_table(
                index=["cell", "replicate"], columns="arm", values=metric, aggfunc="first"
            )
            self._scores[metric] = by_unit(wide.reindex(columns=self.arms), self.searches)
        return self._scores[metric].copy()

    @cached_property
    def _scores(self) -> dict[str, pd.DataFrame]:
        return {}

    @cached_property
    def failed(self) -> int:
        """How many runs failed."""
        return int((self.runs["status"] == "failed").sum())

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Messages about what is missing or failed; empty for a complete run."""
        messages = [*self.broken, *self._predictions[1]]
        if self.runs.empty:
            return (*messages, "The run has no rows yet.")
        found = reasons(self.runs.to_dict("records")) if self.failed else ()
        messages += [f"failed: {why.count} x {why.line}; first: {why.run}" for why in found]
        replicates = self.declaration["replicates"]
        # With looks, what more there should be depends on the claims, whose texts say it.
        wanted = int((replicates.get("looks") or [replicates["confirm"]])[0])
        there = self.confirmed.groupby(["cell", "arm"]).size()
        if there.empty:
            return (*messages, "No confirm runs yet: nothing here was measured on the test set.")
        for cell, arm in itertools.product(self.cells, self.arms):
            count = int(there.get((cell, arm), 0))
            if count < wanted:
                messages.append(
                    f"{cell}, {arm}: {count} of {wanted} confirm replicates. Differences use those "
                    f"that both arms have."
                )
        return tuple(messages)

    @property
    def searches(self) -> int:
        """The independent searches of each cell and arm; one if nothing was searched."""
        searched = self.declaration.get("search")
        return int(self.declaration["replicates"].get("searches", 1)) if searched else 1

    @property
    def minimised(self) -> str | None:
        """The column that the study minimised beside maximising the accuracy, if any."""
        return MINIMISED.get(self.declaration.get("minimise") or "")

    def importance(self, *, pooled: bool = False) -> pd.DataFrame:
        """The importance of each searched parameter; see `search_analysis.parameter_importance`."""
        if pooled:
            return self._importance.copy()
        return parameter_importance(self.runs, self.declaration["search"])

    @cached_property
    def _importance(self) -> pd.DataFrame:  # takes seconds, and the report needs it twice
        return parameter_importance(self.runs, self.declaration.get("search", {}), pooled=True)

    def expected_best(self) -> pd.DataFrame:
        """What a search of so many trials would find; see `search_analysis.expected_best`."""
        return self._expected_best.copy()

    @cached_property
    def _expected_best(self) -> pd.DataFrame:
        return expected_best(self.runs)

    def pareto(self, cost: str | None = None) -> pd.DataFrame:
        """Test accuracy against a cost, and Pareto fronts; see `search_analysis.pareto_table`.

        Each value of a factor that changes the data, such as `dataset` and `samples`, has a front.

        Args:
            cost: a column; default: what the study minimised, else `cost.parameters`.
        """
        apart = [name for name in DATA if name in self.factors]
        return pareto_table(
            self.runs,
            cost or self.minimised or COST,
            minimised=self.minimised,
            groups={c: tuple(named[f] for f in apart) for c, named in self.cells.items()},
            shared=self.shared,
        )


def label(values: Mapping[str, Any]) -> str:
    """The key of a cell, from its factor values; `all` without any."""
    return ",".join(f"{name}={value}" for name, value in values.items()) or "all"


def read_run(
    path: str | Path, out: str | Path = "results", *, search_curves: bool = True
) -> RunTables:
    """Read a run.

    Args:
        path: its folder or address, or `study`, or `study/run id` below `out`.
        out: the results folder, or its address.
        search_curves: whether to read the epochs of search runs too. They are most of the data,
            and no analysis needs them.

    Raises:
        InputError: there is no such run, or its tables are of another version.
    """
    folder = find_run(str(path), out)
    manifest = folder.manifest()
    runs, broken_runs = retry_read(lambda: _table(folder.path, "runs", ""))
    left_out = "" if search_curves else "search-"
    curves, broken_curves = retry_read(lambda: _table(folder.path, "curves", left_out))
    broken = (*broken_runs, *broken_curves)
    return RunTables(folder.path, manifest, runs, curves, broken, folder)


def _table(
    folder: Path, table: str, left_out: str, columns: Sequence[str] | None = None
) -> tuple[pd.DataFrame, Sequence[str]]:
    """Read a table without broken files; returns messages about those, too.

    Args:
        folder: of the run.
        table: its name.
        left_out: files whose names begin with this are not read; may be empty.
        columns: to read; default: all.
    """
    files = files_of(folder, table)
    if left_out:
        files = [path for path in files if not path.name.lstrip(".").startswith(left_out)]
    try:
        rows, doubled = read_once(folder, table, files, columns)
        return rows, () if doubled is None or table != "runs" else (doubled,)
    except VanishedFile:
        raise
    except BrokenFile:
        good = [path for path in files if _readable(folder, path, table)]
        if not good:
            raise
        bad = [path.name for path in files if path not in good]
        messages = f"{len(bad)} broken files in {table}/ are left out: {', '.join(bad[:3])}"
        rows, doubled = read_once(folder, table, good, columns)
        return rows, (messages,) if doubled is None or table != "runs" else (messages, doubled)


def _readable(folder: Path, path: Path, table: str) -> bool:
    try:
        read_once(folder, table, [path])
    except VanishedFile:
        raise
    except BrokenFile:
        return False
    return True
