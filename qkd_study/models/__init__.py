"""Torch models: students and teachers, built from declarations."""

from qkd_study.common.randomness import seeded, seeded_where_drawn
from qkd_study.models.activations import seed_dropout
from qkd_study.models.ansatze import build_ansatz
from qkd_study.models.build import BUILDERS, build_model, effective_widths
from qkd_study.models.circuits import (
    SMALLEST,
    CircuitModel,
    FullyQuantumModel,
    HybridImageModel,
    HybridModel,
)
from qkd_study.models.classical import MLP, AlexNet, ConvNet, LeNet5
from qkd_study.models.convolution import ConvolutionStudent, PatchNetwork, QuanvolutionTeacher
from qkd_study.models.effective import effective_size
from qkd_study.models.ensemble import EnsembleModel
from qkd_study.models.measurement import Measurement, Shots, seed_shots, shots_of
from qkd_study.models.outputs import Model, Outputs, count_parameters, predict
from qkd_study.models.products import ExpandedMLP, PatchPolynomialModel, products
from qkd_study.models.reductions import Reduction, make_reduction
from qkd_study.models.state_circuits import StateModel, reduced_states

__all__ = [
    "BUILDERS",
    "MLP",
    "SMALLEST",
    "AlexNet",
    "CircuitModel",
    "ConvNet",
    "ConvolutionStudent",
    "EnsembleModel",
    "ExpandedMLP",
    "FullyQuantumModel",
    "HybridImageModel",
    "HybridModel",
    "LeNet5",
    "Measurement",
    "Model",
    "Outputs",
    "PatchNetwork",
    "PatchPolynomialModel",
    "QuanvolutionTeacher",
    "Reduction",
    "Shots",
    "StateModel",
    "build_ansatz",
    "build_model",
    "count_parameters",
    "effective_size",
    "effective_widths",
    "make_reduction",
    "predict",
    "products",
    "reduced_states",
    "seed_dropout",
    "seed_shots",
    "seeded",
    "seeded_where_drawn",
    "shots_of",
]
