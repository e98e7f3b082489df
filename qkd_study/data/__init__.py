"""Datasets, and the draws that a replicate makes from them."""

from qkd_study.data.dataset import Dataset
from qkd_study.data.datasets import SOURCES, choose, load, source, terminal_progress
from qkd_study.data.draw import Draw, check_draw, draw

__all__ = [
    "SOURCES",
    "Dataset",
    "Draw",
    "check_draw",
    "choose",
    "draw",
    "load",
    "source",
    "terminal_progress",
]
