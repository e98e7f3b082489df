"""Models, loss terms and ansatze of a study's own are tried before anything trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor

from qkd_study import (
    Arm,
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    Ensemble,
    FullyQuantum,
    HybridCircuit,
    Own,
    SelfDistillation,
)
from qkd_study.models import Model, Outputs
from tests.planning.refusals import raises, refused, vector

pytestmark = pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")


# Parts of a study's own


class OwnModel(Model):
    """A linear model with a number of outputs that is not asked for."""

    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(int(np.prod(shape)), outputs)

    def prepare(self, samples: Tensor) -> Tensor:
        return samples.flatten(1)

    def forward(self, inputs: Tensor) -> Outputs:
        return Outputs(self.head(inputs), inputs)

    def head_parameters(self) -> list[torch.nn.Parameter]:
        return list(self.head.parameters())


class Bare(OwnModel):
    """A model that gives logits alone."""

    def forward(self, inputs: Tensor) -> Any:
        return self.head(inputs)


class Featureless(OwnModel):
    """A model that gives no features, without which nobody can predict with it."""

    def forward(self, inputs: Tensor) -> Outputs:
        return Outputs(self.head(inputs), None)  # type: ignore[arg-type]


class Broken(OwnModel):
    """A model that fails in use."""

    def forward(self, inputs: Tensor) -> Outputs:
        raise RuntimeError("out of order")


WRONG_MODELS: list[tuple[Callable[..., Any], str]] = [
    (
        lambda config, shape, classes: OwnModel(shape, classes + 1),
        "must give Outputs with logits of shape (4, 10): one number for each class of digits; but "
        "gave (4, 11).",
    ),
    (lambda config, shape, classes: OwnModel(shape[:1], classes), "RuntimeError: mat1 and mat2"),
    (raises, "failed on 4 samples of shape (8, 8): LookupError: no such thing"),
    (lambda config, shape, classes: Broken(shape, classes), "RuntimeError: out of order"),
    (lambda config, shape, classes: Featureless(shape, classes), "must give Outputs with"),
    (lambda config, shape, classes: Bare(shape, classes), "must give Outputs with logits of shape"),
    (
        lambda config, shape, classes: torch.nn.Linear(64, classes),
        "must give a qkd_study.models.Model, but gave Linear.",
    ),
    (lambda config, shape, classes: None, "must give a qkd_study.models.Model, but gave NoneType."),
    (lambda shape, classes: None, "TypeError"),
]


@pytest.mark.parametrize(("build", "message"), WRONG_MODELS)
def test_own_models_are_tried(build: Callable[..., Any], message: str) -> None:
    refused(message, ClassicalToClassical(student=Own(build)), "scratch")
    refused(message, ClassicalToClassical(teacher=Own(build)), "soft")


def test_an_own_ensembled_teacher_is_tried() -> None:
    of = Ensemble(Own(lambda config, shape, classes: OwnModel(shape, classes + 1)), members=2)
    refused("logits of shape (4, 10)", ClassicalToClassical(teacher=of), "soft")


def test_states_of_own_models_are_wanted() -> None:
    own = Own(lambda config, shape, classes: OwnModel(shape, classes), is_quantum=True)
    refused("arm 'fidelity'", SelfDistillation(own), "fidelity")


def test_features_of_own_models_are_compared() -> None:
    own = Own(lambda config, shape, classes: OwnModel(shape, classes))
    refused(
        "compares feature maps, but a sample's are of shape (64,) in the student and (18,)",
        ClassicalToClassical(student=own),
        "features",
    )


def wants_too_much(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    raise KeyError("gone")


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (vector, "vector of arm 'mine' must give one finite number as a tensor, but gave tensor(["),
        (wants_too_much, "wants_too_much of arm 'mine' failed on 4 samples: KeyError: 'gone'"),
        (lambda s, t, y: s.logits.mean() * float("nan"), "but gave tensor(nan"),
        (lambda s, t, y: s.logits.mean() / 0, "must give one finite number"),
        (lambda s, t, y: 1.0, "but gave 1.0"),
        (lambda s, t, y: None, "but gave None"),
        (lambda s, t: s.logits.mean(), "of arm 'mine' failed on 4 samples: TypeError"),
        (lambda s, t, y: (s.features - t.features).mean(), "failed on 4 samples: RuntimeError"),
    ],
)
def test_own_terms_are_tried(term: Any, message: str) -> None:
    refused(message, ClassicalToHybrid(), Arm("mine", (term,)), fixed={"qubits": 6})


@pytest.mark.parametrize("kind", [HybridCircuit, FullyQuantum])
def test_own_ansatze_are_tried(kind: Any) -> None:
    of = kind(ansatz=lambda qubits, depth: None)
    refused("must give a Circuit on 6 qubits", SelfDistillation(of), fixed={"qubits": 6})


def sine(weights: Any, wires: Any) -> None:
    qml.RX(np.sin(weights[0]), wires=wires[0])


def test_pennylane_functions_are_tried() -> None:
    setting = ClassicalToQuantum(student=FullyQuantum(ansatz=sine))
    message = "cannot be used with qubits=6, depth=1: the angle of RX on"
    refused(message, setting, fixed={"qubits": 6})
    message = "matched-teacher and matched-student need the number of parameters of FullyQuantum"
    refused(message, setting, "matched-student", fixed={"qubits": 6})
