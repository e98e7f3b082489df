"""Analysis of searches: importance of parameters, best configurations, cost, convergence."""

from qkd_study.analysis.search_analysis.best import best_configurations, is_at_edge
from qkd_study.analysis.search_analysis.configurations import DeclaredRanges, configurations
from qkd_study.analysis.search_analysis.importance import ALL_CELLS, parameter_importance
from qkd_study.analysis.search_analysis.pareto import confirmed_front, pareto_front, pareto_table
from qkd_study.analysis.search_analysis.progress import convergence, search_budget

__all__ = [
    "ALL_CELLS",
    "DeclaredRanges",
    "best_configurations",
    "configurations",
    "confirmed_front",
    "convergence",
    "is_at_edge",
    "parameter_importance",
    "pareto_front",
    "pareto_table",
    "search_budget",
]
