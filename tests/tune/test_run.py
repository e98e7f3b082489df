"""Whole runs through the command line: real Ray, real Optuna storage, real tables."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from qkd_study import load
from qkd_study.cli.main import main
from qkd_study.study.identity import SEARCH_RULE
from tests.conftest import TINY, Cli

KEYS = ["phase", "cell", "arm", "trial", "replicate"]
RESULTS = Path("results") / "tiny" / "latest"
#: 2 cells x 2 arms x (2 trials x 2 replicates + 3 confirm replicates)
RUNS = 28
#: What two runs of one declaration may differ in.
OWN = ["run_id", "cost.", "where."]


def runs(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / RESULTS / "runs").sort_values(KEYS, ignore_index=True)


def results_only(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[c for c in frame.columns if not c.startswith(tuple(OWN))]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a complete run of the tiny study."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.py").write_text(TINY)
    done = subprocess.run(
        [sys.executable, "-m", "qkd_study", "run", "tiny.py", "--cpus", "1"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "dataset: digits\n" in done.stdout
    assert "gain over scratch, paired" in done.stdout
    return folder


def test_every_declared_run_is_there_once(finished: Path) -> None:
    frame = runs(finished)
    assert len(frame) == RUNS
    assert not frame.duplicated(KEYS).any()
    assert set(frame["status"]) <= {"ok", "stopped"}
    confirm = frame[frame["phase"] == "confirm"]
    assert len(confirm) == 12
    assert confirm["metric.test_accuracy"].between(0, 1).all()
    assert frame.loc[frame["phase"] == "search", "metric.test_accuracy"].isna().all()
    assert set(frame.loc[frame["arm"] == "soft", "where.backend"]) == {"lightning.qubit"}
    assert set(frame["config.dataset"]) == {"digits"}
    curves = pd.read_parquet(finished / RESULTS / "curves")
    ok = frame[frame["status"] == "ok"]
    assert len(curves) == 3 * len(ok)
    assert curves.groupby(KEYS)["epoch"].apply(list).apply(lambda e: e == [1, 2, 3]).all()


def test_teachers_are_trained_once_per_data_and_replicate(finished: Path) -> None:
    frame = runs(finished)
    trained = frame[frame["cost.seconds_teacher"] > 0]
    assert len(trained) == 2 * (2 + 3)
    weights = [
        p for p in (finished / RESULTS / "teachers").glob("*.safetensors") if "-test" not in p.name
    ]
    assert len(weights) == 10


def test_optuna_storage_mirrors_the_rows(finished: Path) -> None:
    journal = finished / RESULTS / "optuna.journal"
    storage = JournalStorage(JournalFileBackend(str(journal)))
    studies = optuna.get_all_study_names(storage)
    assert sorted(studies) == [
        f"samples={k} {arm}" for k in (20, 30) for arm in ("scratch", "soft")
    ]
    frame = runs(finished)
    search = frame[frame["phase"] == "search"]
    for name in studies:
        cell, arm = name.split()
        trials = optuna.load_study(study_name=name, storage=storage).get_trials()
        assert {t.state for t in trials} == {TrialState.COMPLETE}
        for trial in trials:
            number = trial.user_attrs["trial"]
            own = search[(search["cell"] == cell) & (search["arm"] == arm)]
            own = own[own["trial"] == number]
            assert own["metric.val_accuracy"].mean() == pytest.approx(trial.value)
            assert set(own["config.learning_rate"]) == {trial.params["learning_rate"]}


def test_study_json_says_what_ran(finished: Path) -> None:
    said = json.loads((finished / RESULTS / "study.json").read_text())
    assert said["class_names"] == [str(digit) for digit in range(10)]
    (session,) = said["sessions"]
    assert session["command"] == ["qkd-study", "run", "tiny.py", "--cpus", "1"]
    assert session["packages"]["ray"]
    assert (finished / RESULTS / "study.py").read_text() == TINY


def copy(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path, symlinks=True, dirs_exist_ok=True)


def test_a_second_identical_command_does_nothing(finished: Path, tmp_path: Path, cli: Cli) -> None:
    copy(finished, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / RESULTS).rglob("*.parquet")}
    again = cli("run", "tiny.py")
    assert again.returncode == 0
    assert "is complete." in again.stdout
    assert "gain over scratch" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / RESULTS).rglob("*.parquet")} == before


def changed(path: Path, replicates: list[int], **values: str) -> None:
    """Say something else of some replicates in a file of a table."""
    table = pq.read_table(path)
    for column, value in values.items():
        field = table.schema.field(column)
        kept = zip(table["replicate"].to_pylist(), table[column].to_pylist(), strict=True)
        new = [value if replicate in replicates else old for replicate, old in kept]
        at = table.schema.get_field_index(column)
        table = table.set_column(at, field, pa.array(new, field.type))
    pq.write_table(table, path)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp950", "utf-8"])
def test_every_command_in_every_encoding(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    copy(finished, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY.replace("Does it", "“Does” it…"), encoding="utf-8")
    commands = [
        "run tiny.py",
        "plan tiny.py --no-forecast",
        "list",
        "status tiny",
        "data list",
        "data check digits",
        "run µ.py",
        "status µ",
    ]
    if encoding == "ascii":  # the slow ones
        commands += ["report tiny", "replay tiny --phase confirm --replicate 1000 --arm scratch"]
    said = {}
    for command in commands:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        with monkeypatch.context() as here:
            here.setattr(sys, "stdout", out)
            here.setattr(sys, "stderr", err)
            assert main(command.split()) == (2 if "µ" in command else 0)
        said[command] = ""
        for stream in (out, err):
            stream.seek(0)
            said[command] += stream.read()
        assert not re.search(r"\\x|\\u|\x1b|\?(?!$)", said[command], re.MULTILINE)
    assert re.search(r"scratch +[|│] 3 [|│] +\d+\.\d ", said["run tiny.py"])
    assert encoding != "ascii" or said["run tiny.py"].isascii()
    assert ("│" in said["list"]) == (encoding == "utf-8")


def test_a_refused_retry_removes_nothing(finished: Path, tmp_path: Path, cli: Cli) -> None:
    copy(finished, tmp_path)
    path = min((tmp_path / RESULTS / "runs").glob("search-*.parquet"))
    changed(path, [0, 1], status="failed", reason="the worker died")
    refused = cli("run", "tiny.py", "--retry-failed", "--trials", "1")
    assert refused.returncode == 2
    assert "more than trials=1" in refused.stderr
    assert len(runs(tmp_path)) == RUNS


def test_a_search_by_another_rule_is_not_gone_on_with(
    finished: Path, tmp_path: Path, cli: Cli
) -> None:
    copy(finished, tmp_path)
    manifest = tmp_path / RESULTS / "study.json"
    said = json.loads(manifest.read_text())
    assert said.pop("search_rule") == SEARCH_RULE
    manifest.write_text(json.dumps(said))
    refused = cli("run", "tiny.py", "--trials", "3")
    assert refused.returncode == 2
    assert "searches by another rule" in refused.stderr
    assert len(runs(tmp_path)) == RUNS


def test_what_cannot_be_sent_to_workers_is_said(tmp_path: Path, cli: Cli) -> None:
    own = (
        "def own(student, teacher, labels):\n    with lock:\n        return student.logits.mean()\n"
    )
    (tmp_path / "tiny.py").write_text(
        f"import threading\nlock = threading.Lock()\n{own}from qkd_study import Arm\n"
        + TINY.replace('"soft")', '"soft", Arm("own", (own,)))')
    )
    done = cli("run", "tiny.py")
    assert done.returncode == 2
    assert "the study cannot be sent to workers: TypeError" in done.stderr
    assert "must not hold open files, locks" in done.stderr


def test_list_and_status(finished: Path, tmp_path: Path, cli: Cli) -> None:
    copy(finished, tmp_path)
    (listed,) = json.loads(cli("list", "--json").stdout)
    assert (listed["study"], listed["dataset"]) == ("tiny", "digits")
    said = json.loads(cli("status", "tiny", "--json").stdout)
    assert sum(sum(c.values()) for c in said["rows"].values()) == RUNS
    assert said["failed"] == []
    assert said["declared"] == said["done"] == RUNS
    assert cli("status", "other").returncode == 2


def test_missing_rows_are_run_again_to_the_same_numbers(
    finished: Path, tmp_path: Path, cli: Cli
) -> None:
    copy(finished, tmp_path)
    whole = runs(tmp_path)
    lost = list((tmp_path / RESULTS / "runs").glob("confirm-*soft*.parquet"))
    for path in lost:
        path.unlink()
    shutil.rmtree(tmp_path / RESULTS / "teachers")
    again = cli("run", "tiny.py")
    assert again.returncode == 0
    assert "28 runs, 6 to do; goes on in" in again.stdout
    pd.testing.assert_frame_equal(results_only(runs(tmp_path)), results_only(whole))


def test_more_replicates_extend(finished: Path, tmp_path: Path, cli: Cli) -> None:
    copy(finished, tmp_path)
    before = runs(tmp_path)
    again = cli("run", "tiny.py", "--replicates", "5")
    assert "36 runs, 8 to do; goes on in" in again.stdout
    after = runs(tmp_path)
    assert len(after) == RUNS + 8
    assert len(after.merge(before[KEYS], on=KEYS)) == RUNS


LOOKS = """    replicates=Replicates(search=2, confirm=(3, 9), looks=(3, 6, 9)),
    claims=(
        Claim(says="More help.", better={"samples": 30}, than={"samples": 20}, arm="scratch",
              margin=1e-4),
    ),
"""


@pytest.mark.slow
def test_looks_add_what_open_claims_need_and_nothing_else(
    finished: Path, tmp_path: Path, cli: Cli
) -> None:
    """A run that is there has its first look; the driver asks for later ones by itself."""
    copy(finished, tmp_path)
    text = TINY.replace("import LogFloat", "import Claim, LogFloat")
    text = text.replace("    replicates=Replicates(search=2, confirm=3),\n", LOOKS)
    (tmp_path / "tiny.py").write_text(text)
    assert "12 to 36 confirm runs, 3 to 9" in cli("plan", "tiny.py", "--no-forecast").stdout
    again = cli("run", "tiny.py", "--cpus", "1")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "at most 52 runs, 12 to do" in again.stdout
    (found,) = load(tmp_path / RESULTS).judge()
    assert found.look is not None
    count = found.look.replicates
    assert found.look.reason != "open"
    assert (count > 3, count == 9) == (True, found.look.number == 3)
    confirm = runs(tmp_path).query("phase == 'confirm'").groupby(["cell", "arm"]).size()
    assert confirm.to_dict() == {
        ("samples=20", "scratch"): count,
        ("samples=20", "soft"): 3,
        ("samples=30", "scratch"): count,
        ("samples=30", "soft"): 3,
    }
    assert f"{36 - 2 * count - 2 * 3} of 52 runs were not needed" in again.stdout
    total = 16 + 2 * count + 2 * 3
    assert f"{total} of {total} runs have rows" in cli("status", "tiny").stdout
    assert "is complete" in cli("run", "tiny.py").stdout


@pytest.mark.slow
def test_two_workers_one_worker_and_a_killed_driver_give_the_same_confirmation(
    tmp_path: Path, cli: Cli
) -> None:
    """Nothing to search, so no suggestion depends on the order of completion."""
    lines = [line for line in TINY.splitlines() if "search={" not in line]
    source = "\n".join(lines).replace("LogFloat, ", "").replace('"epochs": 3', '"epochs": 100')
    (tmp_path / "tiny.py").write_text(source)
    assert cli("run", "tiny.py", "--cpus", "2").returncode == 0
    two = runs(tmp_path)
    assert len(two) == 4 * (2 + 3)
    assert cli("run", "tiny.py", "--cpus", "1", "--new").returncode == 0
    pd.testing.assert_frame_equal(results_only(runs(tmp_path)), results_only(two))

    kills = 0
    command = [
        sys.executable,
        "-m",
        "qkd_study",
        "run",
        "tiny.py",
        "--cpus",
        "2",
        "--out",
        "killed",
    ]
    for seconds in (5, 7, 9):
        driver = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(seconds)
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            kills += 1
        driver.wait()
    last = cli("run", "tiny.py", "--out", "killed")
    assert last.returncode == 0, last.stderr
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "killed").rename(tmp_path / "results")
    assert kills >= 1
    pd.testing.assert_frame_equal(results_only(runs(tmp_path)), results_only(two))


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_can_be_resumed(tmp_path: Path, cli: Cli, sent: signal.Signals) -> None:
    (tmp_path / "tiny.py").write_text(TINY.replace('"epochs": 3', '"epochs": 1000'))
    driver = subprocess.Popen(
        [sys.executable, "-m", "qkd_study", "run", "tiny.py", "--cpus", "1", "--new"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    started = time.monotonic()
    while time.monotonic() - started < 60:
        if len(list(tmp_path.glob(str(RESULTS / "runs" / "search-*.parquet")))) >= 2:
            break
        time.sleep(0.2)
    driver.send_signal(sent)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 3, out + err
    assert f"{sys.executable} -m qkd_study run tiny.py --cpus=1\n" in out
    assert "Traceback" not in out + err
    kept = runs(tmp_path)
    assert 4 <= len(kept) < RUNS
    assert set(kept["status"]) == {"ok"}
    assert cli("run", "tiny.py").returncode == 0
    after = runs(tmp_path)
    assert len(after) == RUNS
    merged = after.merge(kept[[*KEYS, "where.started_at"]], on=[*KEYS, "where.started_at"])
    assert len(merged) == len(kept)


@pytest.mark.slow
def test_a_run_whose_time_budget_ended_goes_on_later_to_the_same_table(
    finished: Path, tmp_path: Path, cli: Cli
) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    first = cli("run", "tiny.py", "--cpus=1", "--time-budget=1s")  # over before Ray has started
    assert first.returncode == 3, first.stderr
    assert "The time budget of 1s is used" in first.stdout
    assert f"no confirm replicate, as these come after all searches; {RUNS} runs" in first.stdout
    assert first.stdout.endswith(" run tiny.py --cpus=1 --time-budget=1s\n")
    second = cli("run", "tiny.py", "--cpus=2", "--time-budget=1h")
    assert second.returncode == 0, second.stdout + second.stderr
    assert results_only(runs(tmp_path)).equals(results_only(runs(finished)))


def test_a_damaged_optuna_storage_is_rebuilt_from_the_rows(
    finished: Path, tmp_path: Path, cli: Cli
) -> None:
    copy(finished, tmp_path)
    journal = tmp_path / RESULTS / "optuna.journal"
    journal.write_bytes(journal.read_bytes()[:-40])
    assert cli("run", "tiny.py", "--trials", "3").returncode == 0
    test_optuna_storage_mirrors_the_rows(tmp_path)
    fewer = cli("run", "tiny.py", "--trials", "2")
    assert fewer.returncode == 2
    assert "has 3 trials in some cell and arm already, more than trials=2" in fewer.stderr


@pytest.mark.slow
def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(TINY.replace('"epochs": 3', '"epochs": 300'))
    driver = subprocess.Popen(
        [sys.executable, "-m", "qkd_study", "run", "tiny.py", "--cpus", "1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    while driver.poll() is None:
        if list(tmp_path.glob(str(RESULTS / "runs" / "search-*.parquet"))):
            (worker,) = set(runs(tmp_path)["where.worker"])
            os.kill(worker, signal.SIGKILL)
            break
        time.sleep(0.1)
    out, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, out
    frame = runs(tmp_path)
    assert len(frame) == RUNS
    assert set(frame["status"]) <= {"ok", "stopped"}
    assert frame["where.worker"].nunique() == 2


def test_divergence_is_a_failed_row_with_its_reason(tmp_path: Path, cli: Cli) -> None:
    source = TINY.replace(
        '"learning_rate": LogFloat(1e-3, 3e-2)', '"learning_rate": LogFloat(1e39, 1e41)'
    ).replace('"epochs": 3', '"epochs": 3, "optimizer": "sgd"')
    (tmp_path / "tiny.py").write_text(source)
    ran = cli("run", "tiny.py")
    assert ran.returncode == 1
    assert "no configuration ended well in 4 of 4 searches: samples=20 scratch," in ran.stdout
    (counted,) = [line for line in ran.stdout.splitlines() if "x diverged" in line]
    assert "first: search samples=20 scratch trial 0 replicate 0" in counted
    assert "4 of 4 cells and arms have no test accuracy" in ran.stdout
    assert "gain over" not in ran.stdout  # no table of rows with n = 0
    frame = runs(tmp_path)
    failed = frame[frame["status"] == "failed"]
    assert len(failed) > 0
    assert failed["reason"].str.startswith("diverged: the loss was").all()
    said = cli("status", "tiny")
    assert "; first: search samples=20 scratch trial 0 replicate 0" in said.stdout.splitlines()[2]


BROKEN = """
import os
from torch import nn
from qkd_study import ClassicalToClassical, Mlp, Own, Replicates, Study
from qkd_study.models import Model, Outputs

class Broken(Model):
    def __init__(self, config, shape, classes):
        super().__init__()
        self.linear = nn.Linear(64, classes)

    def prepare(self, samples):
        return samples.flatten(1)

    def forward(self, inputs):
        if len(inputs) == 16 and "BROKEN" in os.environ:  # more than plan tries it with
            inputs = inputs[:, :40]
        return Outputs(self.linear(inputs), inputs)

    def head_parameters(self):
        return list(self.linear.parameters())

study = Study(
    question="Does it say what is broken?",
    setting=ClassicalToClassical(teacher=Mlp((18,)), student=Own(Broken)),
    datasets=("digits",),
    factors={"samples": (20, 30, 40)},
    fixed={"epochs": 1, "teacher_epochs": 1, "validation_samples": 50},
    arms=("scratch", "soft"),
    replicates=Replicates(search=2, confirm=2),
)
"""


def test_a_study_that_cannot_work_says_so_at_once(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    monkeypatch.setenv("BROKEN", "1")
    ran = cli("run", "broken.py", "--new", "--cpus", "2", "--set", "batch_size=16")
    ended = pd.Timestamp.now(tz="UTC")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    reason = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x40 and 64x10)"
    lines = [line.strip() for line in ran.stdout.splitlines()]
    assert reason in lines
    assert "return Outputs(self.linear(inputs), inputs)" in lines
    assert sum(" x RuntimeError" in line for line in lines) == 1
    again = "-m qkd_study run broken.py --set=batch_size=16 --cpus=2 --retry-failed"
    assert lines[-1] == f"{sys.executable} {again}"
    frame = pd.read_parquet(tmp_path / "results" / "broken" / "latest" / "runs")
    failed = frame[frame["status"] == "failed"]
    assert 4 <= len(failed) < 6
    assert (ended - failed["where.ended_at"].min()).total_seconds() < 30
    said = cli("status", "broken").stdout
    assert reason in said.splitlines()[2]
    assert "return Outputs(self.linear(inputs), inputs)" in said
    monkeypatch.delenv("BROKEN")
    mended = cli(*again.split()[2:])
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "goes on in" in mended.stdout
    frame = pd.read_parquet(tmp_path / "results" / "broken" / "latest" / "runs")
    assert (len(frame), set(frame["status"])) == (6 * 4, {"ok"})


TWO_OBJECTIVES = """
from qkd_study import ClassicalToHybrid, Int, LogFloat, Replicates, Study

study = Study(
    question="How accurate can few parameters be?",
    setting=ClassicalToHybrid(),
    datasets=("xor4",),
    search={"depth": Int(1, 4), "learning_rate": LogFloat(1e-3, 1e-1)},
    fixed={"epochs": 3, "teacher_epochs": 2, "samples": 40, "validation_samples": 100, "qubits": 6},
    arms=("scratch", "soft"),
    minimise="parameters",
    trials=7,
    replicates=Replicates(search=1, confirm=2),
)
"""


@pytest.mark.slow
def test_two_objectives_give_a_confirmed_pareto_front(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "two.py").write_text(TWO_OBJECTIVES)
    done = cli("run", "two.py", "--cpus", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr  # depth is not searched on accuracy alone
    folder = tmp_path / "results" / "two" / "latest"
    frame = pd.read_parquet(folder / "runs")
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    for arm in ("scratch", "soft"):
        own = frame[frame["arm"] == arm]
        search = own[own["phase"] == "search"]
        assert len(search) == 7
        points: dict[Any, tuple[Any, Any]] = {
            row.trial: (row.score, row.size)
            for row in search.rename(
                columns={"metric.val_accuracy": "score", "cost.parameters": "size"}
            ).itertuples()
        }
        front = {
            number
            for number, (score, size) in points.items()
            if not any(
                (s >= score and z <= size) and (s, z) != (score, size) for s, z in points.values()
            )
        }
        confirmed = set(own.loc[own["phase"] == "confirm", "trial"])
        assert {points[n] for n in confirmed} == {points[n] for n in front}
        study = optuna.load_study(study_name=f"all {arm}", storage=storage)
        assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
        assert {t.user_attrs["trial"] for t in study.best_trials} >= confirmed
    again = cli("run", "two.py")
    assert "is complete" in again.stdout


SHARED = """
from qkd_study import ClassicalToHybrid, HybridCircuit, LogFloat, Mlp, Replicates, Study

study = Study(
    question="Is scratch searched once?",
    setting=ClassicalToHybrid(Mlp(), HybridCircuit()),
    datasets=("xor4",),
    factors={"temperature": (1.0, 4.0)},
    search={"learning_rate": LogFloat(1e-3, 1e-1)},
    fixed={"samples": 60, "epochs": 3, "teacher_epochs": 2, "depth": 1, "qubits": 6},
    arms=("scratch", "soft"),
    trials=2,
    replicates=Replicates(search=1, confirm=2),
)
"""


@pytest.mark.slow
def test_cells_share_the_search_of_an_arm_that_does_not_read_the_factor(
    tmp_path: Path, cli: Cli
) -> None:
    (tmp_path / "shared.py").write_text(SHARED)
    first = cli("run", "shared.py", "--cpus", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "3 searches" in cli("plan", "shared.py", "--no-forecast").stdout
    rows = pd.read_parquet(tmp_path / "results/shared/latest/runs")
    assert len(rows) == 3 * (2 + 2)  # one search of scratch, two of soft
    assert set(rows.loc[rows["arm"] == "scratch", "cell"]) == {"all"}
    scores = load(tmp_path / "results/shared/latest").scores()["scratch"]
    by_cell = [own.to_list() for _, own in scores.groupby(level="cell")]
    assert len(by_cell) == 2
    assert by_cell[0] == by_cell[1]
    assert "is complete" in cli("run", "shared.py").stdout


@pytest.mark.slow
def test_what_a_trial_reserves_decides_how_many_run_at_once(
    tiny_study: Path, cli: Cli, tmp_path: Path
) -> None:
    tiny_study.write_text(TINY.replace("trials=2", "trials=2, trial_cpus=2"))
    refused = cli("run", "tiny.py", "--cpus", "1")
    assert refused.returncode == 2
    assert (
        "a trial reserves 2 CPUs (trial_cpus of the study), but 1 are to be used" in refused.stderr
    )
    assert cli("run", "tiny.py", "--cpus", "2").returncode == 0
    assert runs(tmp_path)["where.worker"].nunique() == 1
    tiny_study.write_text(TINY.replace("trials=2", "trials=2, trial_memory=10**15"))
    again = cli("run", "tiny.py", "--cpus", "2")  # the same rows, so there is nothing to run
    assert again.returncode == 0
    assert "is complete" in again.stdout
    refused = cli("run", "tiny.py", "--cpus", "2", "--new")
    assert refused.returncode == 2
    assert "a trial reserves 1,000,000,000,000,000 bytes of memory" in refused.stderr
