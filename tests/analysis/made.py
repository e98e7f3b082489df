"""A small run made of numbers, not of training: what analysis is tested on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qkd_study import Claim, LogFloat, Replicates, Study
from qkd_study.analysis import Results, load
from qkd_study.results.schema import RUN_KEY, schema
from qkd_study.study.arms import Arm
from qkd_study.study.branches import branch, shared_cells
from qkd_study.study.canonical import canonical
from qkd_study.study.identity import declaration
from qkd_study.study.replicates import TRIALS_PER_SEARCH
from qkd_study.study.space import Choice, Range

CLAIM = Claim(
    says="Soft targets help.",
    better="soft",
    than="scratch",
    margin=0.005,
    controls=("scaled-ce", "classical-teacher"),
)


def made_study(**changes: Any) -> Study:
    """Two values of K, four arms, one claim."""
    return Study(
        **{
            "question": "Do soft targets help?",
            "name": "made",
            "datasets": ("digits",),
            "factors": {"samples": (50, 100)},
            "search": {
                "learning_rate": LogFloat(1e-3, 1e-1),
                "weight_soft": LogFloat(0.1, 10.0),
                "scale_cross_entropy": LogFloat(1.0, 20.0),
            },
            "arms": ("scratch", "scaled-ce", "soft", "classical-teacher"),
            "trials": 4,
            "replicates": Replicates(search=2, confirm=12),
            "claims": (CLAIM,),
            **changes,
        }
    )


def _drawn(space: Range, rng: np.random.Generator) -> float:
    """A value of a range, evenly on the logarithmic scale."""
    assert not isinstance(space, Choice)
    return float(np.exp(rng.uniform(np.log(space.low), np.log(space.high))))


def _planned(study: Study, arm: Arm) -> Iterator[tuple[str, int, int, int]]:
    """Phase, search, trial within it and replicate of every run of an arm in a cell."""
    searches = range(study.searches_of(arm))
    for search in searches:
        trials = itertools.product(
            range(study.trials_of(arm)), study.replicates.searched_by(search)
        )
        yield from (("search", search, trial, replicate) for trial, replicate in trials)
    for search in searches:
        for replicate in study.replicates.confirmed_by(search, len(searches)):
            yield "confirm", search, 0, replicate


def made_results(
    gains: dict[str, float] | None = None,
    *,
    study: Study | None = None,
    seed: int = 0,
    noise: float = 0.01,
    search_noise: float = 0.0,
    epochs: int = 5,
) -> Results:
    """Results in which every arm has a known gain over `scratch`, paired by replicate.

    Args:
        gains: accuracy gained by arm; default: soft 0.05, classical-teacher 0.05, others 0.
        study: as declared.
        seed: of the noise.
        noise: standard deviation of a difference between arms.
        search_noise: standard deviation of what the search of an arm in a cell gains.
        epochs: of each curve.
    """
    gains = {"soft": 0.05, "classical-teacher": 0.05} if gains is None else gains
    study = study or made_study()
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    there: set[tuple[str, str]] = set()
    now = pd.Timestamp("2026-01-01", tz="UTC")
    for number, cell in enumerate(study.cells()):
        luck = rng.normal(0, 0.02, 5000)
        for arm in study.all_arms:
            shared = branch(study, cell, arm)
            if (shared.key, arm.name) in there:
                continue
            there.add((shared.key, arm.name))
            searches = study.searches_of(arm)
            effects = rng.normal(0, search_noise, searches) if search_noise else [0.0] * searches
            for phase, search, trial, replicate in _planned(study, arm):
                chosen = {name: _drawn(space, rng) for name, space in study.space(arm).items()}
                config = study.config(cell, arm, chosen, "digits")
                base = 0.8 + 0.05 * number + luck[replicate] + gains.get(arm.name, 0.0)
                base += effects[search]
                score = float(base + rng.normal(0, noise / np.sqrt(2)))
                keys = {
                    "study": study.name,
                    "run_id": "made",
                    "phase": phase,
                    "cell": shared.key,
                    "arm": arm.name,
                    "search": search,
                    "trial": search * TRIALS_PER_SEARCH + trial,
                    "replicate": replicate,
                }
                test = score if phase == "confirm" else None
                # The first configuration is the best on validation, so that it is confirmed.
                rows.append(
                    {
                        **keys,
                        "status": "ok",
                        **{f"config.{k}": v for k, v in vars(config).items()},
                        "metric.val_accuracy": 0.9 - 0.01 * trial,
                        "metric.val_f1_macro": score,
                        "metric.test_accuracy": test,
                        "metric.test_majority": None if test is None else 0.1,
                        "metric.test_f1_macro": test,
                        "metric.test_nll": None if test is None else 1 - test,
                        "metric.test_ece": None if test is None else 0.1,
                        "metric.best_epoch": epochs,
                        "cost.parameters": 505,
                        "cost.parameters_quantum": 0,
                        "cost.gates": 11,
                        "cost.circuit_executions": 10,
                        "cost.seconds_train": 0.1 * (number + 1),
                        "cost.seconds_teacher": 0.0,
                        "cost.seconds_total": 0.2,
                        "cost.peak_rss_mb": 300.0,
                        "where.backend": "torch",
                        "where.started_at": now,
                        "where.ended_at": now,
                    }
                )
                curves += [
                    {
                        **keys,
                        "epoch": epoch,
                        "loss.cross_entropy": 2.0 / epoch,
                        "loss.total": 2.0 / epoch,
                        "metric.train_accuracy": score,
                        "metric.val_accuracy": score * epoch / epochs,
                        "seconds": 0.01,
                    }
                    for epoch in range(1, epochs + 1)
                ]
    manifest = {
        "run_id": "made",
        "declaration": declaration(study),
        "fingerprint": "0" * 64,
        "dataset": "digits",
        "dataset_sha256": "1" * 64,
        "plan": {
            "runs": len(rows),
            "cell_keys": [cell.key for cell in study.cells()],
            "arm_names": [arm.name for arm in study.all_arms],
            "arm_trials": {arm.name: study.trials_of(arm) for arm in study.all_arms},
            "shared": shared_cells(study),
        },
        "claims": [
            {"claim": canonical(claim), "declared_at": None, "confirm_rows": 0}
            for claim in study.claims
        ],
        "sessions": [{"command": ["qkd-study", "run", "made.py"], "started_at": "2026-01-01"}],
    }
    return Results(Path("made"), manifest, _frame(rows, "runs"), _frame(curves, "curves"))


def written(results: Results, out: Path) -> Path:
    """The run as files, `out/made/made`, with a file per configuration; its folder."""
    folder = out / "made" / "made"
    for table, frame in (("runs", results.runs), ("curves", results.curves)):
        (folder / table).mkdir(parents=True)
        empty = schema(table).empty_table()
        pq.write_table(empty, folder / table / "columns.parquet")
        for key, rows in frame.groupby(["phase", "cell", "arm", "trial"]):
            name = "-".join(map(str, key))
            data = pa.Table.from_pandas(rows, schema=schema(table), preserve_index=False)
            data = data.replace_schema_metadata(schema(table).metadata)
            pq.write_table(data, folder / table / f"{name}.parquet")
    manifest = {"arms": results.declaration["arms"]}
    (folder / "study.json").write_text(json.dumps({**manifest, **results.manifest}))
    return folder


def with_predictions(
    results: Results, out: Path, *, items: int = 60, gain: float = 0.3, seed: int = 0
) -> Results:
    """The run, written and read again, with predictions, and accuracies that follow from them.

    All replicates have the same test samples, of which some are hard.

    Args:
        results: of which the accuracies are replaced.
        out: an empty folder.
        items: test samples.
        gain: of all arms but `scratch`, of a normal variable that is above 0 if a sample is
            classified correctly; that of a sample has a standard deviation of 1.
        seed: of the numbers.
    """
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=items)
    for_arm = {arm: 0.6 * rng.normal(size=items) for arm in results.arms}
    runs = results.runs.copy()
    parts = []
    for row in runs.index[runs["phase"] == "confirm"]:
        arm = str(runs.loc[row, "arm"])
        mean = hard + for_arm[arm] + (1.0 if arm == "scratch" else 1.0 + gain)
        right = mean + rng.normal(0, 0.7, items) > 0
        runs.loc[row, "metric.test_accuracy"] = right.mean()
        keys = {name: runs.loc[row, name] for name in RUN_KEY}
        parts.append(
            pd.DataFrame({**keys, "sample": range(items), "label": 1, "predicted": right * 1})
        )
    folder = written(replace(results, runs=runs), out)
    (folder / "predictions").mkdir()
    # As a run of an earlier version.
    columns = schema("predictions").remove(schema("predictions").get_field_index("probabilities"))
    data = pa.Table.from_pandas(pd.concat(parts), columns, preserve_index=False)
    path = folder / "predictions" / "confirm-all.parquet"
    pq.write_table(data.replace_schema_metadata(schema("predictions").metadata), path)
    return load(folder)


def _frame(rows: list[dict[str, Any]], table: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    unknown = set(frame.columns) - set(schema(table).names)
    assert not unknown, unknown
    return frame.reindex(columns=schema(table).names)
