"""Statistics, claims, scaling laws, figures and reports, computed from the tables alone."""

from qkd_study.analysis.claims.contrasts import Contrast
from qkd_study.analysis.claims.evaluate import ClaimResult, Control, judge
from qkd_study.analysis.results import Results, load
from qkd_study.analysis.statistics.intervals import Interval, mean_interval, share_interval
from qkd_study.analysis.summary import Line, best_trials, confirmed, summarise

__all__ = [
    "ClaimResult",
    "Contrast",
    "Control",
    "Interval",
    "Line",
    "Results",
    "best_trials",
    "confirmed",
    "judge",
    "load",
    "mean_interval",
    "share_interval",
    "summarise",
]
