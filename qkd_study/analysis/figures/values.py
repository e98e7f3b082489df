"""The values of figures: means with intervals by cell and arm, and the labels of axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qkd_study.analysis.figures.style import Style, styles
from qkd_study.analysis.run_tables import RunTables
from qkd_study.analysis.statistics.intervals import Interval, mean_interval, share_interval
from qkd_study.common.errors import InputError
from qkd_study.results.schema import TABLES, is_share


class NothingToDraw(InputError):
    """The tables lack the data of a figure."""


class PlotInterval(NamedTuple):
    """A mean and its 95 % interval; nan where there is none."""

    mid: float
    low: float
    high: float


PlotIntervals = Mapping[tuple[str, str], PlotInterval]
"""By cell and arm."""

_WORDS = {
    "val": "validation",
    "nll": "negative log-likelihood",
    "ece": "expected calibration error",
    "f1": "F1",
    "peak_rss_mb": "peak memory",
    "cross_entropy": "cross-entropy",
    "samples": "training samples K",
    "teacher_samples": "teacher samples M",
    "transfer_samples": "transfer samples T",
    "scale_cross_entropy": "scale of cross-entropy",
    "seconds_train": "time to train a student",
    "seconds_teacher": "time to train a teacher",
    "seconds_total": "time of a run",
    "parameters": "trainable parameters",
}
_UNITS = {column.name: column.unit for table in TABLES.values() for column in table}
#: Already exponents of the cost: a doubling is one more.
_EXPONENTS = frozenset({"qubits", "teacher_qubits"})


def name_of(column: str) -> str:
    """The name of a column or parameter, for labels."""
    bare = column.split(".", 1)[-1]
    if bare in _WORDS:
        return _WORDS[bare]
    return " ".join(filter(None, (_WORDS.get(word, word) for word in bare.split("_"))))


def scale_of(column: str) -> float:
    """The factor of a column in figures: shares are shown in per cent."""
    return 100.0 if is_share(column) else 1.0


def axis_of(column: str) -> str:
    """The label of an axis, with the unit."""
    unit = {"share": "%"}.get(_UNITS.get(column, ""), _UNITS.get(column, ""))
    return f"{name_of(column)} ({unit})" if unit else name_of(column)


def looks_of(results: RunTables) -> dict[str, Style]:
    """The style of every arm of a run."""
    return styles(results.declaration["arms"])


def interval(values: ArrayLike, column: str) -> PlotInterval:
    """The mean of a column's values, in the unit it is drawn in, with its interval.

    For shares that of `share_interval`, which stays between 0 and 100 %, else Student's.
    """
    array = np.asarray(values, dtype=float)
    finite = array[np.isfinite(array)]
    return _scaled(share_interval(finite) if is_share(column) else mean_interval(finite), column)


def _scaled(found: Interval, column: str) -> PlotInterval:
    scale = scale_of(column)
    return PlotInterval(scale * found.mean, scale * found.low, scale * found.high)


def scores(results: RunTables, metric: str) -> dict[tuple[str, str], PlotInterval]:
    """A metric of the confirmed configurations, in the unit it is drawn in.

    Raises:
        NothingToDraw: no confirm run has the metric.
    """
    rows = results.confirmed
    if metric not in rows or rows.empty or not rows[metric].notna().any():
        raise NothingToDraw(f"no confirm run of {results.name} has {metric}.")
    wide = results.scores(metric)
    return _present(
        {
            (str(cell), arm): interval(group[arm], metric)
            for cell, group in wide.groupby(level="cell")
            for arm in results.arms
        }
    )


def gains(results: RunTables) -> dict[tuple[str, str], PlotInterval]:
    """Test accuracy minus the baseline's, paired by replicate, in percentage points.

    Intervals are Student's, cut where no difference can be.

    Raises:
        NothingToDraw: there is no baseline, or nothing to compare with it.
    """
    base = results.baseline
    rows = results.confirmed
    if base is None or rows.empty or not rows["metric.test_accuracy"].notna().any():
        raise NothingToDraw(f"{results.name} has no confirm runs to compare with a baseline.")
    found = {}
    for cell, group in results.scores().groupby(level="cell"):
        for arm in (name for name in results.arms if name != base):
            both = group[[arm, base]].dropna()
            around = mean_interval(both[arm] - both[base], most=1.0)
            found[str(cell), arm] = _scaled(around, "metric.test_accuracy")
    if not (found := _present(found)):
        raise NothingToDraw(f"{results.name} has no replicates of both an arm and the baseline.")
    return found


def titled(fixed: Mapping[str, Any]) -> str:
    """Factor values as text that can be broken between them."""
    gap = "\u00a0"
    return ", ".join(f"{name_of(k)} = {v}".replace(" ", gap) for k, v in fixed.items())


def slices(results: RunTables, factor: str) -> list[tuple[str, list[tuple[Any, str]]]]:
    """The cells along a factor: for each combination of the others, values and cells.

    Raises:
        InputError: it is no factor of the run.
    """
    return [(titled(fixed), along) for fixed, along in results.along(factor)]


def numeric(values: list[Any]) -> bool:
    """Whether a factor's values are numbers."""
    return all(isinstance(value, int | float) for value in values)


def doubling(name: str, values: list[Any]) -> bool:
    """Whether an axis of a parameter is logarithmic: amounts that span a factor of 4 or more."""
    return name not in _EXPONENTS and min(values) > 0 and max(values) >= 4 * min(values)


def _present(found: dict[tuple[str, str], PlotInterval]) -> dict[tuple[str, str], PlotInterval]:
    return {key: value for key, value in found.items() if np.isfinite(value.mid)}
