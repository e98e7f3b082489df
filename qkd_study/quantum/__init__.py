"""Exact simulation of quantum circuits on batches of states, with gradients."""

from qkd_study.quantum._filters import pauli_expectations
from qkd_study.quantum.ansatze import (
    arbitrary_unitary,
    brickwork,
    brickwork_minimal,
    data_reuploading,
    hardware_efficient,
    hardware_efficient_minimal,
    quanvolution_filter,
    random_layers,
    reuploading,
    strongly_entangling,
    strongly_entangling_minimal,
    without_entanglers,
)
from qkd_study.quantum.circuit import Circuit, Gate
from qkd_study.quantum.density import LARGEST_NOISY, NoisyCircuit, noisy_bytes
from qkd_study.quantum.drawing import drawn
from qkd_study.quantum.effective import effective_parameters
from qkd_study.quantum.embeddings import amplitude_embedding, angle_embedding, basis_embedding
from qkd_study.quantum.execution import CircuitExecution
from qkd_study.quantum.executions import CircuitExecutions
from qkd_study.quantum.mitigation import Mitigation, nearest_probabilities
from qkd_study.quantum.noise import CircuitNoise, PairNoise, QubitNoise
from qkd_study.quantum.parameter_shift import parameter_shift, spsa
from qkd_study.quantum.plans import ExecutionPlan
from qkd_study.quantum.qcnn import qcnn
from qkd_study.quantum.quanvolution import Quanvolution, form_sides, image_patches
from qkd_study.quantum.readouts import class_groups, mean_z, z_values
from qkd_study.quantum.reuploaded import Reuploaded
from qkd_study.quantum.sampled import measured, on_angles, on_reuploaded, on_states
from qkd_study.quantum.shots import Sampler, ShotGradient
from qkd_study.quantum.simulator import Precision, Simulator
from qkd_study.quantum.snapshots import local_paulis, measure, shadow_estimates, signs

__all__ = [
    "LARGEST_NOISY",
    "Circuit",
    "CircuitExecution",
    "CircuitExecutions",
    "CircuitNoise",
    "ExecutionPlan",
    "Gate",
    "Mitigation",
    "NoisyCircuit",
    "PairNoise",
    "Precision",
    "Quanvolution",
    "QubitNoise",
    "Reuploaded",
    "Sampler",
    "ShotGradient",
    "Simulator",
    "amplitude_embedding",
    "angle_embedding",
    "arbitrary_unitary",
    "basis_embedding",
    "brickwork",
    "brickwork_minimal",
    "class_groups",
    "data_reuploading",
    "drawn",
    "effective_parameters",
    "form_sides",
    "hardware_efficient",
    "hardware_efficient_minimal",
    "image_patches",
    "local_paulis",
    "mean_z",
    "measure",
    "measured",
    "nearest_probabilities",
    "noisy_bytes",
    "on_angles",
    "on_reuploaded",
    "on_states",
    "parameter_shift",
    "pauli_expectations",
    "qcnn",
    "quanvolution_filter",
    "random_layers",
    "reuploading",
    "shadow_estimates",
    "signs",
    "spsa",
    "strongly_entangling",
    "strongly_entangling_minimal",
    "without_entanglers",
    "z_values",
]
