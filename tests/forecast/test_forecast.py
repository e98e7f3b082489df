"""Forecasts of a tiny study: counts and sizes against what a run really leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qkd_study.cli.main import main
from qkd_study.data import load
from qkd_study.forecast.calibrate import calibrate, interpolated, spread
from qkd_study.forecast.disk import disk
from qkd_study.forecast.measure import Cost, measure
from qkd_study.forecast.shapes import Shape, Training, shape_of
from qkd_study.forecast.workload import suggestions_of, workload_of
from qkd_study.study.load import load_study
from tests.conftest import TINY, Cli


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No times of an earlier test run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Whatever else keeps this machine busy while tests run.
    monkeypatch.setattr("qkd_study.forecast.calibrate.QUIET", 0.0)
    monkeypatch.setattr("qkd_study.forecast.measure.ENOUGH", 0.01)
    monkeypatch.setattr("qkd_study.forecast.measure.REPEATS", 1)
    return tmp_path / "cache" / "qkd-study"


def test_a_tiny_study(
    tiny_study: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(tiny_study), "--json", "--cpus", "2,500"]) == 0
    said = json.loads(capsys.readouterr().out)["forecast"]
    # In each of two cells a student alone, a taught one, both by two and by three, and a teacher.
    assert (said["timed"], said["interpolated"]) == (10, 0)
    assert said["teachers_trained"] == 10
    assert 0 < said["teacher_seconds"] < said["cpu_seconds"] < 30
    assert 1e8 < said["worker_memory_bytes"] < 5e9
    assert [machine["cpus"] for machine in said["machines"]] == [2, 500]
    assert said["machines"][0]["simulated"]["runs"] == 28
    for machine in said["machines"]:  # most of it is the start of a command and of its workers
        assert 11 < machine["wall_seconds"] < 20 + said["cpu_seconds"]

    (kept,) = own_cache.glob("training-*")
    whole = kept.read_bytes()
    assert len(json.loads(whole.split(b"\n")[1])) == 10
    assert main(["plan", str(tiny_study), "--cpus", "2,500"]) == 0
    text = capsys.readouterr().out
    assert "28 runs and at most 10 teachers in all\nforecast from 10 short trainings" in text
    assert "for 10 teachers\n" in text
    assert "\n  500 CPUs: " in text
    assert kept.read_bytes() == whole  # what is known is not timed again
    damaged = bytearray(whole)
    damaged[-10] = ord("7") if damaged[-10] != ord("7") else ord("8")  # a digit of a time
    kept.write_bytes(damaged)
    assert main(["plan", str(tiny_study), "--json", "--forecast"]) == 0
    again = json.loads(capsys.readouterr().out)["forecast"]
    assert (again["timed"], again["interpolated"]) == (10, 0)
    assert kept.read_bytes() not in (whole, bytes(damaged))  # timed anew, all of them


def test_counts_alone_are_quick(
    tiny_study: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (["--json"], ["--no-forecast"], ["--no-forecast", "--json"]):
        assert main(["plan", str(tiny_study), *options]) == 0
        assert "forecast" not in capsys.readouterr().out
    assert not list(own_cache.glob("training-*"))


def test_a_trial_that_reserves_more_than_there_is(
    tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_study.write_text(tiny_study.read_text().replace("trials=2", "trials=2, trial_cpus=4"))
    assert main(["plan", str(tiny_study), "--cpus", "2"]) == 2
    assert "a trial reserves 4 CPUs" in capsys.readouterr().err


@pytest.mark.parametrize("cpus", ["0", "x", "2,", "1.5", "2000000", "-4"])
def test_bad_cpus(tiny_study: Path, capsys: pytest.CaptureFixture[str], cpus: str) -> None:
    assert main(["plan", str(tiny_study), f"--cpus={cpus}"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"such as 100,10000, but got {cpus}" in said.err


def test_what_costs_the_same_is_timed_once(tmp_path: Path) -> None:
    path = tmp_path / "tiny.py"
    path.write_text(TINY.replace('("scratch", "soft")', '("scratch", "soft", "classical-teacher")'))
    study = load_study(path)
    cells = [(cell, arm, s.configs) for cell, arm, s in suggestions_of(study, "digits")]
    assert [len(configs) for _, _, configs in cells] == [1] * 6
    shapes = {
        (cell.key, arm.name): shape_of(study, Training(arm, configs[0]))
        for cell, arm, configs in cells
    }
    assert shapes["samples=20", "soft"] == shapes["samples=20", "classical-teacher"]
    assert len(set(shapes.values())) == 4  # with and without a teacher, on 20 and 30 samples
    teachers = {
        shape_of(study, Training(arm, configs[0], 1)) for _, arm, configs in cells if arm.terms
    }
    assert len(teachers) == 4  # quantum and classical, on 20 and 30 samples
    quantum = Training(study.arm("soft"), cells[1][2][0], 1)
    assert '"qubits"' not in shape_of(study, quantum).kind  # a size, not a kind


def test_a_search_over_what_costs_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "tiny.py"
    path.write_text(
        TINY.replace('"learning_rate": LogFloat(1e-3, 3e-2)', '"epochs": Int(2, 40)')
        .replace('"epochs": 3, ', "")
        .replace("import LogFloat", "import Int, LogFloat")
        .replace("trials=2", "trials=300")
    )
    with pytest.warns(UserWarning, match="epochs is searched"):
        study = load_study(path)
    cost = Cost(1.0, 0.5, 0.0, 0.0, 0.25, 0.0, 0.0)
    work = workload_of(study, load("digits"), lambda training: cost)
    arm = next(iter(work.arms.values()))
    assert len(arm.trials) == 300
    assert {cost.seconds for cost in arm.trials} == {1 + 0.5 * c.epochs for c in arm.trials}
    assert min(cost.epochs for cost in arm.trials) == 2
    assert max(cost.epochs for cost in arm.trials) == 40
    assert sum(cost.epochs for cost in arm.trials) / 300 == pytest.approx(21, abs=2)
    assert arm.confirmed.epochs == pytest.approx(21, abs=2)


@pytest.mark.parametrize(
    ("chosen", "student", "teacher"),
    [({"validate_every": 2}, 2, 1), ({"epoch_choice": "last", "validate_every": 1}, 1, 2)],
)
def test_validations_are_counted_apart_where_not_every_epoch_has_one(
    tmp_path: Path, chosen: dict[str, str | int], student: int, teacher: int
) -> None:
    path = tmp_path / "tiny.py"
    path.write_text(TINY.replace('fixed={"epochs"', f'fixed={{**{chosen}, "epochs"'))
    study, data = load_study(path), load("digits")
    _, arm, drawn = next(found for found in suggestions_of(study, "digits") if found[1].terms)
    config = drawn.configs[0]
    assert (config.epochs, config.teacher_epochs) == (3, 2)
    for generation, epochs, validations in ((None, 3, student), (1, 2, teacher)):
        training = Training(arm, config, generation)
        assert training.validations == validations
        apart = 0 if validations == epochs else validations
        cost = Cost(1.0, 0.5, 0.125, 0.0, 0.25, 0.0, 0.0)
        assert cost.seconds(training) == 1 + 0.5 * epochs + 0.125 * apart
        assert (measure(study, training, data).validation > 0) == (validations != epochs)


def test_points_far_apart_come_first() -> None:
    import numpy as np

    points = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.4, 0.5], [0.0, 0.9]])
    assert spread(points)[:3] == [1, 2, 0]
    assert sorted(spread(points)) == [0, 1, 2, 3, 4]


def test_interpolation() -> None:
    def cost(samples: float, width: float, kind: str) -> Cost:
        seconds = 1e-3 * samples + 1e-4 * width * samples ** (0.5 if kind == "a" else 0.7)
        return Cost(seconds, 2 * seconds, seconds, seconds, seconds, 1.0, 1.0)

    grid = [(s, w, k) for s in (10, 40, 160, 640) for w in (4, 16, 64, 256) for k in "ab"]
    known = [Shape(k, (float(s), float(w))) for s, w, k in grid]
    costs = [cost(*point) for point in grid]
    wanted = [(s, w, k) for s in (20, 80, 320) for w in (8, 128) for k in "ab"]
    shapes = [Shape(k, (float(s), float(w))) for s, w, k in wanted]
    found = interpolated(known, costs, shapes)
    for point, got in zip(wanted, found, strict=True):
        assert got.epoch == pytest.approx(cost(*point).epoch, rel=0.15)
    for got, exact in zip(interpolated(known, costs, known[:5]), costs, strict=False):
        assert got.start == pytest.approx(exact.start, rel=1e-6)
    assert interpolated(known[:1], costs[:1], shapes[:1]) == costs[:1]


def test_a_small_budget_still_forecasts(tiny_study: Path) -> None:
    study, dataset = load_study(tiny_study), load("digits")
    found = calibrate(study, dataset, budget=0.0)
    assert found.timed == 1
    arms = workload_of(study, dataset, found.cost).arms.values()
    assert all(cost.seconds > 0 for arm in arms for cost in arm.trials)


@pytest.mark.slow
def test_sizes_are_those_of_a_run(tiny_study: Path, cli: Cli) -> None:
    done = cli("run", tiny_study, "--replicates", "12", "--trials", "4", "--set", "epochs=30")
    assert done.returncode == 0, done.stderr
    (folder,) = (
        path.parent
        for path in tiny_study.parent.glob("results/tiny/*/study.json")
        if not path.parent.is_symlink()
    )
    tiny_study.write_text(
        TINY.replace("trials=2", "trials=4")
        .replace("confirm=3", "confirm=12")
        .replace('"epochs": 3', '"epochs": 30')
    )
    study, dataset = load_study(tiny_study), load("digits")
    found = calibrate(study, dataset)
    # Rows that are reported together share a file: how many do depends on the machine.
    tables = len(list(folder.glob("runs/*.parquet")))
    confirm = len(list(folder.glob("runs/confirm-*")))
    expected = disk(workload_of(study, dataset, found.cost), dataset, tables, confirm)

    def size(name: str) -> int:
        return sum(path.stat().st_size for path in folder.glob(name))

    rows = size("runs/*") + size("optuna.journal")
    assert expected.rows == pytest.approx(rows, rel=0.1)
    assert expected.curves == pytest.approx(size("curves/*"), rel=0.1)
    assert expected.predictions == pytest.approx(size("predictions/*"), rel=0.15)
    assert expected.weights == pytest.approx(size("weights/*"), rel=0.15)
    assert expected.teachers == pytest.approx(size("teachers/*"), rel=0.1)
    files = sum(path.is_file() for path in folder.rglob("*"))
    assert expected.files == pytest.approx(files, abs=8)
