"""`qkd-study init` writes study files that pass `plan`, for every setting, and overwrites none."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qkd_study.cli.main import main
from qkd_study.common.errors import StudyWarning
from qkd_study.data import load
from qkd_study.planning.plan import make_plan
from qkd_study.study.load import load_study
from qkd_study.study.templates import TEMPLATES

Captured = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    """Standard input on which a user types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(rows: int, features: int, classes: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {f"f{i}": rng.normal(100 * i, 7, rows) for i in range(features)}  # of far larger scale
    )
    return frame.assign(kind=[f"c{i % classes}" for i in range(rows)])


@pytest.mark.parametrize("setting", TEMPLATES)
@pytest.mark.parametrize("dataset", ["digits", "xor4", "spirals"])
def test_every_setting_has_a_file_that_can_be_planned(
    here: Path, capsys: Captured, setting: str, dataset: str
) -> None:
    code = main(["init", "first.py", "--setting", setting, "--dataset", dataset])
    said = capsys.readouterr()
    if setting == "quantum-to-classical" and dataset != "digits":
        assert code == 2
        assert f"no study of {setting} can be written for {dataset}: " in said.err
        assert "needs images" in said.err
        assert not (here / "first.py").exists()
        return
    assert (code, said.err) == (0, "")
    with warnings.catch_warnings():
        warnings.simplefilter("error", StudyWarning)
        study = load_study("first.py")
        plan = make_plan(study, load(study.datasets[0]))
    assert plan.arms[:3] == ("scratch", "scaled-ce", "soft")
    assert len(plan.arms) > 3
    assert study.claims[0].better == "soft"
    assert len((here / "first.py").read_text().split("\n    # ")) == 10  # a comment for each entry


@pytest.mark.parametrize("setting", [name for name in TEMPLATES if name != "quantum-to-classical"])
@pytest.mark.parametrize("features", [3, 30])
def test_a_table_of_ones_own(here: Path, capsys: Captured, setting: str, features: int) -> None:
    table(120, features, 3).to_csv("mine.csv", index=False)
    arguments = ["--setting", setting, "--dataset", "mine.csv", "--label", "kind"]
    assert main(["init", "first.py", *arguments]) == 0
    assert capsys.readouterr().err == ""
    assert "DataFile('mine.csv', label='kind', standardise=True)" in Path("first.py").read_text()
    assert main(["plan", "first.py", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_it_overwrites_nothing(here: Path, capsys: Captured) -> None:
    (here / "first.py").write_text("mine")
    assert main(["init", "first.py", "--setting", "self-distillation"]) == 2
    assert "first.py exists already, and is not overwritten" in capsys.readouterr().err
    (here / "gone.py").symlink_to("nowhere")
    assert main(["init", "gone.py", "--setting", "self-distillation"]) == 2
    assert (here / "first.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x.txt"], "x.txt must end in .py"),
        (["x.py"], "say who teaches whom with --setting: quantum-to-classical, "),
        (["x.py", "--setting=c2q"], "unknown setting 'c2q'"),
        (["x.py", "--setting=self-distillation", "--dataset=digit"], "unknown dataset 'digit'"),
        (["x.py", "--setting=self-distillation", "--dataset=no.csv"], "no.csv is no file"),
        (["no/x.py", "--setting=self-distillation"], "no/x.py cannot be written: No such file"),
    ],
)
def test_bad_input(here: Path, capsys: Captured, arguments: list[str], said: str) -> None:
    assert main(["init", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_a_terminal_is_asked(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("6\n\n"))
    assert main(["init", "first.py"]) == 0
    said = capsys.readouterr().out
    assert "6  classical-to-classical: a classical network teaches a smaller one" in said
    assert "dataset, or a file of your own [digits]: " in said
    assert load_study("first.py").setting.kind == "classical to classical"
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert main(["init", "second.py"]) == 2
    assert "no setting was given" in capsys.readouterr().err
