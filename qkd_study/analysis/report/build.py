"""Builds the report from results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qkd_study.analysis.claims.evaluate import ClaimResult, judge
from qkd_study.analysis.claims.table import as_json
from qkd_study.analysis.report.efficiency import in_epochs, in_replicates, in_samples
from qkd_study.analysis.report.page import Picture, Section, Subsection
from qkd_study.analysis.report.pooled import datasets_of
from qkd_study.analysis.report.prose import statement, summary
from qkd_study.analysis.report.provenance import METHOD, provenance, reproduce
from qkd_study.analysis.report.scaling import scaling
from qkd_study.analysis.report.scores import scores
from qkd_study.analysis.report.search import search
from qkd_study.analysis.report.teachers import tuned_teachers
from qkd_study.analysis.run_tables import RunTables
from qkd_study.results import failed_share, reasons

#: The figure that comes first.
LEAD = "verdicts"
#: The section of a figure, by the beginning of its name.
PLACES = {
    "score-": "Scores and gains",
    "gain-": "Scores and gains",
    "pooled-gains": "Scores and gains",
    "pooled-datasets": "Over datasets",
    "calibration": "Scores and gains",
    "error-": "Scaling laws",
    "cost-": "Scaling laws",
    "pareto": "Scaling laws",
    "importance": "The search",
    "search-curves": "The search",
    "curves-": "How soon a target is reached",
}


def section(
    results: RunTables,
    drawn: Sequence[Picture] = (),
    judged: Sequence[ClaimResult] | None = None,
) -> Section:
    """The part of the report about one run.

    Args:
        results: the run.
        drawn: its figures.
        judged: its claims with their verdicts, if they are known.
    """
    judged = judge(results) if judged is None else judged
    parts = [
        scores(results, judged),
        datasets_of(results),
        in_samples(results),
        in_epochs(results),
        in_replicates(results),
        scaling(results),
        tuned_teachers(results),
        search(results),
    ]
    filled = [
        replace(part, figures=[p for p in drawn if _place(p.id) == part.title]) for part in parts
    ]
    return Section(
        name=results.name,
        question=str(results.declaration["question"]),
        summary=[*summary(judged), *_failed(results)],
        claims=[statement(j) for j in judged],
        verdicts=as_json(judged),
        problems=list(results.problems),
        parts=[part for part in filled if _says(part)],
        method=METHOD,
        provenance=provenance(results),
        reproduce=reproduce(results),
        lead=[picture for picture in drawn if picture.id == LEAD],
    )


def _failed(results: RunTables) -> list[str]:
    """The share of runs that failed, and the most frequent reason."""
    if results.runs.empty:
        return []
    share = failed_share(results.runs)
    if not results.failed:
        return [f"{share}."]
    first, *more = reasons(results.runs.to_dict("records"))
    others = f"; {len(more)} more reasons below" if more else ""
    return [f"{share}: {first.count} x {first.line.rstrip('.')}{others}."]


def _says(part: Subsection) -> bool:
    return bool(part.lines or part.tables or part.figures)


def _place(name: str) -> str:
    return next((place for start, place in PLACES.items() if name.startswith(start)), "")
