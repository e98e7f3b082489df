"""qkd-study: hyperparameter and scaling studies of quantum knowledge distillation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qkd_study.analysis import Results, load
    from qkd_study.cli.from_python import plan, run
    from qkd_study.common.errors import InputError, StudyWarning
    from qkd_study.data import Arrays, DataFile, EvolvedStates, GroundStates, Subset
    from qkd_study.students import Student, load_student
    from qkd_study.study import (
        ARMS,
        PARAMETERS,
        AlexNet,
        Arm,
        CachedTeacher,
        Choice,
        Claim,
        ClassicalToClassical,
        ClassicalToHybrid,
        ClassicalToQuantum,
        ConvNet,
        Convolution,
        Ensemble,
        Float,
        FrozenTeacher,
        FullyQuantum,
        HybridCircuit,
        HybridImage,
        Int,
        LeNet,
        LogFloat,
        Mlp,
        Noise,
        Own,
        OwnAnsatz,
        OwnTerm,
        Parameter,
        PennyLaneAnsatz,
        PennyLaneModel,
        QuantumToClassical,
        QuantumToQuantum,
        Quanvolution,
        Replicates,
        ReuploadingCircuit,
        SelfDistillation,
        Snapshots,
        StateCircuit,
        Study,
    )

__version__ = "0.2.0"

__all__ = [
    "ARMS",
    "PARAMETERS",
    "AlexNet",
    "Arm",
    "Arrays",
    "CachedTeacher",
    "Choice",
    "Claim",
    "ClassicalToClassical",
    "ClassicalToHybrid",
    "ClassicalToQuantum",
    "ConvNet",
    "Convolution",
    "DataFile",
    "Ensemble",
    "EvolvedStates",
    "Float",
    "FrozenTeacher",
    "FullyQuantum",
    "GroundStates",
    "HybridCircuit",
    "HybridImage",
    "InputError",
    "Int",
    "LeNet",
    "LogFloat",
    "Mlp",
    "Noise",
    "Own",
    "OwnAnsatz",
    "OwnTerm",
    "Parameter",
    "PennyLaneAnsatz",
    "PennyLaneModel",
    "QuantumToClassical",
    "QuantumToQuantum",
    "Quanvolution",
    "Replicates",
    "Results",
    "ReuploadingCircuit",
    "SelfDistillation",
    "Snapshots",
    "StateCircuit",
    "Student",
    "Study",
    "StudyWarning",
    "Subset",
    "__version__",
    "load",
    "load_student",
    "plan",
    "run",
]

_HOMES = {
    **dict.fromkeys(
        ("Arrays", "DataFile", "EvolvedStates", "GroundStates", "Subset"), "qkd_study.data"
    ),
    **dict.fromkeys(("Results", "load"), "qkd_study.analysis"),
    **dict.fromkeys(("plan", "run"), "qkd_study.cli.from_python"),
    **dict.fromkeys(("Student", "load_student"), "qkd_study.students"),
    **dict.fromkeys(("InputError", "StudyWarning"), "qkd_study.common.errors"),
}


def __getattr__(name: str) -> object:
    # Looked up when first used, so that `qkd-study --help` need not import numpy.
    if name not in __all__:
        raise AttributeError(f"module 'qkd_study' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "qkd_study.study")), name)
