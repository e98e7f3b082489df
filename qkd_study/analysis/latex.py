"""The table of scores as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from qkd_study.analysis.interval_text import NOTES, format_gain, format_share
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.summary import Line, summarise

_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def escaped(text: str) -> str:
    """A text in which LaTeX's special characters stand for themselves."""
    return text.translate(_ESCAPED)


def lines_of(results: RunTables) -> list[Line]:
    """Test accuracy and paired gain of every cell and arm that was confirmed."""
    found = summarise(
        results.runs,
        results.baseline,
        tuple(results.cells),
        tuple(results.arms),
        results.minimised,
        shared=results.shared,
        searches=results.searches,
    )
    return [line for line in found if line.score.count]


def to_latex(results: RunTables) -> str:
    """The table of scores with intervals, as at the end of a run, for the package booktabs.

    Args:
        results: the run.

    Returns:
        A `tabular` environment: a column per factor, then arm, n, test accuracy in per cent and
        paired gain in points, each with its 95 % interval. Names are escaped.
    """
    lines = lines_of(results)
    headings = [*results.factors, "arm", "$n$", r"accuracy (\%)"]
    if results.baseline is not None:
        headings.append(f"gain over {escaped(results.baseline)}")
    rows, before = [], None
    for line in lines:
        if before not in (None, line.cell):
            rows.append(r"\midrule")
        before = line.cell
        rows.append(_row(_entries(results, line)))
    columns = "l" * (len(results.factors) + 1) + "r" * (len(headings) - len(results.factors) - 1)
    over = "replicates" if results.searches == 1 else "searches"
    notes = [f"% {text}" for word, text in NOTES.items() if any(f" {word} " in r for r in rows)]
    return "\n".join(
        [
            f"% {results.name}: means and 95 % intervals over {over}; needs booktabs",
            *notes,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _row([*map(escaped, results.factors), *headings[len(results.factors) :]]),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _entries(results: RunTables, line: Line) -> list[str]:
    values = [escaped(str(value)) for value in results.cells[line.cell].values()]
    entries = [*values, escaped(line.arm), str(line.score.count)]
    entries.append(format_share(line.score, latex=True))
    if results.baseline is not None:
        entries.append("" if line.gain is None else format_gain(line.gain, latex=True))
    return entries


def _row(entries: Sequence[str]) -> str:
    return " & ".join(entries) + r" \\"
