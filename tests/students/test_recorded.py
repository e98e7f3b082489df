"""Students with an ansatz of the study's own: exported with the circuit that it gave."""

from __future__ import annotations

import json
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pennylane as qml
import pytest
import torch

from qkd_study import (
    ClassicalToQuantum,
    Ensemble,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    InputError,
    Mlp,
    Parameter,
    PennyLaneAnsatz,
    ReuploadingCircuit,
    Student,
    load_student,
)
from qkd_study.data import load as load_data
from qkd_study.models import predict
from qkd_study.quantum import Circuit, hardware_efficient, strongly_entangling
from qkd_study.quantum.circuit import Gate
from qkd_study.students import restored, save_student, weights_of
from qkd_study.students.recorded import RecordedAnsatz
from qkd_study.students.standalone import without_study
from qkd_study.study.matched import EffectiveMlp, MatchedMlp
from qkd_study.study.models import ModelSpec
from qkd_study.study.own_ansatz import OwnAnsatz
from qkd_study.study.own_parameters import config_kind
from tests.students.made import made_run, quantum_study
from tests.students.test_weights import spec_of, trained


def layer(weights: Any, wires: Any) -> None:
    """A layer with a constant angle, a multiple of a weight, and a weight with several gates."""
    for wire in wires:
        qml.RX(weights[wire] + 0.3, wires=wire)
        qml.RZ(-2 * weights[wire], wires=wire)
    qml.IsingXX(weights[len(wires)], wires=wires[:2])


def bricks(qubits: int, depth: int) -> Circuit:
    return strongly_entangling(qubits, depth + 1)


def repeated(qubits: int, depth: int, repeats: int) -> Circuit:
    return hardware_efficient(qubits, repeats)


def drawn(qubits: int, depth: int) -> Circuit:
    return Circuit(qubits, (Gate("RY", (0,), 0), Gate("RX", (1,), angle=random.random())))


OWN = OwnAnsatz(repeated, (Parameter("repeats", default=2, low=1),))
TEMPLATE = partial(qml.StronglyEntanglingLayers, imprimitive=qml.CZ)
MODELS: list[ModelSpec] = [
    FullyQuantum(ansatz=layer, scale=True),
    FullyQuantum(ansatz=bricks, entangling=False),
    HybridCircuit(ansatz=TEMPLATE),
    HybridCircuit(ansatz=OWN),
    HybridImage(ansatz=PennyLaneAnsatz(layer, {"weights": lambda qubits, depth: (qubits + 1,)})),
    ReuploadingCircuit(ansatz=layer),
    Ensemble(HybridCircuit(ansatz=bricks), members=2),
    MatchedMlp(of=HybridCircuit(ansatz=bricks)),
    EffectiveMlp(of=HybridCircuit(ansatz=layer)),
]


def student_of(model: ModelSpec, **changes: Any) -> Student:
    spec = spec_of(model, depth=2, ansatz=None, reduction="average", **changes)
    values = {**vars(spec.config), "repeats": 3}
    kind = config_kind(model.declares)
    if model.declares:
        spec = type(spec)(**{**vars(spec), "config": kind(**values)})
    built = trained(spec)
    body = weights_of(spec, built)
    assert body is not None
    return Student(spec, built, body, {"cell": "all", "arm": "soft", "replicate": 1003})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_recorded_student_gives_the_same_to_the_last_bit(model: ModelSpec) -> None:
    student = student_of(model, qubits=6 if isinstance(model, EffectiveMlp) else 3)
    with pytest.raises(InputError, match="is code of its study file"):
        restored(student.weights)
    alone = without_study(student)
    again, built = restored(alone.weights)
    assert again == alone.spec
    samples = torch.rand(7, 16, 16)
    expected = predict(student.model, samples).logits
    assert torch.equal(predict(built, samples).logits, expected)
    assert without_study(alone) is alone


def test_a_circuit_for_each_part_is_refused() -> None:
    with pytest.raises(InputError, match=r"the ansatz of arm 'soft' gave several .*load\(RUN\)"):
        without_study(student_of(ReuploadingCircuit(ansatz=drawn)))
    without_study(student_of(FullyQuantum(ansatz=drawn)))


@pytest.mark.parametrize(
    "gate",
    [
        ["system", [0], None, None, None, 1.0],
        ["RX", [9], 0, None, None, 1.0],
        ["RX", ["a"], 0, None, None, 1.0],
        ["RX", [0], 0],
        None,
    ],
)
def test_a_record_that_is_no_circuit(gate: Any) -> None:
    with pytest.raises(InputError, match="the recorded ansatz is damaged"):
        RecordedAnsatz.from_description({"qubits": 2, "gates": [gate]})


SOURCE = """
from tests.students.made import quantum_study
from tests.students.test_recorded import SETTING

study = quantum_study(name="own", setting=SETTING, arms=("soft",))
"""
SETTING = ClassicalToQuantum(Mlp((8,)), FullyQuantum(ansatz=layer))


def test_an_exported_student_needs_no_study_file(tmp_path: Path) -> None:
    digits = load_data("digits").test_raw
    run = made_run(tmp_path, quantum_study(name="own", setting=SETTING, arms=("soft",)), SOURCE)
    student = run.student()
    rows = pd.read_parquet(run.path / "predictions")
    rows = rows[rows["replicate"] == student.about["replicate"]]
    recorded = rows["predicted"].tolist()
    folder = save_student(student, tmp_path / "student")
    shutil.rmtree(run.path)
    alone = load_student(folder)
    assert alone.predict(digits).tolist() == recorded
    shares = np.stack(rows["probabilities"].tolist())
    assert np.abs(alone.predict_proba(digits) - shares).max() < 1e-6
    logits = alone.from_measured(alone.to_qnode(device="default.qubit")(alone.features(digits)))
    assert logits.argmax(1).tolist() == recorded
    assert alone.about == {**student.about, "sha256": alone.about["sha256"]}
    assert (folder / "circuit.qasm").read_text() == student.to_qasm()
    assert json.loads((folder / "student.json").read_text())["about"] == alone.about
