"""From results to what the report says about them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from qkd_study.analysis import figures, insight
from qkd_study.analysis.claims import judge
from qkd_study.analysis.report.page import (
    Cell,
    Column,
    Picture,
    Section,
    Table,
    number,
    word,
)
from qkd_study.analysis.report.words import statement, summary
from qkd_study.analysis.results import Results
from qkd_study.analysis.statistics import holm, paired_difference

METHOD = (
    "In every cell and arm the search took the configuration with the best mean accuracy on "
    "validation samples. That configuration was then trained anew on fresh replicates, and only "
    "those met the test set: every number here is from them unless it says search.",
    "A replicate fixes the samples drawn, the initial weights and the order of batches for all "
    "arms alike, so arms are compared by differences within replicates. Intervals are 95 % BCa "
    "bootstrap intervals of the mean difference; p values are of paired t tests with Holm's "
    "correction over the family named. BCa intervals are short below about 30 replicates; where "
    "they and the test disagree, the test decides.",
    "A claim over several cells is judged on its mean over them, replicate by replicate. It is "
    "supported or contradicted if zero is rejected at 5 %, equivalent if two one-sided tests "
    "place the difference within the declared margin, and undecided otherwise. Undecided does "
    "not mean that there is no effect: only equivalent says that.",
)


def section(results: Results, *, with_figures: bool = True) -> Section:
    """What the report says about one run."""
    judged = judge(results)
    return Section(
        name=results.name,
        question=str(results.declaration["question"]),
        summary=summary(judged),
        claims=[statement(j) for j in judged],
        problems=list(results.problems),
        tables=[t for t in (_scores(results), _winners(results), _budget(results)) if t.rows],
        figures=_figures(results) if with_figures else [],
        method=METHOD,
        provenance=_provenance(results),
        reproduce=_reproduce(results),
    )


def _scores(results: Results) -> Table:
    """Every cell and arm on the test set, with gains over the baseline."""
    wide = {
        name: results.scores(f"metric.{name}")
        for name in ("test_accuracy", "test_f1_macro", "test_nll")
    }
    accuracy, baseline = wide["test_accuracy"], results.baseline
    lines: list[list[Any]] = []
    for cell in results.cells:
        if cell not in accuracy.index.get_level_values("cell"):
            continue
        here = accuracy.loc[cell]
        for arm in results.arms:
            scores = here[arm].dropna()
            if scores.empty:
                continue
            gain = None
            if baseline is not None and arm != baseline:
                pairs = here[[arm, baseline]].dropna()
                if len(pairs) > 1:
                    gain = paired_difference(pairs[arm].to_numpy(), pairs[baseline].to_numpy())
            means = [frame.loc[cell][arm].mean() for frame in wide.values()]
            lines.append([cell, arm, len(scores), *means, gain])
    tested = [line[-1].p_t for line in lines if line[-1] is not None]
    adjusted = iter(holm(tested) if tested else ())
    rows = []
    for cell, arm, count, score, f1, nll, gain in lines:
        row = [word(cell), word(arm), number(count, "{:.0f}"), number(100 * score)]
        row += [number(100 * f1), number(nll, "{:.3f}")]
        if gain is None:
            row += [Cell(""), Cell(""), Cell(""), Cell(""), Cell("")]
        else:
            row += [number(100 * gain.mean, "{:+.1f}"), number(100 * gain.low, "{:+.1f}")]
            row += [number(100 * gain.high, "{:+.1f}"), number(100 * gain.won, "{:.0f}")]
            p = float(next(adjusted))
            row.append(Cell("< 0.001" if p < 0.001 else f"{p:.3f}", p))
        rows.append(row)
    of = f"gain over {baseline}" if baseline else "gain"
    named = ("n", "accuracy, %", "macro F1, %", "NLL, nats", f"{of}, points", "from", "to")
    columns = [Column("cell", True), Column("arm", True), *map(Column, named)]
    columns += [Column("replicates won, %"), Column("p, Holm")]
    note = (
        "Mean test scores over the confirm replicates, and gains paired by replicate with their "
        "95 % intervals. p is corrected over all rows of this table. Select a heading to sort."
    )
    return Table("Scores on the test set", note, columns, rows)


def _winners(results: Results) -> Table:
    searched = results.declaration["search"]
    frame = insight.best_configurations(results.runs, searched)
    columns = [Column("cell", True), Column("arm", True), Column("validation accuracy, %")]
    columns += [*map(Column, searched), Column("at the edge of its range", True)]
    rows = []
    for line in frame.to_dict("records"):
        row = [word(line["cell"]), word(line["arm"]), number(100 * line["score"])]
        for name in searched:
            value = line[f"config.{name}"]
            row.append(word(value) if isinstance(value, str) else number(value, "{:.3g}"))
        edges = line["at_edge"]
        row.append(word(edges if isinstance(edges, str) else ", ".join(edges)))
        rows.append(row)
    note = (
        "The configuration that each cell and arm confirmed. A value within 5 % of the edge of its "
        "range is a hint to search wider."
    )
    return Table("What the search chose", note, columns, rows if searched else [])


def _budget(results: Results) -> Table:
    frame = insight.search_budget(results.runs)
    names = [name for name in frame.columns if name not in ("cell", "arm")]
    rows = [
        [word(line["cell"]), word(line["arm"]), *(number(float(line[n]), "{:.4g}") for n in names)]
        for line in frame.to_dict("records")
    ]
    columns = [Column("cell", True), Column("arm", True), *(Column(n) for n in names)]
    note = "Configurations and runs of the search. Every arm with something to search got the same."
    return Table("What the search cost", note, columns, rows)


def _figures(results: Results) -> list[Picture]:
    pictures = []
    for name, caption, figure in figures.for_report(results):
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
        pictures.append(Picture(name, caption, base64.b64encode(out.getvalue()).decode()))
    return pictures


def _provenance(results: Results) -> list[tuple[str, str]]:
    about, sessions = results.about, results.about["sessions"]
    last = sessions[-1] if sessions else {}
    packages = ", ".join(f"{k} {v}" for k, v in last.get("packages", {}).items())
    seconds = float(results.runs["cost.seconds_total"].sum())
    devices = sorted(set(results.runs["where.backend"].dropna()))
    plans = sorted(set(results.runs["where.plan"].dropna()))
    return [
        ("run", results.name),
        ("dataset", f"{about['dataset']} (SHA-256 {about['dataset_sha256'][:16]}...)"),
        ("rows", f"{len(results.runs)}, {seconds:.0f} s of training in all"),
        ("circuits ran on", ", ".join(devices) + (f"; as {', '.join(plans)}" if plans else "")),
        ("started", str(sessions[0].get("started_at", "")) if sessions else ""),
        ("versions", f"qkd-study {last.get('qkd_study')}, Python {last.get('python')}, {packages}"),
        ("machine", f"{last.get('system')} {last.get('machine')}, {last.get('cpus')} CPUs"),
        ("seed", str(results.declaration["seed"])),
        ("fingerprint", str(about["fingerprint"])),
    ]


def _reproduce(results: Results) -> str:
    commands: Sequence[Sequence[str]] = [s.get("command", []) for s in results.about["sessions"]]
    distinct = dict.fromkeys(" ".join(command) for command in commands if command)
    note = "# study.py in the run's folder is the study file as it was run"
    return "\n".join([note, *distinct])
