"""How many copies of states a model consumes."""

from __future__ import annotations

from qkd_study.study.config import Config
from qkd_study.study.models import ModelSpec
from qkd_study.study.snapshots import SNAPSHOTS, Snapshots


def copies(model: ModelSpec, config: Config, states: int) -> int | None:
    """The copies that a model of snapshots measures of so many states; `None` of another model."""
    if not isinstance(model, Snapshots):
        return None
    return states * int(vars(config)[SNAPSHOTS.name])
