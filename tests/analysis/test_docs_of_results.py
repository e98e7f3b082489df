"""The notebook and the recipes run on a made run; the report in docs/ says what its tables say."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qkd_study import load
from tests.analysis.made import made_results, made_study, written

DOCS = Path(__file__).parent.parent.parent / "docs"
RECIPES = (DOCS / "recipes.md").read_text()
REPORT = (DOCS / "reports" / "q2c_low_data.md").read_text()
BLOCKS = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", RECIPES, re.S | re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `results/q2c_low_data/latest`, as if a study had been run in it."""
    home = tmp_path_factory.mktemp("home")
    results = made_results(study=made_study(factors={"samples": (20, 50, 100)}), epochs=3)
    run = written(results, home)
    (home / "results").mkdir()
    run.parent.rename(home / "results" / "q2c_low_data")
    (home / "results" / "q2c_low_data" / "latest").symlink_to("made")
    return home


def outcome(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(compile(code, "recipe", "exec"), names)
    table = names["table"]
    return (
        table if isinstance(table, pd.DataFrame) else pd.DataFrame(table.to_dict(as_series=False))
    )


def test_there_are_three_recipes_of_each() -> None:
    assert len(BLOCKS) == 3
    for _, text in BLOCKS:
        assert re.findall(r"^(\w+):$", text, re.M) == ["pandas", "DuckDB", "Polars"]


@pytest.mark.parametrize(("title", "text"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_recipes_agree(
    title: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    codes = re.findall(r"```python\n(.*?)```", text, re.S)
    first, *others = [outcome(code, folder, monkeypatch) for code in codes]
    assert len(first) > 2
    for other in others:
        pd.testing.assert_frame_equal(first, other, check_dtype=False, rtol=1e-12)
    gains = load(folder / "results" / "q2c_low_data" / "made").comparison()
    if title.startswith("Gain"):
        expected = gains[gains["arm"] == "soft"].set_index("cell")["gain"]
        found = first.set_index("cell")["mean"]
        assert found.to_dict() == pytest.approx(expected.to_dict())
        assert set(first["count"]) == {12}
    if title.startswith("Mean test"):
        expected = gains.set_index(["cell", "arm"])["score"]
        found = first.set_index(["cell", "arm"])["mean"]
        assert found.to_dict() == pytest.approx(expected.to_dict())


def test_the_short_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", RECIPES.split("\n## ")[0], re.S)
    assert {"cell", "arm", "gain", "low", "high"} <= set(outcome(code, folder, monkeypatch))


@pytest.mark.usefixtures("kernel")
def test_the_notebook_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    root = str(DOCS.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(DOCS / "reading_results.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    done = client.execute()
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    said = {cell.source.splitlines()[0]: str(cell.outputs) for cell in code}
    assert "complete" in said["import qkd_study"]
    assert "supported - Soft targets help." in said["for judged in results.judge():"]
    assert "image/png" in said['figures.gain_by_factor(results, "samples")']
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)


def test_the_report_in_docs_says_what_the_run_says() -> None:
    run = json.loads((DOCS / "studies" / "numbers" / "q2c_low_data.json").read_text())
    known = set(re.findall(r"\d+\.\d+", (DOCS / "studies" / "q2c_low_data.md").read_text()))
    assert set(re.findall(r"\d+\.\d+", REPORT)) <= known
    assert f"{run['runs']:,} trainings" in REPORT
    verdicts = re.findall(r"^- \*\*.+?\*\*: (\w+)\.", REPORT, re.M)
    assert verdicts == [claim["verdict"] for claim in run["claims"]]
    for image in re.findall(r"\]\((\S+\.png)\)", REPORT):
        assert (DOCS / "reports" / image).stat().st_size < 100_000
