"""Scores, gains over the baseline, and every contrast of every claim."""

from __future__ import annotations

from collections.abc import Sequence

from qkd_study.analysis.claims.arms import comparison
from qkd_study.analysis.claims.evaluate import ClaimResult
from qkd_study.analysis.claims.table import verdicts
from qkd_study.analysis.report.page import Subsection, Table
from qkd_study.analysis.report.prose import unit
from qkd_study.analysis.report.tables import (
    ARM,
    CELL,
    Show,
    count,
    p_values,
    percent,
    points,
    table,
)
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.undertraining import undertraining


def scores(results: RunTables, judged: Sequence[ClaimResult]) -> Subsection:
    """The scores on the test set."""
    tables = [_scores(results), _contrasts(judged), _undertraining(results)]
    tables = [found for found in tables if found.rows]
    return Subsection("Scores and gains", (), tables)


def _scores(results: RunTables) -> Table:
    frame = comparison(results)
    for name in ("test_f1_macro", "test_nll"):
        means = results.scores(f"metric.{name}").groupby(level="cell").mean()
        frame[name] = [means.loc[c, a] for c, a in zip(frame["cell"], frame["arm"], strict=True)]
    of = f"gain over {results.baseline}" if results.baseline else "gain"
    shown = [
        CELL,
        ARM,
        count("n", "n"),
        percent("score", "accuracy, %"),
        percent("test_f1_macro", "macro F1, %"),
        Show("test_nll", "NLL, nats", "{:.3f}"),
        count("pairs", "pairs"),
        count("unpaired", "left out"),
        points("gain", f"{of}, points"),
        points("low", "from"),
        points("high", "to"),
        points("bca_low", "BCa from"),
        points("bca_high", "BCa to"),
        percent("won", "replicates won, %", "{:.0f}"),
        p_values("p_holm", "p, Holm"),
        p_values("p_wilcoxon", "p, Wilcoxon"),
    ]
    note = (
        "Mean test scores over the n confirm replicates of each arm, and gains over the replicates "
        "that both arms have (pairs; those of only one are left out), with 95 % t intervals and "
        "BCa bootstrap intervals beside them. Holm's p, of paired t tests, is corrected over all "
        "rows of this table; Wilcoxon's is not. Select a heading to sort."
    )
    return table("Scores on the test set", note, frame, shown)


def _undertraining(results: RunTables) -> Table:
    frame = undertraining(results)
    frame = frame.assign(rising=frame["rising"].map({True: "still rising", False: ""}))
    shown = [
        CELL,
        ARM,
        count("runs", "n"),
        points("rise", "gained in the last fifth, points"),
        points("low", "from"),
        points("high", "to"),
        percent("last", "best epoch was the last, %", "{:.0f}"),
        Show("rising", "trained enough?"),
    ]
    note = (
        "Validation accuracy that confirm runs gained over the last fifth of their epochs, by a "
        "straight line through those epochs, with 95 % t intervals. An arm was still rising if its "
        "interval is above 0 and its mean above half a point. A claim of whose arms and cells more "
        "than a quarter were still rising is marked as undertrained."
    )
    return table("Whether training was long enough", note, frame, shown)


def _contrasts(judged: Sequence[ClaimResult]) -> Table:
    shown = [
        count("claim", "claim"),
        Show("contrast", "contrast"),
        Show("where", "in"),
        Show("unit", "unit"),
        count("pairs", "pairs"),
        count("left_out", "left out"),
        Show("difference", "difference", "{:+.3g}"),
        Show("low", "from", "{:+.3g}"),
        Show("high", "to", "{:+.3g}"),
        Show("bca_low", "BCa from", "{:+.3g}"),
        Show("bca_high", "BCa to", "{:+.3g}"),
        percent("won", "higher, %", "{:.0f}"),
        p_values("p_holm", "p, Holm"),
        p_values("p_wilcoxon", "p, Wilcoxon"),
        Show("margin", "margin", "{:g}"),
        p_values("p_margin", "p, within margin, Holm"),
        Show("verdict", "verdict"),
    ]
    note = (
        "Every number that a verdict rests on. Holm's correction, of both p values, is over the "
        "claims, over the cells of a claim, and over its controls. A verdict is supported or "
        "contradicted if p is below 0.05, else equivalent if that of lying within the margin is."
    )
    frame = verdicts(judged)
    factors = frame["metric"].map(lambda metric: unit(metric)[0]).astype(float)
    scaled = ["difference", "low", "high", "bca_low", "bca_high", "margin"]
    frame = frame.assign(**{name: factors * frame[name] for name in scaled})
    marked = frame["verdict"] + ", " + frame["marks"]
    frame = frame.assign(verdict=frame["verdict"].where(frame["marks"] == "", marked))
    frame = frame.assign(unit=frame["metric"].map(lambda metric: unit(metric)[1].split()[-1]))
    return table("The claims, contrast by contrast", note, frame, shown)
