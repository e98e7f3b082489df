"""Every study in the documentation runs; every study that is shipped plans, and has its page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qkd_study import Noise
from qkd_study.cli.main import main
from qkd_study.data import choose, load, name_of
from qkd_study.planning.plan import make_plan
from qkd_study.study.load import load_study
from qkd_study.study.quick import quick
from tests.conftest import Cli

ROOT = Path(__file__).parent.parent
STUDIES = sorted((ROOT / "studies").glob("*.py"))
OWN_PARTS = (ROOT / "docs" / "own_parts.md").read_text()
BLOCKS = re.findall(r"## An? (.+?)\n.*?```python\n(.*?)```", OWN_PARTS, re.S)
PENNYLANE = re.findall(
    r"## (.+?)\n.*?```python\n(.*?)```", (ROOT / "docs" / "pennylane.md").read_text(), re.S
)


def test_there_is_an_example_of_each() -> None:
    assert [title for title, _ in BLOCKS] == [
        "model",
        "loss term",
        "dataset",
        "ansatz",
        "parameter",
    ]


@pytest.mark.parametrize(
    ("title", "code"),
    [
        pytest.param(title, code, id=title, marks=[] if title == "model" else [pytest.mark.slow])
        for title, code in [*BLOCKS, *PENNYLANE]
    ],
)
def test_parts_of_ones_own_run(tmp_path: Path, cli: Cli, title: str, code: str) -> None:
    (tmp_path / "own.py").write_text(code)
    few = ["--set", "epochs=2", "--set", "teacher_epochs=2", "--trials", "1", "--replicates", "2"]
    done = cli("run", "own.py", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(tmp_path / "results" / "own" / "latest" / "runs")
    assert set(rows["status"]) == {"ok"}
    assert rows["metric.test_accuracy"][rows["phase"] == "confirm"].notna().all()
    again = cli("run", "own.py", *few)  # the same functions are the same run
    assert "is complete" in again.stdout


@pytest.fixture
def external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The studies of the page on teachers from elsewhere, with the files that they read."""
    text = (ROOT / "docs" / "external_teachers.md").read_text()
    script, frozen, cached, questions, _ = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "script.py", "exec", dont_inherit=True), {})
    (tmp_path / "frozen.py").write_text(frozen)
    (tmp_path / "cached.py").write_text(cached)
    (tmp_path / "questions.py").write_text(questions)
    return tmp_path


def test_teachers_from_elsewhere_can_be_planned(external: Path) -> None:
    for name in ("frozen", "cached", "questions"):
        assert make_plan(load_study(external / f"{name}.py"), load("digits")).teachers == 0


@pytest.mark.slow
def test_a_transfer_set_is_asked_about(external: Path, cli: Cli) -> None:
    few = ["--set", "epochs=3", "--trials", "1", "--replicates", "2"]
    done = cli("run", "questions.py", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (ROOT / "docs" / "external_teachers.md").read_text()
    reading: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", text, re.S)[-1], reading)
    assert list(reading["per_query"].index) == [20, 120, 520]
    again = cli("replay", "questions", "--replicate", "1000").stdout.splitlines()
    assert [line.endswith("equal to the last bit") for line in again] == [True] * 4


@pytest.mark.slow
def test_teachers_from_elsewhere_teach(external: Path, cli: Cli) -> None:
    few = ["--set", "epochs=3", "--set", "samples=20", "--trials", "1", "--replicates", "2"]
    done = cli("run", "frozen.py", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(external / "results" / "frozen" / "latest" / "runs")
    taught = rows[(rows["phase"] == "confirm") & (rows["arm"] == "soft")]
    assert (taught["metric.teacher_test_accuracy"] > 0.9).all()
    assert (taught["cost.seconds_teacher"] == 0).all()
    again = cli("replay", "frozen", "--replicate", "1000").stdout.splitlines()
    assert [line.endswith("equal to the last bit") for line in again] == [True] * 4
    (external / "network.safetensors").write_bytes(b"")
    changed = cli("replay", "frozen", "--replicate", "1000")
    assert (changed.returncode, changed.stdout) == (2, "")
    assert "its rows come from" in changed.stderr


SETTINGS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "settings.md").read_text(), re.S)


@pytest.mark.parametrize("code", SETTINGS, ids=range(len(SETTINGS)))
def test_the_studies_of_the_page_on_settings_can_be_planned(tmp_path: Path, code: str) -> None:
    (tmp_path / "own.py").write_text(code)
    study = load_study(tmp_path / "own.py")
    assert make_plan(study, load(study.datasets[0])).teachers > 0


@pytest.mark.slow
def test_any_quantum_model_teaches_any_classical_one(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "own.py").write_text(SETTINGS[0])
    few = ["--set", "epochs=2", "--set", "teacher_epochs=2", "--trials", "1", "--replicates", "2"]
    done = cli("run", "own.py", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(tmp_path / "results" / "own" / "latest" / "runs")
    assert set(rows["status"]) == {"ok"}
    soft = rows[(rows["phase"] == "confirm") & (rows["arm"] == "soft")]
    assert set(soft["cost.teacher_parameters"]) == {2 * 6 * 3 + 7 * 10}
    assert set(soft["where.backend"]) == {"lightning.qubit"}


def on_hardware(*, studies: bool = True) -> list[str]:
    page = (ROOT / "docs" / "on_hardware.md").read_text()
    codes = re.findall(r"```python\n(.*?)```", page, re.S)
    return [code for code in codes if ("Study(" in code) is studies]


def test_studies_with_noise_can_be_planned(tmp_path: Path) -> None:
    for number, code in enumerate(on_hardware()):
        path = tmp_path / f"noise{number}.py"
        path.write_text(code)
        assert make_plan(load_study(path), load("digits")).teachers > 0
    page = (ROOT / "docs" / "on_hardware.md").read_text()
    (calibration,) = re.findall(r"```json\n(.*?)```", page, re.S)
    (tmp_path / "device.json").write_text(calibration)
    assert Noise.from_calibration(tmp_path / "device.json").qubits == 2


def test_circuits_are_described_before_training(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = on_hardware(studies=False)
    exec(code, {"__name__": "page"})
    capability, divergence, variance = map(float, capsys.readouterr().out.split())
    assert 0.4 < capability < 1
    assert 0 < divergence < 1
    assert 0.01 < variance < 0.5


@pytest.mark.slow
def test_a_study_with_noise_runs(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "noisy.py").write_text(on_hardware()[1])
    few = ["--set", "epochs=2", "--set", "teacher_epochs=2", "--replicates", "2"]
    done = cli("run", "noisy.py", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(tmp_path / "results" / "noisy" / "latest" / "runs")
    plans = rows.groupby("config.noise_scale")["where.plan"].unique().map(set).to_dict()
    assert "density-matrix" not in plans[0.0]
    assert plans[1.0] == plans[4.0] == {"density-matrix"}
    again = cli("replay", "noisy", "--replicate", "1000").stdout.splitlines()
    assert [line.endswith("equal to the last bit") for line in again] == [True] * 6


@pytest.mark.slow
def test_a_sampler_of_ones_own_runs(tmp_path: Path, cli: Cli) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "samplers.md").read_text(), re.S)
    (tmp_path / "own.py").write_text(code)
    done = cli("run", "own.py", "--set", "epochs=3", "--set", "teacher_epochs=2")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(tmp_path / "results" / "own" / "latest" / "runs")
    assert set(rows["status"]) <= {"ok", "stopped"}
    again = cli("run", "own.py", "--set", "epochs=3", "--set", "teacher_epochs=2")
    assert "is complete" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["SPSA", "natural gradient"])
def test_optimisers_of_ones_own_run(tmp_path: Path, cli: Cli, number: int) -> None:
    page = (ROOT / "docs" / "own_optimizers.md").read_text()
    (tmp_path / "own.py").write_text(re.findall(r"```python\n(.*?)```", page, re.S)[number])
    few = ["--set", "epochs=2", "--set", "teacher_epochs=2", "--trials", "1", "--replicates", "2"]
    done = cli("run", "own.py", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(tmp_path / "results" / "own" / "latest" / "runs")
    assert set(rows["status"]) == {"ok"}
    assert "own" in set(rows["config.optimizer"])
    plan = cli("plan", "own.py", "--no-forecast")
    assert "replicates are trained one by one, as the optimiser is the study's own" in plan.stdout


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tmp_path: Path, cli: Cli) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text()
    study, reading = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "helped.py").write_text(study)
    for command in re.findall(r"^qkd-study (.*)$", text, re.M):
        done = cli(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "read.py").write_text(reading)
    read = subprocess.run(
        [sys.executable, "read.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "scaled-ce" in read.stdout
    assert "The teacher helps." in (tmp_path / "results/helped/latest/report.html").read_text()


def own_table() -> tuple[list[str], list[list[str]]]:
    """The Python of the page on a table of one's own, and its commands."""
    text = (ROOT / "docs" / "own_csv.md").read_text()
    commands = [line.split() for line in re.findall(r"^qkd-study (.*)$", text, re.M)]
    return re.findall(r"```python\n(.*?)```", text, re.S), commands


def test_a_table_of_ones_own_is_what_its_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (table, study, _), (check, show, *_) = own_table()
    monkeypatch.chdir(tmp_path)
    exec(compile(table, "table.py", "exec", dont_inherit=True), {})
    (tmp_path / "wines.py").write_text(study)
    assert main(check) == 0
    said = capsys.readouterr().out
    text = (ROOT / "docs" / "own_csv.md").read_text()
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.S)
    assert said.startswith(shown)
    assert main(show) == 0
    assert "4 qubits, after angle embedding" in capsys.readouterr().out


@pytest.mark.slow
def test_a_table_of_ones_own_can_be_followed(tmp_path: Path, cli: Cli) -> None:
    (table, study, reading), commands = own_table()
    (tmp_path / "table.py").write_text(table)
    (tmp_path / "wines.py").write_text(study)
    (tmp_path / "read.py").write_text(reading)

    def python(name: str) -> str:
        done = subprocess.run(
            [sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("table.py")
    for command in commands:
        if command[0] == "replay":  # as on a machine that has the file alone
            assert float(python("read.py")) > 0.8
            shutil.rmtree(tmp_path / "results")
            for name in ("wine.csv", "wines.py"):
                (tmp_path / name).unlink()
        done = cli(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.endswith("equal to the last bit") for line in lines] == [True] * 3


@pytest.mark.slow
def test_a_student_can_be_taken_home(tmp_path: Path, cli: Cli) -> None:
    text = (ROOT / "docs" / "take_home.md").read_text()
    study, *reading = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "home.py").write_text(study)
    for command in re.findall(r"^qkd-study (.*)$", text, re.M):
        done = cli(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "read.py").write_text("\n".join(reading))
    read = subprocess.run(
        [sys.executable, "read.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    assert "OPENQASM 3.0;" in read.stdout


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_can_be_planned(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QKD_STUDY_DATA", raising=False)  # as on a laptop on a train
    study = load_study(path)
    entry = study.datasets[-1]
    assert choose([entry])[0] == entry
    plan = make_plan(study, load(entry))
    assert plan.runs == plan.runs_teacher + plan.runs_search + plan.runs_confirm > 0
    assert study.baseline == "scratch"
    page = (ROOT / "docs" / "studies" / f"{path.stem}.md").read_text()
    assert f"qkd-study run studies/{path.stem}.py" in page
    assert study.question in page
    later = "".join(re.findall(r"^Declared after this run: .+$", page, re.M))
    numbers = page.partition("numbers of a run: begin")[2].partition("numbers of a run: end")[0]
    for arm in study.all_arms:
        assert f"`{arm.name}`" in page
        in_table = f"│ {arm.name} " in page or f"| `{arm.name}` |" in numbers  # of a real run
        assert in_table != (f"`{arm.name}`" in later), arm.name


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_runs_quickly_whatever_was_kept(
    tmp_path: Path, first: Cli, path: Path
) -> None:
    def done(*arguments: str | Path) -> str:
        start = time.monotonic()
        ended = first(*arguments, timeout=900)
        print(f"{path.stem} {arguments[0]}: {time.monotonic() - start:.0f} s")  # with -rP
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
        return ended.stdout

    done("run", path, "--quick")
    rows = pd.read_parquet(tmp_path / "results" / path.stem / "latest" / "runs")
    assert set(rows["status"]) <= {"ok", "stopped"}
    confirmed = rows[rows["phase"] == "confirm"]
    assert set(confirmed["status"]) == {"ok"}
    assert confirmed.groupby(["cell", "arm"]).size().eq(3).all()
    entry = next(e for e in load_study(path).datasets if name_of(e) == rows["config.dataset"][0])
    labels = load(entry).test_labels
    best = confirmed.groupby(["cell", "arm"])["metric.test_accuracy"].mean().max()
    assert best > np.bincount(labels).max() / len(labels) + 0.05

    assert "forecast from" in done("plan", path, "--quick")
    assert f"{len(rows)} of {len(rows)} runs" in done("status", path.stem)
    assert "report.html" in done("report", path.stem)
    study = load_study(path)
    cell = quick(study).cells()[0].key
    replayed = done("replay", path.stem, "--cell", cell, "--replicate", "1000").splitlines()
    arms = len(study.all_arms)  # also those whose rows stand under a cell of fewer factors
    assert [line.endswith("equal to the last bit") for line in replayed] == [True] * arms
