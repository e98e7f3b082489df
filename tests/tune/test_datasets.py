"""A study with datasets as a factor, run for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qkd_study.results import find_run, read_table
from qkd_study.results.replay import Replayer
from tests.conftest import Cli

SEVERAL = """
from qkd_study import *
study = Study(
    question="?",
    setting=ClassicalToClassical(Mlp((8,)), Mlp((4,))),
    factors={"dataset": ("xor4", "spirals")},
    fixed={"samples": 20, "validation_samples": 40, "epochs": 2, "teacher_epochs": 2},
    search={"learning_rate": LogFloat(1e-3, 1e-1)},
    arms=("scratch", "soft"),
    trials=1,
    replicates=Replicates(search=1, confirm=2),
)
"""


@pytest.mark.slow
def test_datasets_are_run_extended_and_replayed(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "several.py").write_text(SEVERAL)
    first = cli("run", "several.py", "--cpus", "1")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "datasets: xor4, spirals\n" in first.stdout
    before = pd.read_parquet(tmp_path / "results/several/latest/runs")
    (tmp_path / "several.py").write_text(SEVERAL.replace('"spirals")', '"spirals", "digits")'))
    more = cli("run", "several.py", "--cpus", "1")
    assert "18 runs, 6 to do; goes on in" in more.stdout, more.stdout + more.stderr
    assert more.returncode == 0, more.stderr
    run = find_run("several", tmp_path / "results")
    rows = read_table(run.path, "runs")
    assert len(rows) == len(before) + 6
    assert rows["config.dataset"].value_counts().to_dict() == dict.fromkeys(
        ("xor4", "spirals", "digits"), 6
    )
    assert (rows["cell"] == "dataset=" + rows["config.dataset"]).all()
    replayer = Replayer.of(run)
    for dataset in ("digits", "spirals"):
        of = rows[(rows["phase"] == "confirm") & (rows["config.dataset"] == dataset)]
        records: list[Any] = of.astype(object).where(of.notna(), None).to_dict("records")
        assert replayer.replay(records[-1]) == []
