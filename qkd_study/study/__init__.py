"""Declarations of studies, and their checks; imports no torch."""

from qkd_study.study.ansatze import PennyLaneAnsatz
from qkd_study.study.arms import ARMS, Arm
from qkd_study.study.circuits import FullyQuantum, HybridCircuit, HybridImage, Quanvolution
from qkd_study.study.claims import Claim
from qkd_study.study.config import PARAMETERS, Config
from qkd_study.study.controls import (
    FourierFeatures,
    PatchPolynomial,
    Polynomial,
)
from qkd_study.study.external import CachedTeacher, ExternalTeacher, FrozenTeacher
from qkd_study.study.matched import EffectiveMlp, MatchedConvolution, MatchedMlp
from qkd_study.study.models import (
    AlexNet,
    ConvNet,
    Convolution,
    Ensemble,
    LeNet,
    Mlp,
    ModelSpec,
    Own,
)
from qkd_study.study.noise import Noise
from qkd_study.study.own_ansatz import OwnAnsatz
from qkd_study.study.own_terms import OwnTerm
from qkd_study.study.parameters import Parameter
from qkd_study.study.qnodes import PennyLaneModel
from qkd_study.study.replicates import FIRST_CONFIRM_REPLICATE, Replicates
from qkd_study.study.reuploading import ReuploadingCircuit
from qkd_study.study.setting import Setting
from qkd_study.study.settings import (
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    QuantumToClassical,
    QuantumToQuantum,
    SelfDistillation,
)
from qkd_study.study.snapshots import Snapshots
from qkd_study.study.space import Choice, Float, Int, LogFloat, Range
from qkd_study.study.state_circuits import StateCircuit
from qkd_study.study.study import Cell, Study

__all__ = [
    "ARMS",
    "FIRST_CONFIRM_REPLICATE",
    "PARAMETERS",
    "AlexNet",
    "Arm",
    "CachedTeacher",
    "Cell",
    "Choice",
    "Claim",
    "ClassicalToClassical",
    "ClassicalToHybrid",
    "ClassicalToQuantum",
    "Config",
    "ConvNet",
    "Convolution",
    "EffectiveMlp",
    "Ensemble",
    "ExternalTeacher",
    "Float",
    "FourierFeatures",
    "FrozenTeacher",
    "FullyQuantum",
    "HybridCircuit",
    "HybridImage",
    "Int",
    "LeNet",
    "LogFloat",
    "MatchedConvolution",
    "MatchedMlp",
    "Mlp",
    "ModelSpec",
    "Noise",
    "Own",
    "OwnAnsatz",
    "OwnTerm",
    "Parameter",
    "PatchPolynomial",
    "PennyLaneAnsatz",
    "PennyLaneModel",
    "Polynomial",
    "QuantumToClassical",
    "QuantumToQuantum",
    "Quanvolution",
    "Range",
    "Replicates",
    "ReuploadingCircuit",
    "SelfDistillation",
    "Setting",
    "Snapshots",
    "StateCircuit",
    "Study",
]
