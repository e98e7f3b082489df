"""From tables to answers. Reads nothing but the tables."""

from qkd_study.analysis.paired import Interval, mean_interval
from qkd_study.analysis.summary import Line, best_trials, confirmed, summarise

__all__ = ["Interval", "Line", "best_trials", "confirmed", "mean_interval", "summarise"]
