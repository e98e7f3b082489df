"""Writes the numbers of a study's page from a run of it.

`python -m tools.study_page RUN ...` (a run's folder, or what `qkd-study list` calls it) writes
docs/studies/numbers/NAME.json with the scores and verdicts of the run, and in docs/studies/NAME.md
what the study's file declares, and the part between the two marks from the numbers. The rest of a
page is prose, and may only name numbers that stand in that part: tests/test_study_pages.py checks
it all.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qkd_study import analysis
from qkd_study.analysis import Results
from qkd_study.analysis.claims.table import as_json
from tools.study_header import header

STUDIES = Path(__file__).parent.parent / "studies"
PAGES = Path(__file__).parent.parent / "docs" / "studies"
BEGIN, END = "<!-- numbers of a run: begin -->", "<!-- numbers of a run: end -->"
#: Columns of the scores that a page has, and fields of a verdict's contrasts.
SCORES = ("cell", "arm", "n", "score", "gain", "low", "high")
CONTRAST = ("contrast", "where", "metric", "pairs", "difference", "low", "high")
WIDER = ("both_low", "both_high")
DECIDES = ("p_holm", "over", "verdict")

Record = Mapping[str, Any]


def numbers(results: Results) -> dict[str, Any]:
    """The scores and verdicts of a run, as JSON values; accuracies are shares, five decimals."""
    scores = results.comparison()[list(SCORES)]
    claims = [
        {
            "says": claim["says"],
            "verdict": claim["verdict"],
            "marks": claim["marks"],
            "contrasts": [
                {key: c[key] for key in (*CONTRAST, *WIDER, *DECIDES)} for c in claim["contrasts"]
            ],
        }
        for claim in as_json(results.judge())
    ]
    confirm = results.confirmed
    found = {
        "version": results.manifest["sessions"][-1].get("qkd_study"),
        "dataset": results.manifest["dataset"],
        "runs": int((results.runs["status"] != "stopped").sum()),
        "searches": results.searches,
        "confirmed": len(confirm),
        "baseline": results.baseline,
        "factors": list(results.factors),
        "scores": scores.to_dict("records"),
        "claims": claims,
    }
    rounded: dict[str, Any] = _rounded(found)
    return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value.item() if hasattr(value, "item") else value


def rendered(found: Record) -> str:
    """The part of a page that shows a run's numbers, as Markdown."""
    return "\n".join(
        [
            BEGIN,
            "",
            "## One run",
            "",
            f"{found['runs']:,} runs on {found['dataset']}, of which {found['confirmed']:,} "
            "confirm what the search chose.",
            f"Test accuracy in %, over {_units(found)}; the gain over `{found['baseline']}` is "
            f"paired and has a 95 % interval.",
            "",
            *_scores(found),
            "",
            "## Claims",
            "",
            "Declared before the run; differences in percentage points, unless they have a unit.",
            "",
            *(line for claim in found["claims"] for line in _claim(claim, _units(found))),
            "",
            END,
        ]
    )


def _units(found: Record) -> str:
    return "replicates" if found["searches"] == 1 else f"the means of {found['searches']} searches"


def _scores(found: Record) -> list[str]:
    factors = found["factors"]
    lines = ["| " + " | ".join([*factors, "arm", "n", "score", "gain"]) + " |"]
    lines.append("|" + " --- |" * (len(factors) + 1) + " ---: |" * 3)
    for row in found["scores"]:
        # A cell that its arm does not tell apart from others leaves factors out.
        values = dict(part.split("=", 1) for part in row["cell"].split(",") if "=" in part)
        score = "" if row["score"] is None else f"{100 * row['score']:.1f}"
        gain = "" if row["gain"] is None else _difference(row, "test_accuracy", "gain")
        cells = [*(values.get(name, "") for name in factors), f"`{row['arm']}`"]
        lines.append("| " + " | ".join([*cells, str(row["n"]), score, gain]) + " |")
    return lines


def _difference(row: Record, metric: str, name: str = "difference") -> str:
    """A difference with its interval, such as `+0.2 (-0.1 to +0.4)`."""
    factor, decimals, unit = 100, 1, ""
    if metric == "test_nll":
        factor, decimals, unit = 1, 3, " nats"
    elif metric == "epochs_to_target":
        factor, unit = 1, " epochs"
    if row[name] is None:
        return "untested"
    text = f"{factor * row[name]:+.{decimals}f}{unit}"
    if row["low"] is not None:
        text += " ({} to {})".format(
            *(f"{factor * row[end]:+.{decimals}f}" for end in ("low", "high"))
        )
    return text


def _claim(claim: Record, units: str) -> list[str]:
    whole, *rest = claim["contrasts"]
    marks = f", {', '.join(claim['marks'])}" if claim["marks"] else ""
    lines = [f"- **{claim['says']}** *{claim['verdict']}{marks}.* {_contrast(whole)}"]
    searches = "" if units == "replicates" else "searches, "
    lines.append(f"  - the verdict is for new {searches}{whole['over']}")
    cells = [c for c in rest if c["where"] != "control"]
    if cells:
        each = (f"{c['where']} {_difference(c, c['metric'])}" for c in cells)
        lines.append(f"  - by cell: {'; '.join(each)}")
    lines += [f"  - against a control: {_contrast(c)}" for c in rest if c["where"] == "control"]
    return lines


def _contrast(row: Record) -> str:
    text = f"{row['contrast']}: {_difference(row, row['metric'])}"
    if row["both_low"] is not None:
        wider = {**row, "low": row["both_low"], "high": row["both_high"]}
        text += f", with new test samples {_difference(wider, row['metric'])}"
    text += f", {row['pairs']} pairs"
    p = row["p_holm"]
    if p is not None:
        text += ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"
    return f"{text}, {row['verdict']}."


def with_numbers(page: str, declared: str, part: str) -> str:
    """A page with what its study declares, and the numbers of its run; its prose stays."""
    _, title, prose = page.partition("## What it says\n")
    return "\n".join([declared, part, "", title + prose])


def unknown_numbers(page: str) -> list[str]:
    """Decimal numbers in the prose below a page's numbers which do not stand among these."""
    numbers_part, _, prose = page.partition(END)
    known = set(re.findall(r"\d+\.\d+", numbers_part.partition(BEGIN)[2]))
    without_links = re.sub(r"\]\([^)]*\)|arXiv:\S+|`[^`]*`", "", prose)
    return [number for number in re.findall(r"\d+\.\d+", without_links) if number not in known]


def main(runs: Sequence[str], pages: Path = PAGES) -> None:
    """Write the numbers of the pages of some runs."""
    for run in runs:
        results = analysis.load(run)
        name = results.declaration["name"]
        found = numbers(results)
        target = pages / "numbers" / f"{name}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        page = pages / f"{name}.md"
        declared = header(STUDIES / f"{name}.py")
        text = with_numbers(page.read_text(encoding="utf-8"), declared, rendered(found))
        page.write_text(text, encoding="utf-8")
        print(f"{page.name}: {found['runs']} runs")
        for number in unknown_numbers(text):
            print(f"  the prose says {number}, which is none of the run's numbers")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    main(parser.parse_args().runs)
