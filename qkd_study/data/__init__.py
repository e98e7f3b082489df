"""Datasets, and the draws of replicates from them."""

from qkd_study.data.dataset import Data, Dataset, Datasets
from qkd_study.data.datasets import (
    SOURCES,
    choose,
    fetch_all,
    load,
    name_of,
    source,
    terminal_progress,
)
from qkd_study.data.declared import Arrays, DataFile, DataSource, Subset, whole, within
from qkd_study.data.draw import Draw, check_draw, draw, noisy_labels
from qkd_study.data.evolved_states import EvolvedStates
from qkd_study.data.ground_states import GroundStates

__all__ = [
    "SOURCES",
    "Arrays",
    "Data",
    "DataFile",
    "DataSource",
    "Dataset",
    "Datasets",
    "Draw",
    "EvolvedStates",
    "GroundStates",
    "Subset",
    "check_draw",
    "choose",
    "draw",
    "fetch_all",
    "load",
    "name_of",
    "noisy_labels",
    "source",
    "terminal_progress",
    "whole",
    "within",
]
