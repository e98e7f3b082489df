"""`Results`: a run, and a method for every analysis of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from qkd_study.analysis.claims.arms import comparison, power
from qkd_study.analysis.claims.evaluate import ClaimResult, judge
from qkd_study.analysis.claims.table import verdicts
from qkd_study.analysis.comparison_of_runs import compare, declared_differences
from qkd_study.analysis.confusion import confusion, per_class
from qkd_study.analysis.latex import to_latex
from qkd_study.analysis.pooled import over_cells, over_datasets
from qkd_study.analysis.run_tables import RunTables, read_run
from qkd_study.analysis.scaling.cost_table import cost_laws
from qkd_study.analysis.scaling.data import efficiency, error_laws, slopes
from qkd_study.analysis.scaling.time_to_target import epochs
from qkd_study.analysis.search_analysis import best_configurations, convergence, search_budget
from qkd_study.analysis.students import student_of
from qkd_study.analysis.teachers import teachers
from qkd_study.analysis.undertraining import teacher_undertraining, undertraining

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qkd_study.students import Student


class Results(RunTables):
    """A run, and a method for every analysis of it; see `RunTables` for its tables."""

    def __repr__(self) -> str:
        return f"<Results of {self.name}: {len(self.runs)} runs>"

    def judge(self) -> list[ClaimResult]:
        """The verdict on every claim; see `claims.evaluate.judge`."""
        return judge(self)

    def verdicts(self) -> pd.DataFrame:
        """The contrasts of all claims; see `claims.table.verdicts`."""
        return verdicts(self.judge())

    def comparison(self, metric: str = "metric.test_accuracy") -> pd.DataFrame:
        """Every arm against the baseline, paired; see `claims.arms.comparison`."""
        return comparison(self, metric)

    def over_cells(self, metric: str = "metric.test_accuracy") -> pd.DataFrame:
        """Every arm's gain, summarised over cells; see `pooled.over_cells`."""
        return over_cells(self, metric)

    def over_datasets(self, metric: str = "metric.test_accuracy") -> pd.DataFrame:
        """Every arm's gain, summarised over datasets; see `pooled.over_datasets`."""
        return over_datasets(self, metric)

    def power(self, *differences: float, metric: str = "metric.test_accuracy") -> pd.DataFrame:
        """The replicates that differences need; see `claims.arms.power`."""
        return power(self, differences, metric=metric)

    def slopes(self, factor: str = "samples") -> pd.DataFrame:
        """The gain per doubling of an amount; see `scaling.data.slopes`."""
        return slopes(self, factor)

    def efficiency(self) -> pd.DataFrame:
        """The data-efficiency factors; see `scaling.data.efficiency`."""
        return efficiency(self)

    def epochs(self, target: float | None = None) -> pd.DataFrame:
        """Epochs to a target; see `scaling.time_to_target.epochs`."""
        return epochs(self, target)

    def undertraining(self) -> pd.DataFrame:
        """Which arms still rose when training ended; see `undertraining.undertraining`."""
        return undertraining(self)

    def teacher_undertraining(self) -> pd.DataFrame:
        """Whose teachers still rose; see `undertraining.teacher_undertraining`."""
        return teacher_undertraining(self)

    def error_laws(self, at: float | None = None) -> pd.DataFrame:
        """Test error against samples as a power law; see `scaling.data.error_laws`."""
        return error_laws(self, at)

    def cost_laws(self, cost: str = "cost.seconds_train") -> pd.DataFrame:
        """A cost against qubits, depth and samples; see `scaling.cost_table.cost_laws`."""
        return cost_laws(self, cost)

    def best(self) -> pd.DataFrame:
        """The configuration of each cell and arm; see `search_analysis.best_configurations`."""
        return best_configurations(self.runs, self.declaration["search"], self.minimised)

    def student(
        self,
        cell: str | None = None,
        arm: str | None = None,
        replicate: int | None = None,
        *,
        best: bool = False,
    ) -> Student:
        """The trained student of a confirm run; see `students.student_of`."""
        return student_of(self, cell, arm, replicate, best=best)

    def teachers(self) -> pd.DataFrame:
        """The teachers that were searched; see `teachers.teachers`."""
        return teachers(self)

    def confusion(self, cell: str, arm: str) -> pd.DataFrame:
        """Which classes are mistaken for which; see `confusion.confusion`."""
        return confusion(self, cell, arm)

    def per_class(self) -> pd.DataFrame:
        """How well each class is recognised; see `confusion.per_class`."""
        return per_class(self)

    def budget(self) -> pd.DataFrame:
        """The effort of each search; see `search_analysis.search_budget`."""
        return search_budget(self.runs)

    def convergence(self) -> pd.DataFrame:
        """The best score after each trial; see `search_analysis.convergence`."""
        return convergence(self.runs)

    def to_latex(self) -> str:
        """The table of scores with intervals as LaTeX; see `latex.to_latex`."""
        return to_latex(self)

    def compare(self, other: RunTables) -> pd.DataFrame:
        """Gains of this run and another, side by side; see `comparison_of_runs.compare`."""
        return compare(self, other)

    def differences(self, other: RunTables) -> pd.DataFrame:
        """What another run declares differently; see `comparison_of_runs.declared_differences`."""
        return declared_differences(self, other)

    def figures(self) -> dict[str, Figure]:
        """The report's figures by name; others are functions in `qkd_study.analysis.figures`."""
        from qkd_study.analysis.figures import for_report

        return {name: figure for name, _, figure in for_report(self)}

    def report(self, folder: str | Path | None = None) -> Path:
        """Write the report into a folder (default: the run's); returns `report.html`."""
        from qkd_study.analysis.report import write_report

        return write_report([self], self.path if folder is None else Path(folder)).html


def load(path: str | Path, out: str | Path = "results", *, search_curves: bool = True) -> Results:
    """Read a run; see `run_tables.read_run`."""
    return Results(**vars(read_run(path, out, search_curves=search_curves)))
