"""The tables: a contract of names and types, files written whole, readers of several makes."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qkd_study import InputError, Study
from qkd_study.common.predictions import Predictions
from qkd_study.distill import Epoch, RunResult
from qkd_study.results import (
    TABLES,
    Record,
    describe,
    drop_retryable,
    finished,
    predictions_of_run,
    read_table,
    schema,
    start_tables,
    without_result,
    write_records,
)
from qkd_study.results.reading import weights_of_run
from qkd_study.results.tables import file_name
from qkd_study.study import Config
from qkd_study.study.trial import Trial

#: The contract that notebooks rely on, written out once more on purpose.
CONTRACT = {
    "": "study run_id phase cell arm trial replicate status reason",
    "config.": "dataset samples teacher_samples temperature weight_soft weight_features "
    "learning_rate epochs optimizer qubits depth seed",
    "metric.": "val_accuracy val_f1_macro test_accuracy test_majority test_f1_macro test_nll "
    "test_ece teacher_test_accuracy teacher_agreement best_epoch",
    "cost.": "parameters parameters_quantum teacher_parameters gates circuit_executions "
    "seconds_train seconds_validation seconds_test seconds_teacher seconds_total peak_rss_mb",
    "where.": "backend node worker started_at ended_at",
}
CURVES = {
    "": "study run_id phase cell arm trial replicate epoch",
    "loss.": "cross_entropy soft features total",
    "metric.": "train_accuracy val_accuracy",
    "seconds": "",
}


def columns(contract: dict[str, str]) -> list[str]:
    return [prefix + name for prefix, names in contract.items() for name in names.split() or [""]]


STUDY = Study(question="?", factors={"samples": (20, 30)})


def trial(number: int = 0, replicates: tuple[int, ...] = (0, 1), arm: str = "soft") -> Trial:
    cell = STUDY.cells()[0]
    config = STUDY.config(cell, STUDY.arm(arm), {}, "digits")
    return Trial("search", cell, STUDY.arm(arm), number, config, replicates)


def record(of: Trial, replicate: int) -> Record:
    curve = [
        Epoch(1, 2.0, {"features": 0.5}, 2.5, 0.1, 0.2, 0.01),
        Epoch(2, 1.0, {"features": 0.4}, 1.4, 0.3, 0.4, 0.01),
    ]
    metrics: dict[str, float | int | None] = {"val_accuracy": 0.4, "val_f1_macro": 0.3}
    metrics["best_epoch"] = 2
    costs: dict[str, float | int | None] = {"parameters": 5905, "seconds_total": 0.1}
    label = np.arange(5, dtype=np.int32)
    shares = np.random.default_rng(replicate).random((5, 3), dtype=np.float32)
    predictions = Predictions(label, np.roll(label, replicate).astype(np.int32), shares)
    kept = predictions, f"weights {replicate}".encode()
    result = RunResult(metrics, costs, "lightning.qubit", "matrix", curve, *kept)
    return finished("s", "r", of, replicate, result, datetime.now(UTC))


def test_the_contract() -> None:
    assert not set(columns(CONTRACT)) - set(schema("runs").names)
    assert not set(columns(CURVES)) - set(schema("curves").names)
    assert {f"config.{f.name}" for f in dataclasses.fields(Config)} <= set(schema("runs").names)


def test_rows_round_trip(tmp_path: Path) -> None:
    start_tables(tmp_path)
    of = trial()
    rows = [record(of, 0), without_result("s", "r", of, 1, "stopped", "hopeless")]
    write_records(tmp_path, [of], rows)
    runs = read_table(tmp_path, "runs")
    assert runs["status"].tolist() == ["ok", "stopped"]
    assert runs["reason"].tolist()[1] == "hopeless"
    assert runs.loc[0, "config.temperature"] == 4.0
    assert runs["metric.test_accuracy"].isna().all()
    assert str(runs["where.started_at"].dtype).endswith("UTC]")
    curves = read_table(tmp_path, "curves")
    assert curves["epoch"].tolist() == [1, 2]
    assert curves["loss.soft"].isna().all()
    assert curves["loss.features"].tolist() == [0.5, 0.4]


def test_predictions_round_trip_and_can_be_left_out(tmp_path: Path) -> None:
    start_tables(tmp_path)
    of = trial()
    paths = write_records(tmp_path, [of], [record(of, r) for r in (0, 1)])
    assert [path.parent.name for path in paths] == ["weights", "predictions", "curves", "runs"]
    frame = pd.read_parquet(tmp_path / "predictions")
    assert list(frame.columns) == schema("predictions").names
    assert frame["cell"].dtype == "category"
    assert (frame["label"] == frame["predicted"]).groupby(frame["replicate"]).mean().to_list() == [
        1.0,
        0.0,
    ]
    rows: Any = read_table(tmp_path, "runs").to_dict("records")
    assert [predictions_of_run(tmp_path, row) for row in rows] == [
        [0, 1, 2, 3, 4],
        [4, 0, 1, 2, 3],
    ]
    assert np.stack(frame["probabilities"].tolist()).shape == (10, 3)
    kept = weights_of_run(tmp_path, rows[1])
    assert kept == (b"weights 1", hashlib.sha256(b"weights 1").hexdigest())
    records = [record(trial(1), r) for r in (0, 1)]
    more = [dataclasses.replace(one, predictions=None, weights=None) for one in records]
    assert len(write_records(tmp_path, [trial(1)], more)) == 2
    assert weights_of_run(tmp_path, {**rows[1], "trial": 1}) is None
    assert set(read_table(tmp_path, "predictions")["trial"]) == {0}
    for name in ("predictions", "weights"):  # as in a run of an earlier version
        shutil.rmtree(tmp_path / name)
    assert predictions_of_run(tmp_path, rows[0]) == []
    assert weights_of_run(tmp_path, rows[0]) is None


def test_a_run_can_be_read_from_its_first_moment(tmp_path: Path) -> None:
    start_tables(tmp_path)
    for table in TABLES:
        frame = pd.read_parquet(tmp_path / table)
        assert len(frame) == 0
        assert list(frame.columns) == schema(table).names
    # A column that is all null in one file has its type all the same.
    write_records(
        tmp_path, [trial(arm="scratch")], [record(trial(arm="scratch"), r) for r in (0, 1)]
    )
    write_records(tmp_path, [trial(1)], [record(trial(1), r) for r in (0, 1)])
    (tmp_path / "runs" / ".half.parquet.77.partial").write_bytes(b"PAR1 half")
    frame = pd.read_parquet(tmp_path / "runs")
    assert len(frame) == 4
    assert frame["config.temperature"].isna().sum() == 2


def test_meanings_and_units_stand_in_the_files(tmp_path: Path) -> None:
    start_tables(tmp_path)
    read = pq.read_schema(tmp_path / "runs" / "columns.parquet")
    for field in read:
        assert field.metadata[b"meaning"]
    assert read.field("cost.seconds_train").metadata[b"unit"] == b"s"


def test_the_readme_is_generated() -> None:
    readme = Path(__file__).parents[2] / "results" / "README.md"
    said = subprocess.run(
        [sys.executable, "-m", "qkd_study.results"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert readme.read_text() == describe() == said.stdout


def test_writing_twice_leaves_one_file(tmp_path: Path) -> None:
    start_tables(tmp_path)
    for _ in range(2):
        write_records(tmp_path, [trial()], [record(trial(), r) for r in (0, 1)])
    assert len(list((tmp_path / "runs").iterdir())) == 2
    assert len(read_table(tmp_path, "runs")) == 2


def test_trials_that_ended_together_share_a_file_and_are_forgotten_alone(tmp_path: Path) -> None:
    start_tables(tmp_path)
    trials = [trial(number) for number in range(3)]
    records = [record(one, r) for one in trials for r in (0, 1)]
    records[2].row["status"], records[2].row["reason"] = "failed", "the worker died"
    write_records(tmp_path, trials, records)
    assert len(list((tmp_path / "runs").glob("search-*"))) == 1
    assert read_table(tmp_path, "runs")["trial"].tolist() == [0, 0, 1, 1, 2, 2]
    drop_retryable(tmp_path)
    assert read_table(tmp_path, "runs")["trial"].tolist() == [0, 0, 2, 2]
    write_records(tmp_path, trials[1:2], [record(trials[1], r) for r in (0, 1)])
    assert read_table(tmp_path, "runs")["trial"].tolist() == [0, 0, 1, 1, 2, 2]
    curves = read_table(tmp_path, "curves")
    assert not curves.duplicated(["trial", "replicate", "epoch"]).any()
    assert set(curves["trial"]) == {0, 1, 2}
    predictions = read_table(tmp_path, "predictions")
    assert len(predictions) == 30
    assert not predictions.duplicated(["trial", "replicate", "sample"]).any()


@pytest.mark.parametrize("trained", [True, False])
def test_a_failed_teacher_is_retried_only_if_no_other_was_trained(
    tmp_path: Path, trained: bool
) -> None:
    """Students may have been trained by the best of the others."""
    start_tables(tmp_path)
    tried = [dataclasses.replace(trial(number), phase="teacher") for number in range(2)]
    records = [record(one, r) for one in tried for r in (0, 1)]
    for one in records[2:] if trained else records:
        one.row["status"], one.row["reason"] = "failed", "the worker died"
    write_records(tmp_path, tried, records)
    drop_retryable(tmp_path)
    assert len(read_table(tmp_path, "runs")) == (4 if trained else 0)


def test_file_names_are_short_and_differ() -> None:
    names_of_factors = ("learning_rate", "weight_soft", "weight_features", "teacher_learning_rate")
    long = Study(question="?", factors=dict.fromkeys(names_of_factors, (0.123456789,)))
    arm = long.arm("soft+features")
    cell = long.cells()[0]
    config = long.config(cell, arm, {}, "digits")
    names = {
        file_name(Trial("search", cell, arm, n, config, r))
        for n in (0, 1)
        for r in ((0, 1), (2, 3))
    }
    assert len(names) == 4
    assert max(map(len, names)) < 200
    assert file_name(trial()) == "search-samples=20-soft-00000-r0-1.parquet"


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no runs: it is not the folder of a run"):
        read_table(tmp_path, "runs")
    start_tables(tmp_path)
    (tmp_path / "runs" / "x.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputError, match=r"x\.parquet is broken: .*delete it"):
        read_table(tmp_path, "runs")


def test_tables_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    other = schema("runs").with_metadata({"qkd_study.version": "99"})
    pq.write_table(pa.Table.from_batches([], other), tmp_path / "runs" / "a.parquet")
    with pytest.raises(
        InputError, match="has a table of version 99, but this qkd-study reads version 1"
    ):
        read_table(tmp_path, "runs")


def test_a_version_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    other = schema("runs").with_metadata({b"qkd_study.version": b"\xff"})
    pq.write_table(pa.Table.from_batches([], other), tmp_path / "runs" / "a.parquet")
    with pytest.raises(InputError, match="has a table of version \ufffd, but"):
        read_table(tmp_path, "runs")


@pytest.mark.parametrize("name", ["cell", "arm", "replicate", "status"])
def test_rows_without_a_key(tmp_path: Path, name: str) -> None:
    start_tables(tmp_path)
    write_records(tmp_path, [trial()], [record(trial(), r) for r in (0, 1)])
    path = tmp_path / "runs" / file_name(trial())
    pq.write_table(pq.read_table(path).drop_columns(name), path)
    with pytest.raises(InputError, match=f"runs has a broken file: a row in it has no {name}"):
        read_table(tmp_path, "runs")


def test_what_a_killed_driver_left_is_removed(tmp_path: Path) -> None:
    start_tables(tmp_path)
    write_records(tmp_path, [trial()], [record(trial(), r) for r in (0, 1)])
    write_records(tmp_path, [trial(1)], [record(trial(1), r) for r in (0, 1)])
    (tmp_path / "runs" / file_name(trial(1))).unlink()  # killed between curves and runs
    (tmp_path / "runs" / ".half.parquet.77.partial").write_bytes(b"PAR1 half")
    start_tables(tmp_path)
    assert set(read_table(tmp_path, "curves")["trial"]) == {0}
    assert set(read_table(tmp_path, "predictions")["trial"]) == {0}
    assert len(read_table(tmp_path, "runs")) == 2
    assert not list(tmp_path.glob("*/.*"))
