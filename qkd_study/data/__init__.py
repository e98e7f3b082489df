"""Datasets, and the draws of replicates from them."""

from qkd_study.data.dataset import Dataset
from qkd_study.data.datasets import SOURCES, choose, load, name_of, source, terminal_progress
from qkd_study.data.declared import Arrays, DataFile, DataSource, Subset, whole, within
from qkd_study.data.draw import Draw, check_draw, draw, noisy_labels

__all__ = [
    "SOURCES",
    "Arrays",
    "DataFile",
    "DataSource",
    "Dataset",
    "Draw",
    "Subset",
    "check_draw",
    "choose",
    "draw",
    "load",
    "name_of",
    "noisy_labels",
    "source",
    "terminal_progress",
    "whole",
    "within",
]
