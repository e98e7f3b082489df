"""The tables of a run, its folder, and its copy in an object store."""

from qkd_study.results.column import Column
from qkd_study.results.compact import compact_tables, finish_compaction
from qkd_study.results.description import describe
from qkd_study.results.folder import (
    RunFolder,
    changed_files,
    new_run,
    runs_of,
    same_run,
    write_manifest,
)
from qkd_study.results.journal import RunJournal
from qkd_study.results.locations import ResultsLocation, fetch_run, fetch_weights, find_run
from qkd_study.results.object_store import is_address
from qkd_study.results.reading import (
    BrokenFile,
    VanishedFile,
    files_of,
    predictions_of_run,
    read_once,
    read_table,
    retry_read,
)
from qkd_study.results.reasons import Reason, failed_share, reason_key, reasons
from qkd_study.results.rows import Record, Row, finished, mean_score, score, without_result
from qkd_study.results.schema import (
    RUNS,
    TABLES,
    is_share,
    largest_difference,
    schema,
)
from qkd_study.results.tables import (
    drop_retryable,
    may_be_retried,
    start_tables,
    write_records,
)

__all__ = [
    "RUNS",
    "TABLES",
    "BrokenFile",
    "Column",
    "Reason",
    "Record",
    "ResultsLocation",
    "Row",
    "RunFolder",
    "RunJournal",
    "VanishedFile",
    "changed_files",
    "compact_tables",
    "describe",
    "drop_retryable",
    "failed_share",
    "fetch_run",
    "fetch_weights",
    "files_of",
    "find_run",
    "finish_compaction",
    "finished",
    "is_address",
    "is_share",
    "largest_difference",
    "may_be_retried",
    "mean_score",
    "new_run",
    "predictions_of_run",
    "read_once",
    "read_table",
    "reason_key",
    "reasons",
    "retry_read",
    "runs_of",
    "same_run",
    "schema",
    "score",
    "start_tables",
    "without_result",
    "write_manifest",
    "write_records",
]
