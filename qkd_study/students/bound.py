"""`BoundCircuit`: a student's circuit with its trained angles, as a QNode and as OpenQASM 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from qkd_study.common.errors import InputError
from qkd_study.models.circuits import embed
from qkd_study.quantum import Circuit
from qkd_study.students.qasm import Line, prepared, program

if TYPE_CHECKING:
    import pennylane as qml

Measured = Literal["expectations", "probabilities"]


@dataclass(frozen=True, eq=False)
class BoundCircuit:
    """An embedding and a circuit with numbers for its angles.

    Attributes:
        circuit: n qubits, P parameters; no features between its gates.
        theta: the trained angles in radians, float64 (P,).
        embedding: `angle`, `amplitude` or `basis`; see `qkd_study.models.circuits.embed`.
        angle_range: the rotation of a feature of value 1, in radians; angle embedding only.
        features: how many enter.
        measured: `expectations`, <Z> of each qubit, or `probabilities` of the basis states.
    """

    circuit: Circuit
    theta: NDArray[np.float64]
    embedding: str
    angle_range: float
    features: int
    measured: Measured

    def qnode(self, device: Any) -> qml.QNode:
        """A PennyLane QNode from features to what is measured.

        It takes features (f,) or (batch, f), and returns n expectations, each of () or (batch,), or
        probabilities (2^n,) or (batch, 2^n).

        Args:
            device: a PennyLane device, or the name of one; see `Student.to_qnode`.

        Raises:
            InputError: PennyLane has no such device.
        """
        import pennylane as qml  # takes seconds

        qubits = self.circuit.qubits
        if isinstance(device, str):
            try:
                device = qml.device(device, wires=qubits)
            except (qml.exceptions.DeviceError, ImportError, TypeError) as error:
                raise InputError(
                    f"device={device!r}: PennyLane cannot make it for {qubits} wires: {error}. "
                    f"Give the name of an installed one, such as 'default.qubit' or "
                    f"'lightning.qubit', or a device object."
                ) from None
        operators = self.circuit.operators(self.theta)

        def student(features: Any) -> Any:
            self._embed(features)
            for operator in operators:
                qml.apply(operator)
            if self.measured == "probabilities":
                return qml.probs(wires=range(qubits))
            return [qml.expval(qml.PauliZ(wire)) for wire in range(qubits)]

        return qml.QNode(student, device)

    def _embed(self, features: Any) -> None:
        """Queue the gates that embed features (f,) or (batch, f)."""
        import pennylane as qml

        wires = range(self.circuit.qubits)
        if np.shape(features)[-1:] != (self.features,):
            raise InputError(
                f"the circuit takes features of shape ({self.features},) or (batch, "
                f"{self.features}), but got {np.shape(features)}. student.features(samples) "
                f"computes them."
            )
        match self.embedding:
            case "angle":
                angles = qml.math.asarray(features) * self.angle_range
                qml.AngleEmbedding(angles, wires=wires[: self.features], rotation="Y")
            case "basis":  # RY(pi) makes |0> exactly |1>, and takes a batch
                bits = qml.math.cast(qml.math.asarray(features) > 0.5, "float64")
                qml.AngleEmbedding(np.pi * bits, wires=wires, rotation="Y")
            case _:
                qml.StatePrep(self.state(features), wires=wires)

    def state(self, features: Any) -> NDArray[np.float64]:
        """The embedded state of features (f,) or (batch, f), real (2^n,) or (batch, 2^n)."""
        values = torch.as_tensor(np.asarray(features, dtype=np.float64))
        states = embed(values, self.circuit.qubits, self.embedding, self.angle_range)
        array: NDArray[np.float64] = states.numpy()
        return array

    def qasm(self, features: Sequence[float] | None) -> str:
        """OpenQASM 3: the features of one sample (f,) as numbers, or as inputs of the program.

        Raises:
            InputError: without features, for another embedding than `angle`; or of another shape.
        """
        if features is None:
            if self.embedding != "angle":
                raise InputError(
                    f"{self.embedding} embedding prepares a state that differs from sample to "
                    f"sample in its gates: give one sample, as in to_qasm(x[0])."
                )
            names = [f"x{number}" for number in range(self.features)]
            gates = [
                Line("ry", (wire,), f"{self.angle_range!r} * {name}")
                for wire, name in enumerate(names)
            ]
            return program(self.circuit, self.theta.tolist(), gates, names)
        if np.shape(features) != (self.features,):
            raise InputError(
                f"to_qasm takes one sample, of {self.features} features, but they have the shape "
                f"{np.shape(features)}."
            )
        return program(self.circuit, self.theta.tolist(), self._lines(features))

    def _lines(self, features: Sequence[float]) -> list[Line]:
        """The gates that embed the features of one sample (f,)."""
        match self.embedding:
            case "angle":
                return [
                    Line("ry", (wire,), repr(self.angle_range * float(value)))
                    for wire, value in enumerate(features)
                ]
            case "basis":
                ones = [wire for wire, value in enumerate(features) if value > 0.5]
                return [Line("x", (wire,)) for wire in ones]
        return prepared(self.state(features).tolist(), self.circuit.qubits)
