"""qkd-study: hyperparameter and scaling studies of quantum knowledge distillation."""

from qkd_study.errors import InputError, StudyWarning
from qkd_study.study import (
    ARMS,
    PARAMETERS,
    Arm,
    Choice,
    Float,
    Int,
    LogFloat,
    QuantumToClassical,
    Replicates,
    Study,
)

__version__ = "0.1.0"

__all__ = [
    "ARMS",
    "PARAMETERS",
    "Arm",
    "Choice",
    "Float",
    "InputError",
    "Int",
    "LogFloat",
    "QuantumToClassical",
    "Replicates",
    "Study",
    "StudyWarning",
    "__version__",
]
