"""Analysis of searches: importance of parameters, best configurations, cost, convergence."""

from qkd_study.analysis.search_analysis.best import best_configurations, is_at_edge
from qkd_study.analysis.search_analysis.configurations import (
    CELL_ARM,
    DeclaredRanges,
    configurations,
)
from qkd_study.analysis.search_analysis.expected_best import (
    expected_best,
    expected_maximum,
    levelling,
)
from qkd_study.analysis.search_analysis.importance import ALL_CELLS, parameter_importance
from qkd_study.analysis.search_analysis.pareto import confirmed_front, pareto_front, pareto_table
from qkd_study.analysis.search_analysis.progress import convergence, search_budget

__all__ = [
    "ALL_CELLS",
    "CELL_ARM",
    "DeclaredRanges",
    "best_configurations",
    "configurations",
    "confirmed_front",
    "convergence",
    "expected_best",
    "expected_maximum",
    "is_at_edge",
    "levelling",
    "parameter_importance",
    "pareto_front",
    "pareto_table",
    "search_budget",
]
