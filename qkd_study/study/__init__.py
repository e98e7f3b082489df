"""Declaring a question, and checking the declaration."""

from qkd_study.study.arms import ARMS, Arm
from qkd_study.study.config import PARAMETERS, Config, Parameter
from qkd_study.study.settings import QuantumToClassical, Setting
from qkd_study.study.space import Choice, Float, Int, LogFloat, Range
from qkd_study.study.study import FIRST_CONFIRM_REPLICATE, Cell, Replicates, Study

__all__ = [
    "ARMS",
    "FIRST_CONFIRM_REPLICATE",
    "PARAMETERS",
    "Arm",
    "Cell",
    "Choice",
    "Config",
    "Float",
    "Int",
    "LogFloat",
    "Parameter",
    "QuantumToClassical",
    "Range",
    "Replicates",
    "Setting",
    "Study",
]
