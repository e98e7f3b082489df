"""Quantum circuits over whole batches, exactly, on lightning.qubit."""

from qkd_study.memory import check_memory
from qkd_study.quantum.ansatze import quanvolution_filter
from qkd_study.quantum.circuit import Circuit, Gate
from qkd_study.quantum.embeddings import amplitude_embedding, angle_embedding
from qkd_study.quantum.quanvolution import Quanvolution
from qkd_study.quantum.readouts import mean_z, z_values
from qkd_study.quantum.simulator import Simulator

__all__ = [
    "Circuit",
    "Gate",
    "Quanvolution",
    "Simulator",
    "amplitude_embedding",
    "angle_embedding",
    "check_memory",
    "mean_z",
    "quanvolution_filter",
    "z_values",
]
