"""The trained student of a confirm run, built again from its kept weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qkd_study.analysis.confusion import names_of_classes
from qkd_study.analysis.run_tables import RunTables
from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.names import unknown
from qkd_study.results import RunFolder, fetch_weights
from qkd_study.study.load import load_study

if TYPE_CHECKING:  # tables are read without torch
    from qkd_study.students import Student
    from qkd_study.study.models import ModelSpec

#: How a student is chosen where the caller does not say; the test set decides nothing.
BY_VALIDATION = "metric.val_accuracy"


def student_of(
    run: RunTables,
    cell: str | None = None,
    arm: str | None = None,
    replicate: int | None = None,
    *,
    best: bool = False,
) -> Student:
    """The trained student of a confirm run.

    Args:
        run: the tables.
        cell: may be left out if there is one only.
        arm: likewise.
        replicate: default: of those of the cell and arm the first with the highest validation
            accuracy; the first without validation samples.
        best: of the cells and arms that are left open, those with the highest mean validation
            accuracy over confirm replicates.

    Raises:
        InputError: there is no such run, its weights were not kept or are damaged, or the study
            file that its model needs has changed.
    """
    from qkd_study.students import Student, check_digest, restored
    from qkd_study.students.weights import description

    row = chosen_row(run, cell, arm, replicate, best=best)
    stored = {**row, "cell": run.branch(row["cell"], row["arm"])}
    where = f"{run.name}, {row['cell']} {row['arm']}, replicate {row['replicate']}"
    found = fetch_weights(run.folder or RunFolder(run.path), stored)
    if found is None:
        raise InputError(f"{where}: {_without_weights(run)}")
    body, digest = found
    check_digest(body, digest, where)
    own = None if description(body)["model"] is not None else _own_model(run, row["arm"])
    spec, model = restored(body, own)
    return Student(spec, model, body, about(run, row, digest))


def chosen_row(
    run: RunTables, cell: str | None, arm: str | None, replicate: int | None, *, best: bool
) -> dict[str, Any]:
    """The confirm run that `student_of` takes, as a row of `runs`.

    Raises:
        InputError: there is none, or it is not clear which.
    """
    rows = run.confirmed
    if rows.empty:
        raise InputError(
            f"{run.name} has no confirm runs yet, and only those keep their students: run it "
            f"further, with the same command."
        )
    for name, given, known in (("cell", cell, list(run.cells)), ("arm", arm, run.arms)):
        if given is not None:
            if given not in known:
                raise InputError(f"{run.name}: {unknown(name, given, known)}")
            rows = rows[rows[name] == given]
        elif not best and len(known) > 1:
            raise InputError(
                f"{run.name}: say which {name}. It has {', '.join(map(safe_repr, known))}."
            )
    if rows.empty:
        raise InputError(
            f"{run.name}: {cell or 'any cell'}, {arm or 'any arm'} has no confirm runs."
        )
    if best:
        means = rows.groupby(["cell", "arm"], sort=False)[BY_VALIDATION].mean()
        if len(means) > 1 and means.isna().any():
            raise InputError(
                f"{run.name} has no validation samples, on which the best cell and arm would be "
                f"chosen: say which cell and arm."
            )
        means = means.fillna(0.0)
        cell, arm = means.idxmax()  # type: ignore[misc]
        rows = rows[(rows["cell"] == cell) & (rows["arm"] == arm)]
    if replicate is not None:
        matching = rows[rows["replicate"] == replicate]
        if matching.empty:
            there = ", ".join(map(str, sorted(rows["replicate"])))
            raise InputError(
                f"{run.name}: {rows['cell'].iloc[0]} {rows['arm'].iloc[0]} has no confirm "
                f"replicate {safe_repr(replicate)}, only {there}."
            )
        rows = matching
    rows = rows.sort_values("replicate")
    chosen = rows.iloc[int(rows[BY_VALIDATION].fillna(0.0).to_numpy().argmax())]
    return {str(name): value for name, value in chosen.to_dict().items()}


def _without_weights(run: RunTables) -> str:
    if run.declaration.get("weights") is None:
        why = "the run is of an earlier version, which kept no weights"
    elif not run.declaration["weights"]:
        why = "the study has weights=False, or was run with --no-weights"
    else:
        why = "its weights are gone, or the state of the study's own model is no set of tensors"
    return (
        f"no weights were kept: {why}. Run the study anew with weights, with `qkd-study run --new`."
    )


def _own_model(run: RunTables, arm: str) -> ModelSpec:
    """The declaration of an arm's student out of the study file of the run.

    Raises:
        InputError: the file is gone, fails, or lacks the arm.
    """
    original = run.manifest["sessions"][-1].get("study_file")
    study = load_study(Path(run.path) / "study.py", original=original)
    return study.setting.student_of(study.arm(arm))


def about(run: RunTables, row: dict[str, Any], digest: str) -> dict[str, Any]:
    """Where a student is from, as JSON values, for its model card."""
    same = run.confirmed
    same = same[(same["cell"] == row["cell"]) & (same["arm"] == row["arm"])]
    session = run.manifest["sessions"][-1]
    return {
        "study": run.declaration["name"],
        "question": run.declaration["question"],
        "run_id": run.manifest["run_id"],
        **{name: row[name] for name in ("cell", "arm")},
        **{name: int(row[name]) for name in ("trial", "replicate")},
        "config": {
            name.removeprefix("config."): _plain(value)
            for name, value in row.items()
            if name.startswith("config.") and not pd.isna(value)
        },
        "scores": {
            name.removeprefix("metric."): _plain(value)
            for name, value in row.items()
            if name.startswith("metric.") and not pd.isna(value)
        },
        "replicates": {
            "n": len(same),
            "mean_test_accuracy": float(same["metric.test_accuracy"].mean()),
            "mean_val_accuracy": _known(same[BY_VALIDATION].mean()),
        },
        "parameters": int(row["cost.parameters"]),
        "dataset": {
            "name": row["config.dataset"],
            "sha256": run.manifest.get("datasets", {}).get(
                row["config.dataset"], run.manifest["dataset_sha256"]
            ),
        },
        "class_names": names_of_classes(run.manifest, row["config.dataset"]),
        "sha256": digest,
        "trained_at": pd.Timestamp(row["where.ended_at"]).isoformat(timespec="seconds"),
        "versions": {
            "qkd-study": session.get("qkd_study"),
            "python": session.get("python"),
            **session.get("packages", {}),
        },
    }


def _known(value: float) -> float | None:
    """A number, or null without validation samples."""
    return None if pd.isna(value) else float(value)


def _plain(value: Any) -> Any:
    """A value of a table as a JSON value; a table may have made an integer a float."""
    if hasattr(value, "item"):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value
