"""The tables of a run, and the folder that holds them."""

from qkd_study.results.folder import (
    RunFolder,
    changed_files,
    new_run,
    runs_of,
    same_run,
    write_about,
)
from qkd_study.results.pack import finish_packing, pack
from qkd_study.results.pending import Pending
from qkd_study.results.places import Place, brought, find_run
from qkd_study.results.reasons import Reason, alike, failed_share, reasons
from qkd_study.results.rows import Record, Row, finished, mean_score, score, without_result
from qkd_study.results.schema import (
    RUNS,
    TABLES,
    Column,
    describe,
    is_share,
    largest_difference,
    schema,
)
from qkd_study.results.store import is_address
from qkd_study.results.tables import (
    BrokenFile,
    VanishedFile,
    files_of,
    forget_failed,
    may_be_retried,
    read_once,
    read_table,
    start_tables,
    unhindered,
    write_records,
)

__all__ = [
    "RUNS",
    "TABLES",
    "BrokenFile",
    "Column",
    "Pending",
    "Place",
    "Reason",
    "Record",
    "Row",
    "RunFolder",
    "VanishedFile",
    "alike",
    "brought",
    "changed_files",
    "describe",
    "failed_share",
    "files_of",
    "find_run",
    "finish_packing",
    "finished",
    "forget_failed",
    "is_address",
    "is_share",
    "largest_difference",
    "may_be_retried",
    "mean_score",
    "new_run",
    "pack",
    "read_once",
    "read_table",
    "reasons",
    "runs_of",
    "same_run",
    "schema",
    "score",
    "start_tables",
    "unhindered",
    "without_result",
    "write_about",
    "write_records",
]
