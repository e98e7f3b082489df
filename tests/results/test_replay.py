"""Rows computed again from their run's folder alone."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from qkd_study.results import find_run, read_table
from qkd_study.results.replay import SAME_PREDICTIONS, TOLERANCE, Difference, Replayer, config_of
from tests.conftest import Cli


def test_every_row_of_a_worker_comes_out_equal_in_this_process(run: Path) -> None:
    folder = find_run(str(run / "results" / "tiny" / "latest"), run)
    replayer = Replayer.of(folder)
    assert replayer.same_machine
    rows = read_table(folder.path, "runs")
    for row in rows[rows["status"] == "ok"].iloc[::5].to_dict("records"):
        assert replayer.replay({str(key): value for key, value in row.items()}) == []


def test_the_command(run: Path, tmp_path: Path, cli: Cli) -> None:
    where = str(run / "results" / "tiny" / "latest")
    done = cli("replay", where, "--arm", "soft", "--cell", "samples=20", "--replicate", "1001")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("confirm samples=20 soft trial ")
    assert done.stdout.endswith("replicate 1001: equal to the last bit\n")
    for options, said in (
        ([], "say which of its 28 rows with --phase,"),
        (["--replicate", "7"], "no row has --replicate 7. There are 0 to 1, 1000 to 1002."),
        (
            ["--phase", "search", "--arm", "sofd"],
            "no row with --phase search has --arm sofd. There are 'scratch', 'soft'.",
        ),
    ):
        none = cli("replay", where, *options)
        assert none.returncode == 2
        assert said in none.stderr


def test_a_changed_row_is_found(run: Path, tmp_path: Path, cli: Cli) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree((run / "results" / "tiny" / "latest").resolve(), copy)
    path = next((copy / "runs").glob("confirm-samples=30-soft-*.parquet"))
    table = pq.read_table(path)
    column = table.schema.get_field_index("metric.test_nll")
    changed = pd.Series(table["metric.test_nll"].to_pandas()) * (1 + 1e-15)
    pq.write_table(table.set_column(column, table.schema.field(column), [changed]), path)
    path = copy / "predictions" / path.name
    table = pq.read_table(path)
    column = table.schema.get_field_index("predicted")
    other = (pd.Series(table["predicted"].to_pandas()) + (table["sample"].to_pandas() == 0)) % 10
    pq.write_table(table.set_column(column, table.schema.field(column), [other]), path)
    done = cli("replay", str(copy), "--cell", "samples=30", "--arm", "soft", "--phase", "confirm",
               "--json")  # fmt: skip
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["same_place"]
    assert not said["equal"]
    columns = {d["column"] for row in said["rows"] for d in row["differences"]}
    assert columns == {"metric.test_nll", SAME_PREDICTIONS}


def test_configurations_survive_the_table(run: Path) -> None:
    rows = read_table(find_run(str(run / "results" / "tiny" / "latest"), run).path, "runs")
    config = config_of({str(k): v for k, v in rows.iloc[0].to_dict().items()})
    assert type(config.samples) is int
    assert config.optimizer == "sgd"
    # The rule chooses for each circuit and batch: forced by one, the plan of a teacher is another.
    row = {str(k): v for k, v in rows.iloc[0].to_dict().items()}
    assert config_of({**row, "config.plan": "auto", "where.plan": "matrix"}).plan == "auto"


def test_what_another_machine_may_give() -> None:
    assert Difference("metric.test_accuracy", 0.5, 0.5 + TOLERANCE / 2).tolerable
    assert not Difference("metric.test_accuracy", 0.5, 0.5 + TOLERANCE * 2).tolerable
    assert Difference("metric.test_nll", 2.0, 2.09).tolerable
    assert not Difference("metric.test_nll", 2.0, 2.2).tolerable
    assert not Difference("cost.parameters", 195, 196).tolerable
    assert not Difference("metric.test_accuracy", None, 0.5).tolerable
