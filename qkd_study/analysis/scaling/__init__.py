"""Scaling laws: test error against training samples, cost against qubits, depth and samples."""

from qkd_study.analysis.scaling.cost_law import CostLaw, fit_cost
from qkd_study.analysis.scaling.error_law import PowerLaw, fit_error
from qkd_study.analysis.scaling.estimates import Estimate, Floats, Prediction

__all__ = [
    "CostLaw",
    "Estimate",
    "Floats",
    "PowerLaw",
    "Prediction",
    "fit_cost",
    "fit_error",
]
