"""`Column` of a table, and the types of its values."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TEXT, INT, REAL = pa.string(), pa.int64(), pa.float64()
#: For tables with many rows per run: texts that repeat, and small integers.
REPEATED_TEXT, SMALL_INT = pa.dictionary(pa.int32(), pa.string()), pa.int32()
TIME = pa.timestamp("us", tz="UTC")
#: For values that a model of a study's own may provide as properties of `qkd_study.models.Model`.
UNKNOWN = "; null if a quantum model of the study's own does not say"


@dataclass(frozen=True)
class Column:
    """A column: its name, Arrow type, unit (empty if there is none) and meaning."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str
