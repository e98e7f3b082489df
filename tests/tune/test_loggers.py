"""What TensorBoard and MLflow are told, read back from what Ray's callbacks wrote."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qkd_study.common.errors import InputError
from qkd_study.results import Record
from qkd_study.tune.loggers import RunLoggers, loggers
from tests.conftest import Cli


def record(replicate: int, *, status: str = "ok", epochs: int = 3) -> Record:
    keys: dict[str, Any] = {"phase": "confirm", "cell": "samples=20,depth=2"}
    keys["arm"] = "soft+features"
    keys |= {"study": "tiny", "run_id": "1", "trial": 7, "replicate": replicate}
    row = {**keys, "status": status, "config.epochs": epochs, "config.temperature": 2.5}
    row |= {"config.qubits": None, "config.dataset": "digits"}
    if status == "failed":
        return Record({**row, "reason": "diverged"}, [])
    row |= {"metric.test_accuracy": 0.5 + replicate / 100, "metric.teacher_agreement": None}
    row |= {"cost.seconds_total": 1.25, "cost.parameters": 31}
    curve = [
        {**keys, "epoch": e, "loss.total": 1 / e, "loss.soft": None, "metric.val_accuracy": e / 10}
        for e in range(1, epochs + 1)
    ]
    return Record(row, curve)


def scalars(folder: Path) -> Iterator[tuple[int, str, float]]:
    """Step, name and value of every scalar in the event files of a folder."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events.*")):
        content, place = path.read_bytes(), 0
        while place < len(content):  # length, its checksum, the event, its checksum
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            place += length + 16
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    yield event.step, value.tag, value.simple_value


def test_tensorboard_has_every_epoch(tmp_path: Path) -> None:
    (callback,) = loggers(["tensorboard"], tmp_path, "tiny")
    callback.on_trial_result(1, [], None, {"records": [record(1000), record(1001)]})
    callback.on_trial_result(2, [], None, {"records": []})
    callback.on_trial_result(3, [], None, {"records": [record(1002, status="failed")]})
    below = tmp_path / "tensorboard" / "confirm" / "samples=20,depth=2" / "soft+features" / "7"
    assert sorted(path.name for path in below.iterdir()) == ["1000", "1001", "1002"]
    found = {
        (step, tag.removeprefix("ray/tune/")): value
        for step, tag, value in scalars(below / "1001")
        if tag.startswith("ray/tune/")
    }
    assert found == {
        **{(e, "curve/loss.total"): pytest.approx(1 / e) for e in (1, 2, 3)},
        **{(e, "curve/metric.val_accuracy"): pytest.approx(e / 10) for e in (1, 2, 3)},
        (3, "metric.test_accuracy"): pytest.approx(10.51),
        (3, "cost.seconds_total"): 1.25,
        (3, "cost.parameters"): 31,
    }


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow puts its address into the environment: take it out again after every test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")


def test_mlflow_has_every_run(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    (callback,) = loggers(["mlflow"], tmp_path, "tiny")
    callback.on_trial_result(1, [], None, {"records": [record(1000), record(1001)]})
    callback.on_trial_result(1, [], None, {"records": [record(1002, status="failed")]})
    client = mlflow.MlflowClient((tmp_path / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("tiny")
    runs = {
        run.data.params["replicate"]: run for run in client.search_runs([experiment.experiment_id])
    }
    assert sorted(runs) == ["1000", "1001", "1002"]
    assert runs["1001"].data.metrics["metric.test_accuracy"] == pytest.approx(10.51)
    assert runs["1001"].data.metrics["cost.parameters"] == 31
    assert runs["1001"].data.params["config.temperature"] == "2.5"
    assert "config.qubits" not in runs["1001"].data.params
    assert [runs[key].info.status for key in sorted(runs)] == ["FINISHED", "FINISHED", "FAILED"]


def test_what_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("mlflow", "tensorboard"):
        with pytest.raises(InputError, match=rf"--log {name} needs .*qkd-study\[{name}\]"):
            loggers([name], tmp_path, "tiny")


def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://at-all")
    with pytest.raises(InputError, match="--log mlflow: nowhere://at-all does not work"):
        loggers(["mlflow"], tmp_path, "tiny")


def test_nothing_asked_is_nothing_made(tmp_path: Path) -> None:
    assert loggers([], tmp_path, "tiny") == []


def test_a_logger_that_fails_does_not_end_the_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ray.tune.logger import LoggerCallback

    seen: list[str] = []

    class Broken(LoggerCallback):  # type: ignore[misc]
        def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
            raise ConnectionError("the server is gone")

    class Kept(LoggerCallback):  # type: ignore[misc]
        def log_trial_start(self, trial: Any) -> None:
            seen.append(str(trial))

    callback = RunLoggers({"mlflow": Broken(), "tensorboard": Kept()}, tmp_path)
    for replicate in (1000, 1001):
        callback.on_trial_result(1, [], None, {"records": [record(replicate)]})
    said = capsys.readouterr().err
    assert said == (
        "warning: nothing more is logged to mlflow: ConnectionError: the server is gone\n"
    )
    assert seen == [f"confirm/samples=20,depth=2/soft+features/7/{r}" for r in (1000, 1001)]


@pytest.mark.slow
def test_a_run_logs_every_row(tiny_study: Path, cli: Cli) -> None:
    log = ["--log", "tensorboard"]
    if importlib.util.find_spec("mlflow") is not None:
        log += ["--log", "mlflow"]
    done = cli("run", tiny_study, *log)
    assert done.returncode == 0, done.stderr
    assert "nothing more is logged" not in done.stderr
    folder = (tiny_study.parent / "results" / "tiny" / "latest").resolve()
    rows = pd.read_parquet(folder / "runs")
    assert len(rows) == 28
    for row in rows.to_dict("records"):
        names = [str(row[key]) for key in ("phase", "cell", "arm", "trial", "replicate")]
        told = {tag: (step, v) for step, tag, v in scalars(folder.joinpath("tensorboard", *names))}
        steps = row["config.epochs"]
        assert told["ray/tune/cost.parameters"] == (steps, row["cost.parameters"])
        if row["phase"] == "confirm":
            accuracy = (steps, row["metric.test_accuracy"])
            assert told["ray/tune/metric.test_accuracy"] == pytest.approx(accuracy)
    if "mlflow" in log:
        assert len(list(folder.glob("mlflow/*/*/meta.yaml"))) == 28
