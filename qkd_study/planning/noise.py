"""Checks of models with noise, before anything trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import psutil

from qkd_study.common.errors import InputError
from qkd_study.data import Dataset
from qkd_study.distill.teacher_spec import BATCH_SIZE
from qkd_study.models import CircuitModel, build_model
from qkd_study.quantum import noisy_bytes
from qkd_study.study.models import ModelSpec
from qkd_study.study.own_parameters import config_kind


def check_noisy_model(
    model: ModelSpec, values: Mapping[str, Any], dataset: Dataset, *, teaches: bool
) -> None:
    """Build a model with noise, and check the memory of its training.

    Args:
        model: its declaration.
        values: its parameters by name, with `embedding` resolved.
        dataset: that it is trained on.
        teaches: whether it is a teacher.

    Raises:
        InputError: the device does not couple a pair that the circuit couples, or the density
            matrices of a batch do not fit into memory.
    """
    kind = config_kind(model.declares)
    names = {one.name for one in fields(kind)} - {"seed"}
    config = kind(**{name: values[name] for name in names}, seed=0)
    built = build_model(model, config, dataset.shape, dataset.classes, seed=0)
    assert isinstance(built, CircuitModel)
    qubits, batch = built.circuit.qubits, BATCH_SIZE if teaches else values["batch_size"]
    gates = len(built.circuit.gates) if values["noise_in"] == "training+test" else 0
    needed, there = noisy_bytes(qubits, gates, batch), int(psutil.virtual_memory().total)
    if needed > there:
        raise InputError(
            f"noise on qubits={qubits} needs {needed:,} bytes for the density matrices of "
            f"{batch} samples after each of {gates} gates, but this machine has {there:,}. Take "
            f"fewer qubits, a smaller depth or batch_size, or noise_in='test'."
        )
