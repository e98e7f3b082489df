"""Incomplete and broken runs: the report says what is missing, or stops with one message."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qkd_study import InputError, Results, load
from qkd_study.analysis.report.build import section
from qkd_study.cli.main import main
from tests.analysis.made import made_results, written


def report(results: Results, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str, str]:
    """The report of a run, from its files: page, Markdown and what was printed as problems."""
    folder = written(results, out)
    assert main(["report", str(folder)]) == 0
    said = capsys.readouterr().err
    return (folder / "report.html").read_text(), (folder / "report.md").read_text(), said


def scores(text: str, cell: str, arm: str) -> dict[str, str]:
    """A line of the first table of a report in Markdown."""
    lines = text.split("### Scores on the test set")[1].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    found = next(row for row in rows if [w.strip() for w in row[:2]] == [cell, arm])
    return dict(zip(rows[0], (w.strip() for w in found), strict=False))


def test_the_files_are_the_tables(tmp_path: Path) -> None:
    results = made_results()
    again = load(written(results, tmp_path))
    keys = ["phase", "cell", "arm", "trial", "replicate"]
    expected = results.runs.sort_values(keys, ignore_index=True)
    assert again.runs["metric.test_accuracy"].equals(expected["metric.test_accuracy"])
    assert again.problems == ()
    assert section(again).summary[-1] == f"0 of {len(again.runs):,} runs failed (0 %)."
    assert len(again.curves) == len(results.curves)


def test_no_confirm_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = made_results()
    results = replace(
        results,
        runs=results.runs[results.runs["phase"] == "search"],
        curves=results.curves[results.curves["phase"] == "search"],
    )
    page, text, said = report(results, tmp_path, capsys)
    for place in (page, text, said):
        assert "No confirm runs yet: nothing here was measured on the test set." in place
    assert "*undecided.*" in text
    assert "fewer than two replicates" in text
    assert "Scores on the test set" not in text
    assert "Budget and convergence" in text  # the search is still reported


def test_no_rows_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = made_results()
    results = replace(results, runs=results.runs.iloc[:0], curves=results.curves.iloc[:0])
    _, text, said = report(results, tmp_path, capsys)
    assert "The run has no rows yet." in said
    assert "Budget" not in text


def test_missing_replicates_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = made_results()
    runs = results.runs
    gone = (runs["arm"] == "soft") & runs["replicate"].isin([1003, 1004])
    gone |= (runs["arm"] == "scratch") & (runs["replicate"] == 1005)
    part = replace(results, runs=runs[~(gone & (runs["cell"] == "samples=50"))])
    _, text, said = report(part, tmp_path, capsys)
    assert "samples=50, soft: 10 of 12 confirm replicates" in said
    assert "samples=50, scratch: 11 of 12 confirm replicates" in text
    assert "9 of 12" not in said
    row = scores(text, "samples=50", "soft")
    assert (row["n"], row["pairs"], row["left out"]) == ("10", "9", "3")
    wide = part.scores().xs("samples=50")[["soft", "scratch"]].dropna()
    expected = 100 * (wide["soft"] - wide["scratch"]).mean()
    assert row["gain over scratch, points"] == f"{expected:+.1f}"
    assert "of 9 replicates" in text
    assert "3 replicates that a side or a cell lacks are left out." in text


def test_a_missing_arm_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = made_results()
    runs = results.runs
    part = replace(results, runs=runs[~((runs["arm"] == "soft") & (runs["phase"] == "confirm"))])
    _, text, said = report(part, tmp_path, capsys)
    assert "samples=100, soft: 0 of 12 confirm replicates" in said
    assert "| samples=50 | scaled-ce | 12 |" in text
    assert "| samples=50 | soft | 1" not in text
    assert "soft against scratch: fewer than two replicates" in text


def test_failed_rows_are_named_and_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = made_results()
    runs = results.runs.astype({"reason": object}).reset_index(drop=True)
    bad = (runs["phase"] == "confirm") & (runs["arm"] == "soft") & (runs["replicate"] == 1000)
    runs.loc[bad, ["status", "reason"]] = ["failed", "diverged: the loss was nan"]
    # What a failed run left in its columns counts for nothing.
    runs.loc[bad, "metric.test_accuracy"] = 0.0
    page, text, said = report(replace(results, runs=runs), tmp_path, capsys)
    why = f"failed: {bad.sum()} x diverged: the loss was nan; first: confirm samples=100 soft"
    assert said.count(why) == said.count("diverged") == 1
    ran, share = (runs["status"] != "stopped").sum(), 100 * bad.sum() / len(runs)
    for first_page in (page.split("What is missing")[0], text.split("What is missing")[0]):
        assert f"{bad.sum()} of {ran:,} runs failed ({share:.2g} %): {bad.sum()} x" in first_page
    row = scores(text, "samples=50", "soft")
    assert (row["n"], row["pairs"], row["left out"]) == ("11", "11", "1")
    good = results.scores().loc["samples=50"].drop(1000)["soft"]
    assert row["accuracy, %"] == f"{100 * good.mean():.1f}"


@pytest.mark.parametrize("table", ["runs", "curves"])
@pytest.mark.parametrize("which", [0, -1])
def test_a_table_of_another_version_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, which: int
) -> None:
    folder = written(made_results(), tmp_path)
    path = sorted((folder / table).glob("confirm*.parquet"))[which]
    data = pq.read_table(path)
    metadata = {**data.schema.metadata, b"qkd_study.version": b"7"}
    pq.write_table(data.replace_schema_metadata(metadata), path)
    assert main(["report", str(folder)]) == 2
    said = capsys.readouterr().err
    assert re.search(
        rf"{table}/.*{path.name} has a table of version 7, but this qkd-study reads version 1", said
    ), said
    assert said.count("\n") == 1
    with pytest.raises(InputError, match="version 7"):
        load(folder)


def test_a_truncated_file_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(made_results(), tmp_path)
    path = next(folder.glob("runs/confirm-samples=50-soft-*.parquet"))
    path.write_bytes(path.read_bytes()[:-200])
    assert main(["report", str(folder)]) == 0
    said = capsys.readouterr().err
    assert f"1 broken files in runs/ are left out: {path.name}" in said
    assert "samples=50, soft: 0 of 12 confirm replicates" in said
    assert path.name in (folder / "report.md").read_text()
    assert load(folder).comparison().query("arm == 'soft'")["cell"].tolist() == ["samples=100"]


def test_nothing_but_truncated_files_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(made_results(), tmp_path)
    for path in folder.glob("runs/*.parquet"):
        path.write_bytes(path.read_bytes()[:40])
    assert main(["report", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "columns.parquet is broken: " in said
    assert "Traceback" not in said


def test_a_column_that_is_not_there_stops_or_is_null(tmp_path: Path) -> None:
    folder = written(made_results(), tmp_path)
    path = next(folder.glob("runs/confirm-samples=50-soft-*.parquet"))
    data = pq.read_table(path)
    pq.write_table(data.drop_columns(["metric.test_ece"]), path)  # written before it was added
    rows = load(folder).runs
    mine = (rows["cell"] == "samples=50") & (rows["arm"] == "soft")
    assert rows.loc[mine, "metric.test_ece"].isna().all()
    assert rows.loc[~mine, "metric.test_ece"].notna().any()
    text = data.set_column(
        data.schema.get_field_index("metric.test_accuracy"),
        "metric.test_accuracy",
        pa.array(["high"] * len(data)),
    )
    pq.write_table(text, path)
    assert "left out" in " ".join(load(folder).problems)
