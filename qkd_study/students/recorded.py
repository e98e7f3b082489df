"""Ansatze of a study's own as data: the circuits that they gave, in place of their functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, is_dataclass, replace
from typing import Any

from qkd_study.common.errors import InputError
from qkd_study.models import Model, build_model
from qkd_study.models.circuits import QuantumModel
from qkd_study.models.reuploading import ReuploadingModel
from qkd_study.quantum import Circuit
from qkd_study.quantum.circuit import Gate
from qkd_study.study.circuits import OneCircuit
from qkd_study.study.models import ModelSpec, Shape

#: What the JSON values of a recorded ansatz say that they are.
KIND = "RecordedAnsatz"


@dataclass(frozen=True)
class RecordedAnsatz:
    """The circuit of an ansatz, in place of the function that gave it.

    Attributes:
        circuit: for the qubits and the depth of one configuration; of data re-uploading, a layer.
    """

    circuit: Circuit

    def __call__(self, qubits: int, depth: int) -> Circuit:
        """The circuit; it is that of these qubits and this depth, or the model refuses it."""
        return self.circuit

    def described(self) -> dict[str, Any]:
        """As JSON values: each gate has the values of `Gate`, in order."""
        gates = [list(astuple(gate)) for gate in self.circuit.gates]
        return {"kind": KIND, "qubits": self.circuit.qubits, "gates": gates}

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> RecordedAnsatz:
        """The ansatz that `described` gave.

        Raises:
            InputError: the values are no circuit.
        """
        try:
            gates = tuple(map(_gate, values["gates"]))
            return cls(Circuit(int(values["qubits"]), gates))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the recorded ansatz is damaged: {type(error).__name__} {error}."
            ) from None


def _gate(values: Any) -> Gate:
    name, wires, parameter, angle, feature, factor = values
    return Gate(
        str(name),
        tuple(map(int, wires)),
        None if parameter is None else int(parameter),
        None if angle is None else float(angle),
        None if feature is None else int(feature),
        float(factor),
    )


def recorded(of: ModelSpec, config: Any, shape: Shape, classes: int, seed: int) -> ModelSpec:
    """A declared model with the circuits of its own ansatze in place of their functions.

    Args:
        of: the declaration.
        config: its parameters.
        shape: of a sample.
        classes: how many.
        seed: of the initial weights, with which a function may draw a circuit.
    """
    if not is_dataclass(of):
        return of
    changes: dict[str, Any] = {}
    for field in fields(of):
        value = getattr(of, field.name)
        if isinstance(value, ModelSpec):
            changes[field.name] = recorded(value, config, shape, classes, seed)
    if isinstance(of, OneCircuit) and of.ansatz is not None:
        model = build_model(of, config, shape, classes, seed=seed)
        changes["ansatz"] = RecordedAnsatz(circuits_of(model)[0])
    return replace(of, **changes) if changes else of


def circuits_of(model: Model) -> list[Circuit]:
    """The circuits of a model's parts, in order; of data re-uploading, the layers."""
    found: list[Circuit] = []
    for part in model.modules():
        if isinstance(part, ReuploadingModel):
            found += part.reuploaded.layers
        elif isinstance(part, QuantumModel):
            found.append(part.circuit)
    return found
