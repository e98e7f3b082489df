"""The columns of a run's tables: those of `schema`, and those that its study declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qkd_study.results.column import INT, REAL, TEXT, Column
from qkd_study.results.schema import loss_column, own_fields, schema
from qkd_study.study.config import TERMS
from qkd_study.study.study import Study

#: A file without rows that gives a table its columns.
COLUMNS_FILE = "columns.parquet"
NO_COLUMNS: Mapping[str, Sequence[Column]] = MappingProxyType({})


def run_schema(folder: Path, table: str) -> pa.Schema:
    """The schema of a run's table, with the columns that its study declares."""
    found = schema(table)
    for column in _own_fields(folder, table):
        found = found.append(column)
    return found


def _own_fields(folder: Path, table: str) -> list[pa.Field]:
    """The columns that a run's study declares, as the file without rows has them."""
    if table not in ("runs", "curves"):
        return []
    try:
        return own_fields(pq.read_schema(folder / table / COLUMNS_FILE))
    except (OSError, pa.ArrowException):  # of a run without, or damaged: readers say so
        return []


def extended_schema(folder: Path, table: str, own: Sequence[Column]) -> tuple[pa.Schema, bool]:
    """The schema with further columns that the study declares, and whether there are any.

    Args:
        folder: of the run.
        table: its name.
        own: all columns that the study declares; those of earlier declarations stay.
    """
    found = run_schema(folder, table)
    more = [column for column in own if column.name not in found.names]
    for column in own_fields(schema(table, more)):
        found = found.append(column)
    return found, bool(more)


def write_options(table: str, rows: int) -> dict[str, Any]:
    """How a Parquet file of a table is written, so that it is small.

    Args:
        table: its name.
        rows: how many it will have.
    """
    if table == "weights":  # statistics would hold the least and the largest of small ones again
        with_statistics = [name for name in schema(table).names if name != "weights"]
        return {
            "use_dictionary": False,
            "compression": "zstd",
            "write_statistics": with_statistics,
        }
    if table != "predictions":
        return {"use_dictionary": rows > 100}  # with few, dictionaries cost more than they save
    numbers = ("sample", "probabilities")
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema(table).names if name not in numbers],
        "column_encoding": {
            "sample": "DELTA_BINARY_PACKED",
            "probabilities.list.element": "BYTE_STREAM_SPLIT",
        },
    }


def own_columns(study: Study) -> dict[str, tuple[Column, ...]]:
    """The columns that a study's own parameters and loss terms add, by table."""
    kinds = {"int": INT, "float": REAL}
    terms = (term.term for arm in study.all_arms for term in arm.own_terms)
    named = {term.name: term for term in terms if term.name not in TERMS}
    return {
        "runs": tuple(
            Column(f"config.{p.name}", kinds.get(p.kind, TEXT), p.unit, p.meaning + p.note)
            for p in study.own_parameters.values()
        ),
        "curves": tuple(map(loss_column, named.values())),
    }
