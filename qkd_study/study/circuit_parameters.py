"""The parameters of circuits: the one record of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qkd_study.study.parameters import parameter_field
from qkd_study.study.reductions import REDUCTIONS

#: Trainable gates of circuits; `qkd_study.models` makes them.
ANSATZE = (
    *("hardware-efficient", "hardware-efficient-chain", "hardware-efficient-minimal"),
    *("strongly-entangling", "strongly-entangling-minimal"),
    *("brickwork", "brickwork-minimal", "arbitrary", "random"),
)
NOISE_PLACES = ("test", "training+test")
MITIGATIONS = ("none", "readout", "zne", "readout+zne")
EMBEDDINGS = ("auto", "angle", "amplitude", "basis")


@dataclass(frozen=True, kw_only=True)
class CircuitParameters:
    """The fields of `Config` that circuits read."""

    ansatz: str | None = parameter_field(
        "hardware-efficient",
        "trainable gates of a circuit; quanvolutions have their own",
        choices=ANSATZE,
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    reduction: str | None = parameter_field(
        "none",
        "how a sample's inputs become as many features as the circuit takes; linear is trained",
        choices=REDUCTIONS,
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    features: int | None = parameter_field(
        0,
        "features that a reduction returns; 0: as many as the embedding takes",
        low=0,
        role="circuit",
        decides_fit=True,
    )
    embedding: str | None = parameter_field(
        "auto",
        "how features enter the circuit; auto: in quanvolutions angle where pixels have a qubit "
        "each, else amplitude",
        choices=EMBEDDINGS,
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    angle_range: float | None = parameter_field(
        math.pi / 2,
        "rotation angle of a feature of value 1 under angle embedding, in radians",
        above=0,
        high=2 * math.pi,
        role="circuit",
        unit="radians",
        only_with=("embedding", ("angle", "auto")),  # auto: of a model that resolves it itself
    )
    qubits: int | None = parameter_field(
        4,
        "qubits of the circuit: the student's if it is quantum, else the teacher's",
        low=1,
        high=64,
        role="circuit",
        cost="a wider circuit has more parameters and costs twice the time per qubit",
        decides_fit=True,
        changes_time=True,
    )
    depth: int | None = parameter_field(
        1,
        "repetitions of the circuit's trainable block; of the student's if it is quantum",
        low=1,
        role="circuit",
        cost="a deeper circuit has more parameters and costs time",
        decides_fit=True,
        changes_time=True,
    )
    noise_scale: float | None = parameter_field(
        1.0,
        "what the declared noise of a circuit is multiplied with; 0: exact",
        low=0,
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    noise_in: str | None = parameter_field(
        "training+test",
        "where noise acts; test: on validation and test samples, and on what a teacher answers",
        choices=NOISE_PLACES,
        role="circuit",
        changes_time=True,
    )
    mitigation: str | None = parameter_field(
        "none",
        "how noise is mitigated where it acts but in training; zne: zero-noise extrapolation",
        choices=MITIGATIONS,
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    device: str | None = parameter_field(
        "lightning.qubit",
        "PennyLane device that runs the circuits",
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    precision: str | None = parameter_field(
        "complex128",
        "precision of the circuit's amplitudes",
        choices=("complex128", "complex64"),
        role="circuit",
        changes_time=True,
    )
    plan: str | None = parameter_field(
        "auto",
        "how a batch runs on the device, but in quanvolutions; auto: by a fixed rule",
        choices=("auto", "register", "matrix", "plain"),
        role="circuit",
        changes_time=True,
    )
    shots: int | None = parameter_field(
        None,
        "how often a student's circuit is measured for one sample in training; left out: exact "
        "values and gradients",
        low=1,
        role="circuit",
        optional=True,
        cost="every shot is one more measurement",
        changes_time=True,
    )
    test_shots: int | None = parameter_field(
        None,
        "the same for validation and test; left out: exact values",
        low=1,
        role="circuit",
        optional=True,
        cost="every shot is one more measurement",
        changes_time=True,
    )
    gradient: str | None = parameter_field(
        "parameter-shift",
        "how gradients are estimated from shots; without shots they are exact",
        choices=("parameter-shift", "spsa"),
        role="circuit",
        changes_time=True,
    )
