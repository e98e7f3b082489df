"""Figures of a run, from its tables; needs matplotlib."""

from qkd_study.analysis.figures.by_factor import gain_by_factor, score_by_factor
from qkd_study.analysis.figures.files import png, save
from qkd_study.analysis.figures.forest import verdicts
from qkd_study.analysis.figures.laws import cost_scaling, error_scaling
from qkd_study.analysis.figures.layout import alt_text
from qkd_study.analysis.figures.reliability import calibration
from qkd_study.analysis.figures.report import for_report
from qkd_study.analysis.figures.searches import search_curves
from qkd_study.analysis.figures.style import Style, styles
from qkd_study.analysis.figures.tradeoff import importance, pareto
from qkd_study.analysis.figures.training import learning_curves

__all__ = [
    "Style",
    "alt_text",
    "calibration",
    "cost_scaling",
    "error_scaling",
    "for_report",
    "gain_by_factor",
    "importance",
    "learning_curves",
    "pareto",
    "png",
    "save",
    "score_by_factor",
    "search_curves",
    "styles",
    "verdicts",
]
