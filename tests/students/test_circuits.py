"""A student's circuit in PennyLane and in OpenQASM 3, against the engine in double precision."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch
from numpy.typing import NDArray

from qkd_study import FullyQuantum, HybridCircuit, HybridImage, InputError, Mlp, Student
from qkd_study.quantum import Circuit
from qkd_study.quantum.circuit import GATES, Gate
from qkd_study.students import BoundCircuit
from qkd_study.students.qasm import NAMES, prepared
from qkd_study.study.models import ModelSpec
from tests.students.test_weights import spec_of, trained

RNG = np.random.default_rng(7)
SAMPLES = RNG.integers(0, 256, (6, 16, 16)).astype(np.uint8)

CASES: list[Any] = [
    pytest.param(model, given, id=f"{type(model).__name__}-{given['embedding']}-{given['ansatz']}")
    for model, given in [
        (FullyQuantum(scale=True), {"embedding": "angle", "ansatz": "strongly-entangling"}),
        (FullyQuantum(), {"embedding": "amplitude", "ansatz": "brickwork", "reduction": "max"}),
        (HybridCircuit(), {"embedding": "basis", "ansatz": "hardware-efficient"}),
        (HybridCircuit(), {"embedding": "angle", "ansatz": "arbitrary", "reduction": "linear"}),
        (HybridImage(channels=(2, 2)), {"embedding": "angle", "ansatz": "random"}),
    ]
]


def student_of(model: ModelSpec, given: dict[str, Any]) -> Student:
    spec = spec_of(model, **{"qubits": 3, "reduction": "average", **given})
    return Student(spec, trained(spec), b"", {})


def engine(student: Student, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is measured, by the engine in double precision: (n, 2^qubits) or (n, qubits)."""
    model: Any = student.model
    with torch.no_grad():
        states = model.embed(torch.from_numpy(features))
        assert states.dtype == torch.float64
        found = model.simulator.probabilities(model.circuit, model.theta, states)
        if not isinstance(student.spec.model, FullyQuantum):
            found = found @ model.z
    array: NDArray[np.float64] = found.numpy()
    return array


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
@pytest.mark.parametrize(("model", "given"), CASES)
def test_the_qnode_gives_the_numbers_of_the_engine(
    model: ModelSpec, given: dict[str, Any], device: str
) -> None:
    student = student_of(model, given)
    features = student.features(SAMPLES)
    expected = engine(student, features)
    qnode = student.to_qnode(device=device)
    measured = qnode(features)
    batch = np.asarray(measured) if isinstance(model, FullyQuantum) else np.stack(measured, -1)
    assert np.abs(batch - expected).max() < 1e-10
    one = np.asarray(qnode(features[2]))
    assert np.abs(one - expected[2]).max() < 1e-10
    logits = student.from_measured(measured)
    assert logits.shape == (6, 2)
    assert np.abs(logits - student.logits(SAMPLES).numpy()).max() < 2e-5  # float32 there
    assert student.from_measured(qnode(features[2])) == pytest.approx(logits[2:3], abs=1e-10)


def test_a_device_of_ones_own_and_one_that_is_none() -> None:
    student = student_of(FullyQuantum(), {"ansatz": "brickwork"})
    device = qml.device("default.mixed", wires=3)
    found = student.to_qnode(device)(student.features(SAMPLES)[0])
    assert np.abs(found - engine(student, student.features(SAMPLES)[:1])[0]).max() < 1e-10
    with pytest.raises(InputError, match=r"device='default.qbit'.*such as 'default.qubit'"):
        student.to_qnode(device="default.qbit")
    with pytest.raises(InputError, match=r"features of shape \(3,\) or .* but got \(6, 16, 16\)"):
        student.to_qnode()(SAMPLES)


def gate_matrix(name: str, angle: float) -> NDArray[Any]:
    """The matrix of a gate of stdgates.inc, by its definition there."""
    c, s = np.cos(angle / 2), np.sin(angle / 2)
    single: dict[str, NDArray[Any]] = {
        "h": np.array([[1, 1], [1, -1]]) / np.sqrt(2),
        "x": np.array([[0, 1], [1, 0]]),
        "z": np.diag([1, -1]),
        "rx": np.array([[c, -1j * s], [-1j * s, c]]),
        "ry": np.array([[c, -s], [s, c]]),
        "rz": np.diag([np.exp(-0.5j * angle), np.exp(0.5j * angle)]),
    }
    if name in single:
        return single[name]
    controlled = np.eye(4, dtype=np.complex128)
    controlled[2:, 2:] = single[name[1:]]
    return controlled


def interpreted(text: str, inputs: dict[str, float]) -> NDArray[np.float64]:
    """Probabilities of the basis states, wire 0 the most significant bit; every line is read."""
    version, include, *rest = text.splitlines()
    assert (version, include) == ("OPENQASM 3.0;", 'include "stdgates.inc";')
    declared, state, measured = [], np.ones(1, dtype=np.complex128), False
    qubits = 0
    for line in rest:
        if line.startswith("//"):
            continue
        if found := re.fullmatch(r"input float\[64\] (\w+);", line):
            declared.append(found[1])
        elif found := re.fullmatch(r"qubit\[(\d+)\] q;", line):
            qubits = int(found[1])
            state = np.zeros(2**qubits, dtype=np.complex128)
            state[0] = 1
        elif line == "c = measure q;":
            measured = True
        elif re.fullmatch(rf"bit\[{qubits}\] c;", line):
            continue
        else:
            found = re.fullmatch(r"(\w+)(?:\((.+)\))? (q\[\d+\](?:, q\[\d+\])?);", line)
            assert found is not None, line
            angle = 1.0
            for factor in (found[2] or "0").split(" * "):
                angle *= inputs[factor] if factor in inputs else float(factor)
            wires = [int(wire) for wire in re.findall(r"\d+", found[3])]
            matrix = gate_matrix(found[1], angle)
            assert len(matrix) == 2 ** len(wires)
            tensor = np.moveaxis(state.reshape((2,) * qubits), wires, range(len(wires)))
            shape = tensor.shape
            tensor = (matrix @ tensor.reshape(len(matrix), -1)).reshape(shape)
            state = np.moveaxis(tensor, range(len(wires)), wires).reshape(-1)
    assert measured
    assert declared == list(inputs)
    probabilities: NDArray[np.float64] = np.abs(state) ** 2
    return probabilities


@pytest.mark.parametrize(("model", "given"), CASES)
def test_openqasm_gives_the_numbers_of_the_engine(model: ModelSpec, given: dict[str, Any]) -> None:
    student = student_of(model, given)
    simulator: Any = student.model.simulator
    circuit: Any = student.model.circuit

    def expected(features: NDArray[np.float64]) -> NDArray[np.float64]:
        states = student.model.embed(torch.from_numpy(features[None]))  # type: ignore[operator]
        found = simulator.probabilities(circuit, student.model.theta, states)
        array: NDArray[np.float64] = found[0].detach().numpy()
        return array

    for number in (0, 5):  # a batch of one: in single precision, features depend on its size
        features = student.features(SAMPLES[number : number + 1])[0]
        found = interpreted(student.to_qasm(SAMPLES[number]), {})
        assert np.abs(found - expected(features)).max() < 1e-10
    if given["embedding"] == "angle":
        inputs = {f"x{place}": float(value) for place, value in enumerate(features)}
        found = interpreted(student.to_qasm(), inputs)
        assert np.abs(found - expected(features)).max() < 1e-10
    else:
        with pytest.raises(InputError, match=r"prepares a state that differs .* give one sample"):
            student.to_qasm()


def test_every_gate_has_a_name() -> None:
    assert NAMES.keys() == GATES.keys()
    names = {"CRX": 1, "CRZ": 1, "CRY": 1, "CZ": 0, "CNOT": 0, "RX": 1, "Hadamard": 0}
    gates, angle = [Gate("Hadamard", (wire,)) for wire in range(3)], 0.3
    for number, (name, turns) in enumerate(names.items()):
        wires = (number % 3,) if GATES[name][0] == 1 else ((number + 1) % 3, number % 3)
        gates.append(Gate(name, wires, angle=angle * (number + 1) if turns else None))
    bound = BoundCircuit(Circuit(3, tuple(gates)), np.zeros(0), "angle", 1.0, 3, "probabilities")
    features = [0.2, 1.1, -0.7]
    expected = bound.qnode("default.qubit")(np.array(features))
    assert np.abs(interpreted(bound.qasm(features), {}) - expected).max() < 1e-12
    with pytest.raises(InputError, match="takes one sample, of 3 features"):
        bound.qasm([0.2])


@pytest.mark.parametrize("qubits", [1, 2, 4])
def test_a_state_of_either_sign_is_prepared(qubits: int) -> None:
    state = RNG.normal(size=2**qubits)
    state[:: 2**qubits // 2 + 1] = 0
    state /= np.linalg.norm(state)
    found = np.zeros(2**qubits, dtype=np.complex128)
    found[0] = 1
    for line in prepared(state, qubits):
        matrix = gate_matrix(line.name, float(line.angle or 0))
        found = qml.QubitUnitary(matrix, wires=line.wires).matrix(range(qubits)) @ found
    assert np.abs(found - state).max() < 1e-12


def test_a_classical_student_has_no_circuit() -> None:
    student = student_of(Mlp((3,)), {"ansatz": "random"})
    for call in (student.to_qnode, student.to_qasm, lambda: student.features(SAMPLES)):
        with pytest.raises(InputError, match="Mlp is classical and has no circuit"):
            call()
    from qkd_study import Quanvolution, ReuploadingCircuit

    with pytest.raises(InputError, match="Quanvolution is no model of one circuit"):
        student_of(Quanvolution(), {"qubits": 4, "ansatz": "random"}).to_qasm()
    with pytest.raises(InputError, match="ReuploadingCircuit is no model of one circuit after an"):
        student_of(ReuploadingCircuit(), {"qubits": 4, "ansatz": "random"}).to_qnode()
