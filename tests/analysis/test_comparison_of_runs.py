"""Two runs side by side, and the table of scores as LaTeX."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qkd_study import Arm, InputError, LogFloat, Replicates
from qkd_study.analysis import Results
from qkd_study.analysis.latex import escaped
from qkd_study.cli.main import main
from tests.analysis.made import made_results, made_study, written

PAGE = (Path(__file__).parents[2] / "docs" / "comparing_runs.md").read_text()
OTHER = made_study(
    factors={"samples": (50, 200)},
    search={"learning_rate": LogFloat(1e-3, 1.0), "scale_cross_entropy": LogFloat(1.0, 20.0)},
    arms=("scratch", "scaled-ce", "decoupled", "soft", "classical-teacher"),
)


def rows_of(table: str) -> list[list[str]]:
    """The entries between the rules of a LaTeX table."""
    lines = [line for line in table.splitlines() if line.endswith(r"\\")]
    return [re.split(r"(?<!\\) ?& ?", line.removesuffix(r"\\").strip()) for line in lines]


def test_the_latex_table_has_the_numbers_of_the_tables() -> None:
    results = made_results()
    table = results.to_latex()
    heading, *rows = rows_of(table)
    assert heading == ["samples", "arm", "$n$", r"accuracy (\%)", "gain over scratch"]
    assert table.count(r"\toprule") == table.count(r"\bottomrule") == 1
    assert table.count(r"\midrule") == 2  # below the heading, and between the cells
    assert len(rows) == 8
    expected: Any = results.comparison().set_index(["cell", "arm"])
    for samples, arm, n, score, gain in rows:
        wanted = expected.loc[(f"samples={samples}", arm)]
        assert int(n) == wanted["n"]
        assert score.startswith(f"${100 * wanted['score']:.1f}")
        if arm == "scratch":
            assert gain == ""
        else:
            half = 100 * (wanted["high"] - wanted["gain"])
            assert gain == rf"${100 * wanted['gain']:+.1f} \pm {half:.1f}$"


def test_names_are_escaped_and_a_word_stands_where_there_is_no_interval() -> None:
    special = r"a_b%c&d#e$f{g}h~i^j"
    study = made_study(
        factors={"batch_size": (8, 16)}, search={"learning_rate": LogFloat(1e-3, 1e-1)},
        arms=("scratch", Arm(special, ("soft",))), claims=(), replicates=Replicates(2, 2),
    )  # fmt: skip
    results = made_results({special: 0.0}, study=study, noise=0.08)
    table = results.to_latex()
    heading, *rows = rows_of(table)
    assert heading[0] == r"batch\_size"
    assert {len(row) for row in rows} == {5}
    assert rows[1][1] == r"a\_b\%c\&d\#e\$f\{g\}h\textasciitilde{}i\textasciicircum{}j"
    assert escaped("\\") == r"\textbackslash{}"
    assert any(entry.endswith("$ few") for row in rows for entry in row)
    assert "% few: so few replicates" in table


def test_a_run_without_a_baseline_has_no_gains() -> None:
    search = {"learning_rate": LogFloat(1e-3, 1e-1)}
    study = made_study(arms=("soft", "decoupled"), claims=(), factors={}, search=search)
    heading, first, _ = rows_of(made_results(study=study).to_latex())
    assert heading == ["arm", "$n$", r"accuracy (\%)"]
    assert first[0] == "soft"


def test_differences_are_all_that_was_declared_differently() -> None:
    one, other = made_results(), made_results(study=OTHER)
    assert one.differences(one).empty
    found: Any = one.differences(other).set_index("entry")
    assert found.loc["factors.samples"].tolist() == ["50, 100", "50, 200"]
    assert found.loc["search.learning_rate.high"].tolist() == ["0.1", "1.0"]
    assert found.loc["search.weight_soft.low"].tolist() == ["0.1", "-"]
    assert found.loc["arms.decoupled.terms"].tolist() == ["-", "decoupled"]
    parts = {str(entry).split(".")[0] for entry in found.index}
    assert parts == {"factors", "search", "fixed", "arms"}
    assert [name for name in found.index if str(name).startswith("fixed")] == ["fixed.weight_soft"]


def test_gains_stand_side_by_side() -> None:
    one, other = made_results(), made_results({"soft": 0.02}, study=OTHER)
    table: Any = one.compare(other).set_index(["cell", "arm"])
    assert len(table) == 8 + 6  # of two and of two cells, one of which both have, with 4 and 5 arms
    for run, suffix in ((one, ""), (other, "_other")):
        expected: Any = run.comparison().set_index(["cell", "arm"])
        own = table.dropna(subset=[f"n{suffix}"])
        assert set(own.index) == set(expected.index)
        for name in ("score", "gain", "low", "high"):
            np.testing.assert_allclose(
                own[f"{name}{suffix}"].astype(float), expected.loc[own.index, name], rtol=1e-9
            )
    assert table.loc[("samples=100", "soft")].filter(like="_other").isna().all()
    with pytest.raises(InputError, match="compare takes the results of another run"):
        one.compare(one.runs)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Results, Results]]:
    tmp_path = tmp_path_factory.mktemp("two")
    runs = made_results(), made_results({"soft": 0.02}, study=OTHER)
    for name, results in zip(("first", "second"), runs, strict=True):
        named = replace(results, manifest={**results.manifest, "run_id": name})
        (tmp_path / "results" / "made").mkdir(parents=True, exist_ok=True)
        written(named, tmp_path / name).rename(tmp_path / "results" / "made" / name)
    return tmp_path, runs


@pytest.fixture
def two_runs(
    there: tuple[Path, tuple[Results, Results]], monkeypatch: pytest.MonkeyPatch
) -> tuple[Results, Results]:
    monkeypatch.chdir(there[0])
    return there[1]


def test_the_page_is_followed(
    two_runs: tuple[Results, Results], capsys: pytest.CaptureFixture[str]
) -> None:
    (command,) = re.findall(r"^qkd-study (.+)$", PAGE, re.M)
    assert main(command.split()) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert re.search(r"search.learning_rate.high +│ 0.1 +│ 1.0", said.out)
    assert "score of made/first" in said.out
    expected: Any = two_runs[1].comparison().set_index(["cell", "arm"])
    gain = expected.loc[("samples=200", "soft"), "gain"]
    assert f"{100 * gain:+.1f} ±" in said.out
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(code, names)
    said = capsys.readouterr()
    assert "gain_other" in said.out
    assert r"\toprule" in said.out
    assert r"samples=100 & soft & 0.0" in said.out


def test_as_json(two_runs: tuple[Results, Results], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "made/first", "made/second", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"entry": "factors.samples", "one": "50, 100", "other": "50, 200"} in found[
        "declaration"
    ]
    pd.testing.assert_frame_equal(
        pd.DataFrame(found["gains"]), two_runs[0].compare(two_runs[1]), check_dtype=False
    )
    assert main(["diff", "made/first", "made/first"]) == 0
    assert "declare the same on the same data" in capsys.readouterr().out
    assert main(["diff", "made/first", "made/third"]) == 2
