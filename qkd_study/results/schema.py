"""The schema of the tables: every column with its type, unit and meaning."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Sequence
from dataclasses import fields, replace

import pyarrow as pa

from qkd_study.results.column import (
    INT,
    REAL,
    REPEATED_TEXT,
    SMALL_INT,
    TEXT,
    TIME,
    UNKNOWN,
    Column,
)
from qkd_study.results.costs import COSTS
from qkd_study.study.config import PARAMETERS, TERMS, Config
from qkd_study.study.parameters import Term

#: Incremented when a column changes its meaning or is removed, not for new columns.
TABLE_VERSION = 1

KEYS = (
    Column("study", TEXT, "", "name of the study"),
    Column("run_id", TEXT, "", "the folder of results/<study>/ that holds the row"),
    Column(
        "phase",
        TEXT,
        "",
        "`teacher` (tunes a teacher on validation; the metrics are the teacher's), `search` (tunes "
        "on validation) or `confirm` (meets the test set)",
    ),
    Column(
        "cell",
        TEXT,
        "",
        (
            "the combination of factor values, as `name=value,...`; factors that the arm, or a "
            "teacher, does not read are left out, as cells that differ in these alone share the row"
        ),
    ),
    Column(
        "arm",
        TEXT,
        "",
        "the way the student was trained; in the phase `teacher` the kind of teacher, `own` or a "
        "control",
    ),
    Column(
        "trial",
        INT,
        "",
        (
            "number of the configuration within its cell and arm; 1,000,000 + n: the baseline's "
            "configuration n, with the arm's own terms as weak as their ranges allow; those of "
            "search s have 10,000,000 s more"
        ),
    ),
    Column(
        "search",
        INT,
        "",
        "number of the independent search that suggested the configuration, from 0; null in runs "
        "of earlier versions, which had one",
    ),
    Column("replicate", INT, "", "the seed's number; confirm replicates start at 1000"),
)

#: The columns that identify a run in its study.
RUN_KEY = ("phase", "cell", "arm", "trial", "replicate")

STATUS = (
    Column(
        "status", TEXT, "", "`ok`, `stopped` (the search gave the configuration up) or `failed`"
    ),
    Column("reason", TEXT, "", "why it was stopped or failed; null if ok"),
)

METRICS = (
    Column("metric.val_accuracy", REAL, "share", "accuracy on the validation samples, best epoch"),
    Column("metric.val_f1_macro", REAL, "share", "macro F1 on the validation samples"),
    Column("metric.test_accuracy", REAL, "share", "accuracy on the test set; confirm phase only"),
    Column(
        "metric.test_majority",
        REAL,
        "share",
        "the most frequent class of the test set, the accuracy without learning; confirm only",
    ),
    Column("metric.test_f1_macro", REAL, "share", "macro F1 on the test set; confirm phase only"),
    Column("metric.test_nll", REAL, "nats", "mean of -log p(label) on the test set; confirm only"),
    Column("metric.test_ece", REAL, "share", "expected calibration error, 15 bins; confirm only"),
    Column("metric.teacher_val_accuracy", REAL, "share", "accuracy of a student's teacher there"),
    Column(
        "metric.teacher_val_ece",
        REAL,
        "share",
        "expected calibration error of the teacher on the validation samples, 15 bins",
    ),
    Column(
        "metric.teacher_entropy",
        REAL,
        "nats",
        "mean entropy of the teacher's softened outputs for the student's samples; null in arms "
        "without them",
    ),
    Column(
        "metric.teacher_late_rise",
        REAL,
        "share",
        "validation accuracy that the teacher gained over the last fifth of its epochs, by a line "
        "through those; of an ensemble the mean; null below three validated epochs, of a teacher "
        "that was trained elsewhere, and in runs of earlier versions",
    ),
    Column(
        "metric.teacher_best_epoch",
        INT,
        "epochs",
        "the chosen epoch of the teacher, of `config.teacher_epochs`; of an ensemble the latest; "
        "null likewise, but for few epochs",
    ),
    Column(
        "metric.teacher_test_accuracy",
        REAL,
        "share",
        "accuracy of the teacher; confirm only; null if its file has no logits for the test set",
    ),
    Column(
        "metric.teacher_agreement",
        REAL,
        "share",
        "test samples that both put into one class; null likewise",
    ),
    Column(
        "metric.transfer_agreement",
        REAL,
        "share",
        "transfer samples that the trained student and its teacher put into one class; null "
        "without any",
    ),
    Column(
        "metric.best_epoch",
        INT,
        "epochs",
        "the chosen epoch: the last, or of those validated the first with the highest accuracy",
    ),
)

WHERE = (
    Column(
        "where.backend",
        TEXT,
        "",
        "the device that ran circuits; `torch` where there were none" + UNKNOWN,
    ),
    Column(
        "where.plan",
        TEXT,
        "",
        "how circuits were run: `register`, `matrix` or `plain`, with gradients by the adjoint "
        "method, or `density-matrix`, with noise and exact gradients by autograd; joined by `+`; "
        "null without any" + UNKNOWN,
    ),
    Column("where.node", TEXT, "", "host name"),
    Column("where.worker", INT, "", "process id of the worker"),
    Column("where.started_at", TIME, "UTC", "when the run started"),
    Column("where.ended_at", TIME, "UTC", "when it ended"),
)


def _config_column(name: str, annotation: object, meaning: str) -> Column:
    base = annotation
    if isinstance(annotation, types.UnionType):
        base = next(t for t in typing.get_args(annotation) if t is not types.NoneType)
    kind = {int: INT, float: REAL, str: TEXT}[typing.cast(type, base)]
    what = PARAMETERS.get(name)
    unit, note = ("", "") if what is None else (what.unit, what.note)
    return Column(f"config.{name}", kind, unit, meaning + note)


_HINTS = typing.get_type_hints(Config)
CONFIG = tuple(
    _config_column(f.name, _HINTS[f.name], f.metadata["meaning"]) for f in fields(Config)
)

RUNS = (*KEYS, *STATUS, *CONFIG, *METRICS, *COSTS, *WHERE)


def loss_column(term: Term) -> Column:
    note = "weighted inside" if term.weight is None else "before its weight"
    return Column(f"loss.{term.name}", REAL, term.unit, f"{term.meaning}, {note}; null if off")


CURVES = (
    *KEYS,
    Column("epoch", INT, "", "counted from 1"),
    Column("loss.cross_entropy", REAL, "nats", "mean over the epoch, before its weight"),
    *(loss_column(term) for term in TERMS.values() if term.compares is not None),
    Column("loss.total", REAL, "", "the weighted sum that was minimised"),
    Column("metric.train_accuracy", REAL, "share", "on the training samples, during the epoch"),
    Column(
        "metric.val_accuracy",
        REAL,
        "share",
        "on the validation samples, after the epoch; null if it was not validated",
    ),
    Column("seconds", REAL, "s", "wall time of the epoch; of replicates trained together, a share"),
)

PREDICTIONS = (
    *(
        replace(c, type=REPEATED_TEXT if c.type == TEXT else SMALL_INT)
        for c in KEYS
        if c.name in RUN_KEY
    ),
    Column("sample", SMALL_INT, "", "position in the dataset's test set, counted from 0"),
    Column("label", SMALL_INT, "", "the true class"),
    Column("predicted", SMALL_INT, "", "the class that the student chose"),
    Column(
        "probabilities",
        pa.list_(pa.float32()),
        "share",
        "of each class, by the student; null in runs of earlier versions",
    ),
)

WEIGHTS = (
    *(c for c in KEYS if c.name in RUN_KEY),
    Column("bytes", INT, "B", "size of the file in `weights`"),
    Column("sha256", TEXT, "", "its SHA-256"),
    Column(
        "weights",
        pa.binary(),
        "",
        "the trained student as a safetensors file, whose header says what it is built from",
    ),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "runs": RUNS,
    "curves": CURVES,
    "predictions": PREDICTIONS,
    "weights": WEIGHTS,
}

#: The columns that identify a row of each table.
ROW_KEYS: dict[str, tuple[str, ...]] = {
    "runs": RUN_KEY,
    "curves": (*RUN_KEY, "epoch"),
    "predictions": (*RUN_KEY, "sample"),
    "weights": RUN_KEY,
}


_SHARES = frozenset(c.name for table in TABLES.values() for c in table if c.unit == "share")


def is_share(column: str) -> bool:
    """Whether a column's values lie between 0 and 1."""
    return column in _SHARES


def largest_difference(column: str) -> float:
    """The largest possible difference of two values of a column."""
    return 1.0 if is_share(column) else math.inf


#: In the metadata of a column: that the study declared it.
_OWN = b"declared"


def own_fields(of: pa.Schema) -> list[pa.Field]:
    """The columns of a table's schema that its study declared."""
    return [column for column in of if _OWN in (column.metadata or {})]


def schema(table: str, own: Sequence[Column] = ()) -> pa.Schema:
    """The Arrow schema of a table; meanings and units are metadata of the columns.

    Args:
        table: its name.
        own: columns that a study declares.
    """
    columns = [
        pa.field(c.name, c.type, metadata={"meaning": c.meaning, "unit": c.unit})
        for c in TABLES[table]
    ]
    columns += [
        pa.field(c.name, c.type, metadata={"meaning": c.meaning, "unit": c.unit, _OWN: "study"})
        for c in own
    ]
    return pa.schema(columns, {"qkd_study.table": table, "qkd_study.version": str(TABLE_VERSION)})
