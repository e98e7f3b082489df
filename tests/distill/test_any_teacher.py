"""Any quantum model teaches any classical one, beside its classical counterpart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch

from qkd_study.common.errors import InputError
from qkd_study.data import Arrays, Dataset, load
from qkd_study.distill import TeacherStore, run
from qkd_study.distill.run import RunResult
from qkd_study.models import build_model, count_parameters
from qkd_study.models.outputs import HeadedModel, Model, Outputs
from qkd_study.planning.plan import make_plan
from qkd_study.study import (
    AlexNet,
    CachedTeacher,
    ConvNet,
    Convolution,
    Ensemble,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    LeNet,
    Mlp,
    ModelSpec,
    Own,
    PennyLaneModel,
    QuantumToClassical,
    Quanvolution,
    ReuploadingCircuit,
    Study,
)
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.matched import MatchedMlp

PIXELS = np.random.default_rng(0).random((60, 16, 16))
IMAGES = load(Arrays("made", PIXELS, np.arange(60) % 3, test_share=0.2))
QUICK: dict[str, Any] = {
    "samples": 6,
    "validation_samples": 10,
    "epochs": 1,
    "teacher_epochs": 1,
    "qubits": 4,
    "reduction": "average",
}


@qml.qnode(qml.device("default.qubit", wires=2))
def layers(inputs: Any, weights: Any) -> Any:
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))


class Linear(HeadedModel):
    def __init__(self, pixels: int, classes: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(pixels, classes)

    def prepare(self, samples: torch.Tensor) -> torch.Tensor:
        return samples

    def forward(self, inputs: torch.Tensor) -> Outputs:
        return Outputs(self.head(inputs.flatten(1)), inputs.flatten(1))


def own(config: Any, shape: tuple[int, ...], classes: int) -> Model:
    return Linear(shape[0] * shape[1], classes)


TEACHERS: dict[str, tuple[ModelSpec, dict[str, Any]]] = {
    "quanvolution": (Quanvolution(2), {}),
    "hybrid": (HybridCircuit(), {}),
    "fully quantum": (FullyQuantum(), {}),
    "hybrid image": (HybridImage(), {}),
    "re-uploading": (ReuploadingCircuit(), {}),
    "ensemble": (Ensemble(HybridCircuit(), members=2), {}),
    "PennyLane": (PennyLaneModel(layers, {"weights": (1, 2)}), {"features": 2}),
    "own": (Own(own, is_quantum=True), {}),
}
STUDENTS = [Mlp(()), Mlp((4,)), Convolution(2), ConvNet(), LeNet(), AlexNet(), Own(own)]


def study_of(setting: QuantumToClassical, *arms: str, **fixed: Any) -> Study:
    return Study(question="?", setting=setting, arms=arms, fixed={**QUICK, **fixed})


def go(study: Study, arm: str, folder: Path, dataset: Dataset = IMAGES) -> RunResult:
    made = study.arm(arm)
    config = study.config(study.cells()[0], made, {}, dataset.name)
    return run(study.setting, made, config, dataset, TeacherStore(folder), replicate=0, test=True)


@pytest.mark.parametrize("name", TEACHERS)
def test_any_quantum_model_teaches(tmp_path: Path, name: str) -> None:
    teacher, fixed = TEACHERS[name]
    declared = Mlp((5,)) if name in ("PennyLane", "own", "fully quantum") else None
    setting = QuantumToClassical(teacher=teacher, student=Mlp(()), classical=declared)
    study = study_of(setting, "scratch", "soft", "classical-teacher", **fixed)
    assert make_plan(study, IMAGES).teachers > 0
    soft, control = (go(study, arm, tmp_path) for arm in ("soft", "classical-teacher"))
    counted = name not in ("own", "PennyLane")  # what runs in a model of one's own is not known
    assert (soft.costs["gates"] or 0) > 0 if counted else soft.costs["gates"] is None
    device = {"own": None, "PennyLane": "default.qubit"}.get(name, "lightning.qubit")
    assert (soft.backend, control.backend) == (device, "torch")
    assert control.costs["gates"] == 0


@pytest.mark.parametrize("student", STUDENTS, ids=lambda one: type(one).__name__)
def test_any_classical_model_learns_from_one(tmp_path: Path, student: ModelSpec) -> None:
    study = study_of(QuantumToClassical(teacher=HybridCircuit(), student=student), "soft")
    make_plan(study, IMAGES)
    result = go(study, "soft", tmp_path)
    config = study.config(study.cells()[0], study.arm("soft"), {}, "made")
    built = build_model(student, config, IMAGES.shape, IMAGES.classes, seed=0)
    assert result.costs["parameters"] == count_parameters(built)
    assert result.costs["teacher_parameters"] == 2 * 4 + (4 + 1) * 3
    assert result.costs["gates"] == 2 * 4 + 4


def test_outputs_from_a_file_teach_beside_a_declared_control(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pool, test = len(IMAGES.pool_labels), len(IMAGES.test_labels)
    logits = {"logits": rng.normal(size=(pool, 3)), "test_logits": rng.normal(size=(test, 3))}
    logits["logits"] += 2 * np.eye(3)[IMAGES.pool_labels]
    np.savez(tmp_path / "hardware.npz", logits=logits["logits"], test_logits=logits["test_logits"])
    teacher = CachedTeacher(tmp_path / "hardware.npz")
    setting = QuantumToClassical(teacher=teacher, student=ConvNet(), classical=Mlp((5,)))
    study = study_of(setting, "soft", "classical-teacher")
    assert make_plan(study, IMAGES).teachers == 20 + 3  # of the control alone
    right = (logits["test_logits"].argmax(1) == IMAGES.test_labels).mean()
    assert go(study, "soft", tmp_path).metrics["teacher_test_accuracy"] == pytest.approx(right)
    assert go(study, "classical-teacher", tmp_path).costs["teacher_parameters"] == 5 * 257 + 3 * 6


def test_the_control_is_declared_or_derived() -> None:
    def control(*models: ModelSpec | None) -> ModelSpec | None:
        return QuantumToClassical(3, 2, 2, True, *models).classical_teacher

    assert control() == Convolution(3, 2, 2)
    assert control(Quanvolution(4, 3, 1)) == Convolution(4, 3, 1)
    assert control(Quanvolution(4, 3, 1), LeNet()) == Convolution(4, 3, 1)
    assert control(HybridCircuit(), ConvNet()) == MatchedMlp(HybridCircuit())
    assert control(Ensemble(FullyQuantum()), Mlp(())) == Ensemble(MatchedMlp(FullyQuantum()))
    assert control(HybridCircuit(), ConvNet(), LeNet()) == LeNet()
    assert control(Own(own, is_quantum=True), Mlp(())) is None


def test_one_convolution_is_like_the_other() -> None:
    of_teacher = QuantumToClassical(teacher=Quanvolution(4, 3, 1, trainable=False))
    assert of_teacher.student_model == Convolution(4, 3, 1)
    of_student = QuantumToClassical(student=Convolution(5, 3, 2))
    assert of_student.teacher_model == Quanvolution(5, 3, 2)
    assert QuantumToClassical(teacher=HybridCircuit()).student_model == Convolution()
    assert QuantumToClassical(student=LeNet()).teacher_model == Quanvolution()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (
            {"teacher": Mlp()},
            r"teacher .* must be a quantum model, .* but Mlp\(.*classical",
        ),
        ({"teacher": Own(own)}, "must be a quantum model with is_quantum=True"),
        ({"teacher": Ensemble(Mlp())}, "must be a quantum model"),
        ({"student": HybridCircuit()}, r"student .* must be a classical model, .* but HybridCirc"),
        ({"classical": HybridCircuit()}, "classical of QuantumToClassical must be a classical"),
        ({"student": "LeNet"}, "student of QuantumToClassical must be a model such as Mlp"),
        ({"student": 0}, "student of QuantumToClassical must be a model such as Mlp"),
        ({"student": Ensemble(Mlp())}, "an Ensemble can only teach, but stands as student"),
        ({"teacher": HybridCircuit(), "filters": 4}, r"filters=4 .* write it there, as in teacher"),
        ({"student": Mlp(), "trainable": False}, "trainable=False .* is of its default models"),
    ],
)
def test_models_that_do_not_fit_the_setting_are_refused(models: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        QuantumToClassical(**models)


@pytest.mark.parametrize(
    ("setting", "arm", "message"),
    [
        (
            QuantumToClassical(teacher=Own(own, is_quantum=True), student=Mlp(())),
            "classical-teacher",
            r"no counterpart of Own was declared \(classical=Mlp\(\(8,\)\)\)",
        ),
        (
            QuantumToClassical(teacher=FullyQuantum(), student=Mlp(())),
            "classical-teacher",
            r"no classical model has .* or for classical-teacher declare one: classical=Mlp",
        ),
        (
            QuantumToClassical(teacher=HybridCircuit(), student=LeNet()),
            "soft+features",
            r"student, LeNet, are of shape \(84,\) and those of the teacher, HybridCircuit",
        ),
        (
            QuantumToClassical(teacher=HybridCircuit(), student=ConvNet()),
            "fidelity",
            "ConvNet has no final state",
        ),
    ],
)
def test_arms_that_do_not_fit_the_models_are_refused(
    setting: QuantumToClassical, arm: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_plan(study_of(setting, arm), IMAGES)


def test_what_the_data_do_not_fit_is_named() -> None:
    setting = QuantumToClassical(teacher=HybridCircuit(), student=ConvNet())
    unreduced = r"choose another .* This is about HybridCircuit, the teacher of arm 'soft'\."
    with pytest.raises(InputError, match=unreduced):
        make_plan(study_of(setting, "soft", reduction="none"), IMAGES)
    with pytest.raises(InputError, match=r"Convolution needs images, .* Mlp takes any shape"):
        make_plan(study_of(QuantumToClassical(teacher=HybridCircuit()), "soft"), load("spirals"))


def test_without_models_it_is_the_run_that_it_was() -> None:
    """The fingerprints are those of the version before the setting took models."""
    before = {
        QuantumToClassical(): "eb0078dbb6a5ddc6744029bac3611b4ce40efc363f58ecf3dbf3a32eb325b9bf",
        QuantumToClassical(2, 3, 1, False): (
            "fa600104d4b9703b1419f63b045f2884bb8d8c2994bef6103a2e65b3670819d0"
        ),
    }
    for setting, known in before.items():
        assert fingerprint(Study(question="?", setting=setting, name="x"), "digest") == known
    given = QuantumToClassical(teacher=Quanvolution())
    assert declaration(study_of(given, "soft"))["setting"]["teacher"]["kind"] == "Quanvolution"
