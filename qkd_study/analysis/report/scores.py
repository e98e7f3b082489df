"""Scores, gains over the baseline, and every contrast of every claim."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qkd_study.analysis.claims.arms import comparison
from qkd_study.analysis.claims.evaluate import ClaimResult
from qkd_study.analysis.claims.extension import fixed_replicates
from qkd_study.analysis.claims.table import unit, verdicts
from qkd_study.analysis.report.page import Subsection, Table
from qkd_study.analysis.report.pooled import cells_table
from qkd_study.analysis.report.tables import (
    ARM,
    CELL,
    Show,
    count,
    folded,
    p_values,
    percent,
    points,
    table,
)
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.undertraining import teacher_undertraining, undertraining
from qkd_study.study.claims import BOTH, DATASETS, REPLICATES

#: What a p value is over, in the table of contrasts.
OVER = {REPLICATES: "replicates", BOTH: "both", DATASETS: "datasets"}


def scores(results: RunTables, judged: Sequence[ClaimResult]) -> Subsection:
    """The scores on the test set."""
    tables = [_scores(results), *_contrasts(judged), *_other_methods(results, judged)]
    tables += [cells_table(results), _undertraining(results), _teachers(results)]
    tables = [found for found in tables if found.rows]
    return Subsection("Scores and gains", (), tables)


def _scores(results: RunTables) -> Table:
    frame = comparison(results)
    for name in ("test_f1_macro", "test_nll"):
        means = results.scores(f"metric.{name}").groupby(level="cell").mean()
        frame[name] = [means.loc[c, a] for c, a in zip(frame["cell"], frame["arm"], strict=True)]
    of = f"gain over {results.baseline}" if results.baseline else "gain"
    several = results.searches > 1
    units = "searches" if several else "replicates"
    shown = [
        CELL,
        ARM,
        folded(count("n", "n")),
        percent("score", "accuracy, %"),
        percent("test_f1_macro", "macro F1, %"),
        Show("test_nll", "NLL, nats", "{:.3f}"),
        folded(count("pairs", "pairs")),
        folded(count("unpaired", "left out")),
        points("gain", f"{of}, points"),
        points("low", "from"),
        points("high", "to"),
        percent("won", f"{units} won, %", "{:.0f}"),
        p_values("p_holm", "p, Holm"),
    ]
    note = (
        f"Mean test scores over the {'means of n searches' if several else 'n confirm replicates'} "
        f"of each arm, and gains over the {units} that both arms have (pairs; those of only one "
        f"are left out), with 95 % t intervals over new {units} on these test samples. Holm's p, "
        "of paired t tests, is corrected over all rows of this table. Select a heading to sort."
    )
    if (first := fixed_replicates(results)[1]) is not None:
        note += (
            f" The p values are of the first {first} replicates: how many there are beyond these "
            f"depends on results."
        )
    return table("Scores on the test set", note, frame, shown)


#: The columns of both tables on whether training was long enough.
_RISE = (
    CELL,
    ARM,
    count("runs", "n"),
    points("rise", "gained in the last fifth, points"),
    points("low", "from"),
    points("high", "to"),
    percent("last", "best epoch was the last, %", "{:.0f}"),
    Show("rising", "trained enough?"),
)


def _undertraining(results: RunTables) -> Table:
    note = (
        "Validation accuracy that confirm runs gained over the last fifth of their epochs, by a "
        "straight line through those epochs, with 95 % t intervals. An arm was still rising if its "
        "interval is above 0 and its mean above half a point. A claim of whose arms and cells more "
        "than a quarter were still rising is marked as undertrained."
    )
    return table("Whether training was long enough", note, _said(undertraining(results)), _RISE)


def _teachers(results: RunTables) -> Table:
    note = (
        "The same of the teachers of confirm runs. A claim of whose arms and controls with a "
        "teacher, in all cells, more than a quarter have one that was still rising is marked: "
        "undertrained teachers."
    )
    title = "Whether the training of teachers was long enough"
    return table(title, note, _said(teacher_undertraining(results)), _RISE)


def _said(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(rising=frame["rising"].map({True: "still rising", False: ""}))


def _other_methods(results: RunTables, judged: Sequence[ClaimResult]) -> list[Table]:
    """What makes fewer assumptions than t intervals do: the bootstrap, and signed ranks."""
    note = (
        "The same differences with 95 % BCa bootstrap intervals over replicates and Wilcoxon's "
        "test of signed ranks, which is not corrected for being one of many."
    )
    shown = [
        points("bca_low", "BCa from"),
        points("bca_high", "BCa to"),
        p_values("p_wilcoxon", "p, Wilcoxon"),
    ]
    gains = comparison(results).dropna(subset="bca_low")
    return [
        table("Gains by other methods", note, gains, [CELL, ARM, *shown]),
        table("Contrasts by other methods", note, _scaled(judged), [*_CONTRAST, *_OTHERS]),
    ]


_CONTRAST = (
    folded(count("claim", "claim")),
    Show("contrast", "contrast"),
    folded(Show("where", "in")),
    folded(Show("unit", "unit")),
)
_OTHERS = (
    Show("bca_low", "BCa from", "{:+.3g}"),
    Show("bca_high", "BCa to", "{:+.3g}"),
    percent("won", "higher, %", "{:.0f}"),
    p_values("p_wilcoxon", "p, Wilcoxon"),
)


def _contrasts(judged: Sequence[ClaimResult]) -> list[Table]:
    shown = [
        *_CONTRAST,
        folded(count("pairs", "pairs")),
        folded(count("left_out", "left out")),
        folded(count("test_items", "test samples")),
        Show("difference", "difference", "{:+.3g}"),
        Show("low", "from", "{:+.3g}"),
        Show("high", "to", "{:+.3g}"),
        folded(Show("both_low", "both: from", "{:+.3g}")),
        folded(Show("both_high", "both: to", "{:+.3g}")),
        folded(count("datasets", "datasets")),
        folded(Show("datasets_mean", "datasets: mean", "{:+.3g}")),
        folded(Show("datasets_low", "datasets: from", "{:+.3g}")),
        folded(Show("datasets_high", "datasets: to", "{:+.3g}")),
        folded(Show("over", "p over")),
        p_values("p_holm", "p, Holm"),
        folded(Show("margin", "margin", "{:g}")),
        p_values("p_margin", "p, within margin, Holm"),
        Show("verdict", "verdict"),
    ]
    note = (
        "Every number that a verdict rests on. Holm's correction, of both p values, is over the "
        "claims, over the cells of a claim, and over its controls. A verdict is supported or "
        "contradicted if p is below 0.05, else equivalent if that of lying within the margin is. "
        "Intervals from and to are over new replicates on these test samples; both: over new "
        "replicates and new test samples, of accuracies whose predictions were kept; datasets: of "
        "the mean over them, of claims over datasets. p is over one of these."
    )
    return [table("The claims, contrast by contrast", note, _scaled(judged), shown)]


def _scaled(judged: Sequence[ClaimResult]) -> pd.DataFrame:
    """The contrasts in the units that are shown, with the marks behind the verdict."""
    frame = verdicts(judged)
    factors = frame["metric"].map(lambda metric: unit(metric)[0]).astype(float)
    scaled = ["difference", "low", "high", "both_low", "both_high", "bca_low", "bca_high"]
    scaled += ["margin", "datasets_mean", "datasets_low", "datasets_high"]
    frame = frame.assign(**{name: factors * frame[name] for name in scaled})
    marked = frame["verdict"] + ", " + frame["marks"]
    frame = frame.assign(verdict=frame["verdict"].where(frame["marks"] == "", marked))
    frame = frame.assign(over=frame["over"].map(OVER))
    return frame.assign(unit=frame["metric"].map(lambda metric: unit(metric)[1].split()[-1]))
