"""Replay: computes a row again from its configuration and the study file, and compares them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from qkd_study import data as datasets
from qkd_study.common.errors import InputError
from qkd_study.data import Data, Datasets
from qkd_study.results import Row, RunFolder
from qkd_study.results.bundle_reading import bundled_dataset, study_file_of
from qkd_study.results.provenance import REPRODUCIBILITY_KEYS, session
from qkd_study.study.arms import Arm
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.files import digest_of
from qkd_study.study.load import load_study
from qkd_study.study.own_parameters import config_kind
from qkd_study.study.parameters import Parameter
from qkd_study.study.setting import Setting
from qkd_study.study.study import Study
from qkd_study.study.teacher_search import teacher_searches

NO_PARAMETERS: Mapping[str, Parameter] = MappingProxyType({})
#: By how much a metric may differ on another machine or with other versions: rounding differs, and
#: training amplifies it until a few samples change their class.
TOLERANCE = 0.02
#: For metrics in nats, the tolerance is this share of the larger value.
RELATIVE_TOLERANCE = 0.05
#: The share of test samples that are predicted as they were.
SAME_PREDICTIONS = "share of equal predictions"
#: Metrics that rows of earlier versions lack, and rows whose teacher one of them trained.
_LATER = ("metric.teacher_late_rise", "metric.teacher_best_epoch")
#: Counts, which must agree everywhere.
_COUNTS = ("cost.parameters", "cost.parameters_quantum", "cost.teacher_parameters", "cost.gates")


@dataclass(frozen=True)
class Difference:
    """A value of a row that differs in the replay.

    Attributes:
        tolerable: whether another machine or version explains it.
    """

    column: str
    was: float | None
    now: float | None

    @property
    def tolerable(self) -> bool:
        if self.was is None or self.now is None or self.column in _COUNTS:
            return False
        if self.column.endswith("best_epoch"):
            return True  # rounding decides between epochs of equal accuracy
        off = abs(self.was - self.now)
        most = RELATIVE_TOLERANCE * max(abs(self.was), abs(self.now))
        return off <= (max(most, 1e-6) if self.column.endswith("nll") else TOLERANCE)


@dataclass(frozen=True)
class Replayer:
    """Replays rows of one run.

    Attributes:
        same_machine: whether versions and processor are those of all sessions of the run.
    """

    study: Study
    dataset: Data
    same_machine: bool

    @classmethod
    def of(cls, run: RunFolder) -> Replayer:
        """Load the study file and the data of a run.

        Raises:
            InputError: one of them has changed.
        """
        manifest = run.manifest()
        if not (run.path / "study.py").exists():
            raise InputError(
                f"{run.where} has no study.py: it was run from Python, with parts of its own that "
                f"only that code defines, so its rows cannot be computed again from here. Put the "
                f"study into a file, and run that: qkd_study.run('FILE.py')."
            )
        study = load_study(run.path / "study.py", original=_original(run, manifest))
        # Earlier versions had one dataset in a run.
        first = {manifest["dataset"]: manifest["dataset_sha256"]}
        parts = []
        for name, digest in manifest.get("datasets", first).items():
            declared = [entry for entry in study.datasets if datasets.name_of(entry) == name]
            part = bundled_dataset(run, name) or datasets.load((declared or [name])[0])
            if part.digest != digest:
                raise InputError(
                    f"{run.path}: its rows come from other data: {name} had SHA-256 {digest}, and "
                    f"has {part.digest} here."
                )
            parts.append(part)
        dataset = parts[0] if len(parts) == 1 else Datasets(tuple(parts))
        _check_files(run, manifest)
        now = session(None)
        then = manifest["sessions"]
        same = all(s.get(key) == now[key] for s in then for key in REPRODUCIBILITY_KEYS)
        return cls(study, dataset, same)

    @property
    def setting(self) -> Setting:
        """Who teaches whom."""
        return self.study.setting

    def arm(self, row: Row) -> Arm:
        """The arm of a row.

        Raises:
            InputError: the study file of the run does not define it.
        """
        if row["phase"] == "teacher":
            arms, what = {s.arm.name: s.arm for s in teacher_searches(self.study)}, "teacher"
        else:
            arms, what = {arm.name: arm for arm in self.study.all_arms}, "arm"
        if row["arm"] not in arms:
            raise InputError(
                f"the study file of the run has no {what} {row['arm']!r}, only {list(arms)}."
            )
        return arms[row["arm"]]

    def replay(self, row: Row, predicted: Sequence[int] = ()) -> list[Difference]:
        """Run a row again, teacher included, and compare every metric and count.

        Args:
            row: of `runs`.
            predicted: its predictions, in the order of the test samples, to be compared too; empty
                if none were kept.

        Raises:
            InputError: the row has no result to compare with.
        """
        from qkd_study.distill import Diverged, TeacherStore, run_phase

        diverged = str(row["reason"]).startswith("diverged")
        if row["status"] != "ok" and not diverged:
            raise InputError(
                f"{describe_row(row)} is {row['status']!r}: {row['reason']}. Nothing to compare."
            )
        config = config_of(row, self.study.own_parameters)
        with tempfile.TemporaryDirectory(prefix="qkd-study-") as folder:
            (result,) = run_phase(
                row["phase"],
                self.setting,
                self.arm(row),
                config,
                self.dataset.named(config.dataset),
                TeacherStore(Path(folder)),
                (row["replicate"],),
            )
        if isinstance(result, Diverged):
            return [] if diverged else [Difference("status", 1.0, None)]
        if isinstance(result, Exception):
            raise result
        if diverged:
            return [Difference("status", None, 1.0)]
        now = {f"metric.{name}": value for name, value in result.metrics.items()}
        now |= {f"cost.{name}": value for name, value in result.costs.items()}
        columns = [name for name in row if name.startswith("metric.") or name in _COUNTS]
        columns = [name for name in columns if name not in _LATER or _value(row[name]) is not None]
        pairs = [(name, _value(row[name]), _value(now.get(name))) for name in columns]
        found = [Difference(*pair) for pair in pairs if pair[1] != pair[2]]
        if len(predicted) and result.predictions is not None:
            again = result.predictions.predicted
            same = len(again) == len(predicted) and float(np.mean(again == np.asarray(predicted)))
            if same != 1:
                found.append(Difference(SAME_PREDICTIONS, 1.0, float(same)))
        return found


def _original(run: RunFolder, manifest: dict[str, Any]) -> str | None:
    """The study file that was run; `None` if the study was not in a file."""
    original: str | None = manifest["sessions"][-1].get("study_file")
    return None if original is None else study_file_of(run) or original


def _check_files(run: RunFolder, manifest: dict[str, Any]) -> None:
    """Check that the files that the study read have not changed.

    Raises:
        InputError: one has changed or is missing.
    """
    original = _original(run, manifest)
    if original is None:
        return
    for name, digest in manifest.get("files", {}).items():
        path = Path(os.path.abspath(Path(original).parent / name))
        if (now := digest_of(path)) != digest:
            change = "is gone" if now is None else f"has {now} now"
            raise InputError(
                f"{run.path}: its rows come from {path}, which had SHA-256 {digest} and {change}."
            )


def config_of(row: Row, own: Mapping[str, Parameter] = NO_PARAMETERS) -> Config:
    """The configuration of a row's run.

    Args:
        row: of `runs`.
        own: the parameters that its study declares, by name.
    """
    values: dict[str, Any] = {}
    known, kind = {**PARAMETERS, **own}, config_kind(tuple(own.values()))
    for field in fields(kind):
        value = row[f"config.{field.name}"]
        whole = field.name == "seed" or (field.name in known and known[field.name].kind == "int")
        if value is None or pd.isna(value):
            values[field.name] = None
        else:  # a table may have made an integer a float
            values[field.name] = int(value) if whole else value
    return kind(**values)


def describe_row(row: Row) -> str:
    """A row's phase, cell, arm, trial and replicate, as text."""
    where = f"{row['phase']} {row['cell']} {row['arm']}"
    return f"{where} trial {row['trial']} replicate {row['replicate']}"


def _value(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
