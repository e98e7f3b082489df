"""The differences of both sides of a contrast, and their mean over replicates and test items."""

from __future__ import annotations

import numpy as np

from qkd_study.analysis.claims.sides import Frame, PairedScores
from qkd_study.analysis.statistics import (
    CrossedDifference,
    ItemVariance,
    crossed_difference,
    item_variance,
)
from qkd_study.analysis.statistics.samples import Reals, rounded_differences
from qkd_study.analysis.summary import by_unit


def differences_of(scores: PairedScores, frame: Frame) -> Reals:
    """(pairs,): better minus than, of one of the frames of the scores."""
    pair = scores.units(frame)
    return rounded_differences(
        pair["better"].to_numpy(dtype=np.float64), pair["than"].to_numpy(dtype=np.float64)
    )


def known_and_ends(scores: PairedScores) -> tuple[Reals, Reals, Reals]:
    """The differences without failed runs, and with them at their lowest and highest."""
    return (
        differences_of(scores, scores.complete),
        differences_of(scores, scores.lowest),
        differences_of(scores, scores.highest),
    )


def variance_of_items(scores: PairedScores) -> ItemVariance | None:
    """The variance that is due to the test items, if every pair has predictions."""
    pair = scores.complete.dropna()
    frames = [] if scores.items is None else list(scores.items.values())
    if not frames or not all(pair.index.isin(frame.index).all() for frame in frames):
        return None
    units = [by_unit(frame.loc[pair.index], scores.searches) for frame in frames]
    return item_variance([frame.to_numpy() for frame in units])


def over_both(scores: PairedScores, confidence: float = 0.95) -> CrossedDifference | None:
    """The difference over replicates and test items, if every pair has predictions."""
    items = variance_of_items(scores)
    if items is None:
        return None
    values = differences_of(scores, scores.complete)
    return crossed_difference(values, items, confidence=confidence, most=1.0)
