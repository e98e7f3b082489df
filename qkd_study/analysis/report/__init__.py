"""`qkd-study report`: one HTML page that opens from disk, Markdown, and the figures."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qkd_study.analysis import figures
from qkd_study.analysis.claims.evaluate import judge
from qkd_study.analysis.report.build import section
from qkd_study.analysis.report.page import Picture, html, markdown
from qkd_study.analysis.report.pooled import over_datasets
from qkd_study.analysis.run_tables import RunTables


@dataclass(frozen=True)
class Written:
    """The files of a report."""

    html: Path
    markdown: Path
    verdicts: Path
    figures: Sequence[Path]


def write_report(runs: Sequence[RunTables], folder: Path) -> Written:
    """Write `report.html`, `report.md`, `verdicts.json` and, for a single run, `figures/`.

    Args:
        runs: one, or several to compare.
        folder: where to; created if need be.
    """
    judged = [judge(run) for run in runs]
    drawn = [figures.for_report(run, of_run) for run, of_run in zip(runs, judged, strict=True)]
    images = [[figures.png(figure) for _, _, figure in own] for own in drawn]
    sections = []
    for run, of_run, own, pngs in zip(runs, judged, drawn, images, strict=True):
        pictures = [
            Picture(name, caption, figures.alt_text(figure), base64.b64encode(png).decode())
            for (name, caption, figure), png in zip(own, pngs, strict=True)
        ]
        sections.append(section(run, pictures, of_run))
    together = over_datasets(runs)
    shown = sections if together is None else [together, *sections]
    title = str(runs[0].declaration["name"]) if len(runs) == 1 else "Comparison of runs"
    subtitle = ", ".join(run.name for run in runs)
    folder.mkdir(parents=True, exist_ok=True)
    page, text = folder / "report.html", folder / "report.md"
    page.write_text(html(title, subtitle, shown), encoding="utf-8")
    text.write_text(markdown(title, subtitle, shown), encoding="utf-8")
    verdicts = folder / "verdicts.json"
    found = {run.name: run.verdicts for run in sections}
    verdicts.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    saved: list[Path] = []
    if len(runs) == 1:
        (folder / "figures").mkdir(exist_ok=True)
        for (name, _, figure), png in zip(drawn[0], images[0], strict=True):
            saved += figures.save(figure, folder / "figures" / name, png)
    return Written(page, text, verdicts, saved)


__all__ = ["Written", "write_report"]
