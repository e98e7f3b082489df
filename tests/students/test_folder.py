"""A student from a real run, and its folder, which needs neither the study nor pickle."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from qkd_study import InputError, Own, SelfDistillation, load_student
from qkd_study.analysis import Results, load
from qkd_study.cli.main import main
from qkd_study.data import load as load_data
from qkd_study.models import MLP
from qkd_study.results import compact_tables
from qkd_study.students import save_student
from tests.students.made import made_run, quantum_study

DIGITS = load_data("digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return made_run(tmp_path_factory.mktemp("home"))


def predictions_of(run: Results, arm: str, replicate: int) -> pd.DataFrame:
    rows = pd.read_parquet(run.path / "predictions")
    found = rows[(rows["arm"] == arm) & (rows["replicate"] == replicate)]
    assert found["sample"].tolist() == list(range(len(DIGITS.test_labels)))
    return found


@pytest.mark.parametrize(("arm", "replicate"), [("scratch", 1000), ("soft", 1002)])
def test_every_recorded_prediction_comes_again(run: Results, arm: str, replicate: int) -> None:
    student = run.student(arm=arm, replicate=replicate)
    recorded = predictions_of(run, arm, replicate)
    assert student.predict(DIGITS.test_raw).tolist() == recorded["predicted"].tolist()
    shares = np.stack(recorded["probabilities"].tolist())
    assert np.abs(student.predict_proba(DIGITS.test_raw) - shares).max() < 1e-6
    right = (recorded["label"] == recorded["predicted"]).mean()
    assert student.about["scores"]["test_accuracy"] == pytest.approx(right, abs=1e-12)
    nll = -np.log(shares[np.arange(len(shares)), recorded["label"]].astype(np.float64)).mean()
    assert student.about["scores"]["test_nll"] == pytest.approx(nll, rel=1e-5)


def test_the_qnode_predicts_what_was_recorded(run: Results) -> None:
    student = run.student(arm="soft", replicate=1001)
    qnode = student.to_qnode(device="default.qubit")
    logits = student.from_measured(qnode(student.features(DIGITS.test_raw)))
    assert logits.argmax(1).tolist() == predictions_of(run, "soft", 1001)["predicted"].tolist()


def test_which_student_is_chosen(run: Results) -> None:
    rows = run.confirmed.sort_values("replicate", ignore_index=True)
    soft = rows[rows["arm"] == "soft"].set_index("replicate")["metric.val_accuracy"]
    assert run.student(arm="soft").about["replicate"] == soft.idxmax()
    means = rows.groupby("arm")["metric.val_accuracy"].mean()
    assert run.student(best=True).about["arm"] == means.idxmax()
    assert run.student("all", "scratch", 1001, best=True).about["replicate"] == 1001


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ({}, "say which arm. It has 'scratch', 'soft'"),
        ({"arm": "sofd"}, "unknown arm 'sofd'. Did you mean 'soft'"),
        ({"cell": "samples=20", "arm": "soft"}, "unknown cell 'samples=20'. Known cells: all"),
        (
            {"arm": "soft", "replicate": 7},
            "all soft has no confirm replicate 7, only 1000, 1001, 1002",
        ),
    ],
)
def test_runs_that_are_not_there(run: Results, which: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as raised:
        run.student(**which)
    assert said in str(raised.value)


def test_runs_without_weights(run: Results, tmp_path: Path) -> None:
    few = quantum_study(arms=("scratch",), weights=False)
    without = made_run(tmp_path, few)
    assert [path.name for path in (without.path / "weights").iterdir()] == ["columns.parquet"]
    with pytest.raises(InputError, match=r"no weights were kept: the study has weights=False"):
        without.student()
    declared = {k: v for k, v in run.declaration.items() if k != "weights"}
    old = replace(run, path=tmp_path / "copy", manifest={**run.manifest, "declaration": declared})
    shutil.copytree(run.path, old.path)
    old = replace(old, folder=None)
    shutil.rmtree(old.path / "weights")
    with pytest.raises(InputError, match=r"an earlier version.*qkd-study run --new"):
        old.student(best=True)
    assert load(old.path).problems == run.problems == ()
    searched = replace(run, runs=run.runs[run.runs["phase"] == "search"])
    with pytest.raises(InputError, match="has no confirm runs yet"):
        searched.student(best=True)


def test_weights_that_were_changed(run: Results, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    path = next((tmp_path / "copy" / "weights").glob("*soft*.parquet"))
    table = pq.read_table(path)
    changed = [body[:-1] + bytes([body[-1] ^ 1]) for body in table["weights"].to_pylist()]
    place = table.schema.get_field_index("weights")
    pq.write_table(table.set_column(place, table.schema.field(place), [changed]), path)
    with pytest.raises(InputError, match=r"soft, replicate 1000: the weights have SHA-256 .*copy"):
        load(tmp_path / "copy").student(arm="soft", replicate=1000)
    assert load(tmp_path / "copy").student(arm="scratch").about["arm"] == "scratch"
    path.write_bytes(b"PAR1 broken")
    with pytest.raises(InputError, match="weights has a broken file"):
        load(tmp_path / "copy").student(arm="soft", replicate=1000)


def test_weights_are_there_after_a_compaction(run: Results, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    compact_tables(tmp_path / "copy", min_files=2)
    assert len(list((tmp_path / "copy" / "weights").glob("confirm-packed-*"))) == 1
    packed = load(tmp_path / "copy")
    for arm in packed.arms:
        before, after = run.student(arm=arm), packed.student(arm=arm)
        assert before.weights == after.weights


def test_a_folder_is_all_that_is_needed(run: Results, tmp_path: Path) -> None:
    student = run.student(arm="soft", replicate=1001)
    folder = save_student(student, tmp_path / "student")
    names = {"student.safetensors", "student.json", "README.md", "circuit.qasm"}
    assert {path.name for path in folder.iterdir()} == names
    again = load_student(folder)
    assert again.predict(DIGITS.test_raw).tolist() == student.predict(DIGITS.test_raw).tolist()
    assert again.spec == student.spec
    assert again.about == student.about
    assert save_student(again, folder) == folder  # over itself
    card = (folder / "README.md").read_text()
    accuracy = f"{100 * student.about['scores']['test_accuracy']:.1f} %"
    for part in (DIGITS.digest, student.about["sha256"], accuracy, "torch | ", "FullyQuantum"):
        assert part in card
    assert (folder / "circuit.qasm").read_text() == student.to_qasm()


def test_folders_that_are_none(run: Results, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the folder of a student: there is no student"):
        load_student(tmp_path)
    folder = save_student(run.student(best=True), tmp_path / "student")
    weights = folder / "student.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match=r"student.safetensors: the weights have SHA-256"):
        load_student(folder)
    weights.write_bytes(whole)
    for text, said in (
        ("{", "student.json is damaged"),
        ("{}", "is damaged: it does not say version and SHA-256"),
        ('{"version": 9, "about": {"sha256": ""}}', "is of version 9, but this qkd-study reads"),
    ):
        (folder / "student.json").write_text(text)
        with pytest.raises(InputError, match=said):
            load_student(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"has other files, such as thesis.tex. Choose a new"):
        save_student(run.student(best=True), tmp_path / "other")
    with pytest.raises(InputError, match="cannot be written: File exists"):
        save_student(run.student(best=True), tmp_path / "other" / "thesis.tex")


OWN = """
from tests.students.made import quantum_study
from tests.students.test_folder import own_setting

study = quantum_study(name="own", setting=own_setting(), arms=("scratch",))
"""


def own_setting() -> SelfDistillation:
    return SelfDistillation(Own(lambda config, shape, classes: MLP(shape, classes, hidden=(3,))))


def test_a_model_of_ones_own_needs_its_study_file(tmp_path: Path) -> None:
    study = quantum_study(name="own", setting=own_setting(), fixed={"samples": 40, "epochs": 2,
                          "validation_samples": 30}, arms=("scratch",))  # fmt: skip
    run = made_run(tmp_path, study, OWN)
    student = run.student()
    recorded = pd.read_parquet(run.path / "predictions")
    recorded = recorded[recorded["replicate"] == student.about["replicate"]]
    assert student.predict(DIGITS.test_raw).tolist() == recorded["predicted"].tolist()
    with pytest.raises(InputError, match=r"arm 'scratch' is defined in the study file.*load\(RUN"):
        save_student(student, tmp_path / "student")
    (run.path / "study.py").unlink()
    with pytest.raises(InputError, match="there is no such study file"):
        run.student()


def test_the_command(
    run: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run.path), "--best", "--out", "student"]) == 0
    student = load_student("student")
    said = capsys.readouterr().out
    assert said.startswith(f"student: cell all, arm {student.about['arm']}, replicate 100")
    assert "(mean of 3 replicates: " in said
    assert main(["export", str(run.path), "--arm", "soft", "--replicate", "9", "--out", "x"]) == 2
    assert "has no confirm replicate 9, only 1000, 1001, 1002" in capsys.readouterr().err
    assert not Path("x").exists()
    assert main(["export", "nowhere", "--best", "--out", "x"]) == 2
    assert "'nowhere' is no run" in capsys.readouterr().err
