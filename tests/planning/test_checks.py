"""What cannot work is refused before anything trains; what will be trained is counted right."""

from __future__ import annotations

import inspect
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import psutil
import pytest
import torch
from torch import Tensor

from qkd_study import (
    AlexNet,
    Arm,
    Arrays,
    Choice,
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    ConvNet,
    Convolution,
    Ensemble,
    Float,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    InputError,
    Int,
    LeNet,
    LogFloat,
    Mlp,
    Own,
    QuantumToClassical,
    QuantumToQuantum,
    Quanvolution,
    Replicates,
    SelfDistillation,
    Study,
    Subset,
)
from qkd_study.common.memory import circuit_bytes
from qkd_study.data import DataSource, load
from qkd_study.distill import TeacherSpec, TeacherStore
from qkd_study.models import Model, Outputs, build_model
from qkd_study.planning.checks import check_study
from qkd_study.planning.plan import make_plan
from qkd_study.study.setting import Setting

pytestmark = pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")


def refused(
    message: str, setting: Any, *arms: Arm | str, data: DataSource = "digits", **changes: Any
) -> None:
    """Declaring the study, or its plan on the data, raises; nothing trains in either."""
    fixed = {"samples": 20, "validation_samples": 50, **changes.pop("fixed", {})}
    with pytest.raises(InputError, match=re.escape(message)):
        make_plan(
            Study(question="?", setting=setting, arms=arms or ("soft",), fixed=fixed, **changes),
            load(data),
        )


# Teachers and students that cannot be compared


@pytest.mark.parametrize("arm", ["features", "soft+features", "shuffled-features"])
@pytest.mark.parametrize(
    ("setting", "student", "teacher"),
    [
        (ClassicalToClassical(Mlp((6,)), Mlp((5,))), "(5,)", "(6,)"),
        (ClassicalToHybrid(), "(6,)", "(18,)"),
        (ClassicalToQuantum(), "(64,)", "(18,)"),
        (ClassicalToHybrid(student=HybridImage()), "(6,)", "(18,)"),
        (ClassicalToClassical(ConvNet(), Convolution()), "(3, 4, 4)", "(16, 2, 2)"),
        (
            ClassicalToClassical(Ensemble(Mlp((6,))), Mlp((5,))),
            "Mlp, are of shape (5,)",
            "Ensemble, of shape (6,)",
        ),
    ],
)
def test_features_of_different_shapes(setting: Any, student: str, teacher: str, arm: str) -> None:
    for shape in (student, teacher):
        refused(shape, setting, arm, fixed={"qubits": 6})
    refused(f"arm '{arm}' compares feature maps", setting, arm, fixed={"qubits": 6})


def test_features_of_circuits_of_different_sizes() -> None:
    refused(
        "student, HybridCircuit, are of shape (3,) and those of the teacher, HybridCircuit, of "
        "shape (6,)",
        QuantumToQuantum(),
        "features",
        fixed={"qubits": 3, "teacher_qubits": 6, "reduction": "average"},
    )


@pytest.mark.parametrize(
    ("setting", "fixed", "message"),
    [
        (
            QuantumToQuantum(),
            {"qubits": 4, "teacher_qubits": 6, "reduction": "average"},
            "the student has qubits=4 and the teacher qubits=6: they must be equal",
        ),
        (ClassicalToHybrid(), {"qubits": 6}, "compares quantum states, but Mlp has no final"),
        (QuantumToClassical(), {}, "compares quantum states, but Convolution has no final"),
        (SelfDistillation(Quanvolution()), {}, "but Quanvolution has no final state"),
        (
            ClassicalToHybrid(Ensemble(HybridCircuit())),
            {"qubits": 6},
            "but Ensemble has no final state",
        ),
    ],
)
def test_fidelity_of_what_has_no_states_of_one_size(
    setting: Any, fixed: dict[str, Any], message: str
) -> None:
    refused(message, setting, "fidelity", fixed=fixed)


@pytest.mark.parametrize(
    "setting",
    [
        ClassicalToHybrid(),
        ClassicalToQuantum(),
        ClassicalToClassical(),
        SelfDistillation(),
        QuantumToQuantum(classical=None),
    ],
)
def test_no_classical_teacher_without_a_counterpart(setting: Any) -> None:
    refused(
        f"arm 'classical-teacher' asks for a classical teacher in place of the quantum one, but "
        f"the setting ({setting.kind}) has none",
        setting,
        "classical-teacher",
        fixed={"qubits": 6},
    )


@pytest.mark.parametrize(
    ("setting", "arm", "fixed", "message"),
    [
        (
            ClassicalToHybrid(),
            "kernel-teacher",
            {"qubits": 6},
            "asks for another teacher in place of the quantum one, but the setting (classical to "
            "hybrid) has none: its teacher is classical already. Arms with another teacher that it "
            "has: random-teacher, self-teacher.",
        ),
        (
            QuantumToQuantum(HybridImage(), None),
            "quadratic-teacher",
            {},
            "has none: there is none for HybridImage. Arms with another teacher that it has: "
            "separable-teacher, matched-teacher, kernel-teacher, random-teacher, self-teacher.",
        ),
        (
            QuantumToQuantum(),
            "surrogate-teacher",
            {"qubits": 6},
            "but here embedding='amplitude', of which a circuit computes a quadratic form. Take "
            "quadratic-teacher or quadratic-student, or embedding='angle'.",
        ),
        (
            QuantumToQuantum(),
            "quadratic-teacher",
            {"reduction": "linear"},
            "a reduction that is not trained, but got embedding='amplitude', reduction='linear'",
        ),
        (
            QuantumToQuantum(),
            "surrogate-teacher",
            {"qubits": 9, "reduction": "average", "embedding": "angle"},
            "Polynomial would have 19,682 products of features, more than 10,000",
        ),
        (
            QuantumToQuantum(),
            "separable-teacher",
            {"qubits": 1, "reduction": "average", "embedding": "angle"},
            "needs qubits >= 2, but got qubits=1",
        ),
        (
            QuantumToQuantum(FullyQuantum(), None),
            "matched-teacher",
            {"qubits": 4, "reduction": "average"},
            "no classical model has the 8 parameters of the quantum one within 5%, as "
            "matched-teacher or matched-student needs it",
        ),
        (
            QuantumToClassical(),
            "separable-student",
            {},
            "asks for a separable student in place of the quantum one, but the setting (quantum to "
            "classical) has none: its student is classical already. Arms with another student that "
            "it has: none.",
        ),
        (
            ClassicalToHybrid(student=HybridImage()),
            "quadratic-student",
            {},
            "has none: there is none for HybridImage. Arms with another student that it has: "
            "separable-student, matched-student.",
        ),
    ],
)
def test_a_stand_in_without_a_meaning(
    setting: Any, arm: str, fixed: dict[str, Any], message: str
) -> None:
    refused(message, setting, arm, fixed=fixed)


def test_every_activation_that_is_searched_needs_a_network_of_that_size() -> None:
    rng = np.random.default_rng(0)
    data = Arrays("eight", rng.random((900, 8)), np.arange(900) % 2)

    def plan(*activations: str) -> int:
        study = Study(
            question="?",
            setting=ClassicalToHybrid(),
            datasets=(data,),
            arms=("scratch", "effective-student"),
            fixed={"qubits": 3, "depth": 2},
            search={"activation": Choice(*activations)},
        )
        return make_plan(study, load(data)).runs

    assert plan("tanh", "relu") > 0
    with pytest.raises(InputError, match="effective-student with activation='identity' needs it"):
        plan("tanh", "identity")


# Defaults


def settings_there_are(of: type[Setting] = Setting) -> list[type[Setting]]:
    """Every setting that can be declared."""
    found = [kind for below in of.__subclasses__() for kind in settings_there_are(below)]
    return [*([] if inspect.isabstract(of) or of.__name__.startswith("_") else [of]), *found]


@pytest.mark.parametrize("kind", settings_there_are())
def test_a_study_of_any_setting_works_with_nothing_but_data(kind: type[Setting]) -> None:
    data = "digits" if kind is QuantumToClassical else "spirals"  # images; 16 features, 4 qubits
    study = Study(question="?", setting=kind(), datasets=(data,))
    assert make_plan(study, load(data)).runs == 23 * len(study.all_arms)
    names = ["scratch", "scaled-ce", "soft"]
    if kind in (QuantumToClassical, QuantumToQuantum, SelfDistillation):
        names.append("soft+features")
    assert [arm.name for arm in study.all_arms] == names


@pytest.mark.parametrize(
    ("setting", "fixed", "features"),
    [
        (QuantumToQuantum(), {"teacher_qubits": 5}, False),
        (QuantumToQuantum(), {"teacher_depth": 5}, True),
        (ClassicalToHybrid(teacher=Mlp((4,))), {}, True),
        (ClassicalToClassical(ConvNet(), Ensemble(ConvNet()).of), {}, True),
        (ClassicalToClassical(ConvNet(), Convolution()), {}, False),
        (ClassicalToClassical(Mlp(), Own(lambda *_: None)), {}, False),
        (ClassicalToClassical(Mlp(()), Mlp((64,))), {}, False),  # alike for 64 features alone
    ],
)
def test_feature_maps_are_compared_by_default_where_they_can_be(
    setting: Any, fixed: dict[str, Any], features: bool
) -> None:
    study = Study(question="?", setting=setting, fixed=fixed)
    assert ("soft+features" in [arm.name for arm in study.all_arms]) == features


# Circuits that samples do not fit into


@pytest.mark.parametrize("setting", [SelfDistillation(), ClassicalToQuantum()])
@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        (
            {"qubits": 5},
            "amplitude embedding on qubits=5 takes 32 features, but the samples have 64: choose "
            "another number of qubits, or a reduction ('linear', 'average', 'max', 'crop', 'pca').",
        ),
        ({"qubits": 10, "embedding": "angle"}, "takes 10 features, but the samples have 64"),
        ({"qubits": 10, "embedding": "basis"}, "basis embedding on qubits=10 takes 10 features"),
        (
            {"qubits": 7, "reduction": "linear"},
            "takes 128 features: a reduction to 128 features of samples that have 64. Choose other",
        ),
        ({"qubits": 7, "reduction": "pca"}, "a reduction to 128 features of samples that have 64"),
        (
            {"qubits": 11, "embedding": "angle", "reduction": "max"},
            "no grid of 11 cells fits into 8x8 pixels; the nearest numbers that do are 10 and 12",
        ),
        (
            {"qubits": 6, "embedding": "basis", "reduction": "linear"},
            "embedding='basis' passes no gradient to reduction='linear'",
        ),
        (
            {"qubits": 4, "ansatz": "arbitrary", "reduction": "average"},
            "ansatz='arbitrary' needs qubits <= 3 and depth=1, but got qubits=4, depth=1",
        ),
        (
            {"qubits": 2, "depth": 2, "ansatz": "arbitrary", "reduction": "average"},
            "needs qubits <= 3 and depth=1, but got qubits=2, depth=2",
        ),
        (
            {"qubits": 1, "ansatz": "brickwork", "reduction": "average"},
            "ansatz='brickwork' needs qubits >= 2, but got 1",
        ),
    ],
)
def test_samples_and_circuits_that_do_not_fit(
    setting: Any, fixed: dict[str, Any], message: str
) -> None:
    refused(message, setting, "scratch", fixed=fixed)


def test_basis_embedding_needs_a_bit_for_every_qubit() -> None:
    rng = np.random.default_rng(0)
    bits = Arrays("bits", rng.integers(0, 2, (200, 5)), np.arange(200) % 2)
    fixed = {"embedding": "basis"}
    message = "basis embedding on qubits=6 takes 6 features, but the samples have 5"
    refused(message, SelfDistillation(), data=bits, fixed={**fixed, "qubits": 6})
    study = Study(
        question="?",
        setting=SelfDistillation(),
        arms=("scratch",),
        fixed={**fixed, "qubits": 5, "samples": 20, "validation_samples": 50},
    )
    assert make_plan(study, load(bits)).runs > 0


def test_a_hybrid_for_images_embeds_by_angle() -> None:
    refused(
        "HybridImage embeds by angle, but got embedding='amplitude'",
        ClassicalToHybrid(student=HybridImage()),
        fixed={"embedding": "amplitude"},
    )


@pytest.mark.parametrize(
    ("of", "fixed", "message"),
    [
        (
            FullyQuantum(),
            {"qubits": 3, "reduction": "average"},
            "qubits=3 has 8 basis states, too few for 10 classes: each needs one of its own. "
            "Allowed: qubits >= 4.",
        ),
        (
            FullyQuantum(assignment=tuple(range(10))),
            {"qubits": 6},
            "assignment of FullyQuantum has 10 entries, but qubits=6 has 64 basis states",
        ),
        (
            FullyQuantum(assignment=tuple(i % 9 for i in range(64))),
            {"qubits": 6},
            "has no basis state for class 9: it needs every class from 0 to 9",
        ),
        (
            FullyQuantum(assignment=tuple(i % 11 for i in range(64))),
            {"qubits": 6},
            "has a class too many",
        ),
    ],
)
def test_classes_and_basis_states(of: Any, fixed: dict[str, Any], message: str) -> None:
    refused(message, ClassicalToQuantum(student=of), fixed=fixed)
    refused(message, SelfDistillation(of), "scratch", fixed=fixed)


@pytest.mark.parametrize("arm", ["soft", "random-teacher"])
def test_a_teacher_is_checked_with_the_embedding_it_gets(arm: str) -> None:
    # `auto` is angle for the student, and two qubits hold no four pixels by angle.
    setting = ClassicalToHybrid(Quanvolution(), HybridImage())
    refused("needs qubits >= 4, but got qubits=2", setting, arm, fixed={"qubits": 2})


def test_one_basis_state_for_each_class_is_enough() -> None:
    study = Study(
        question="?",
        setting=ClassicalToQuantum(student=FullyQuantum(assignment=(0, 1))),
        arms=("soft",),
        fixed={"qubits": 1, "reduction": "pca", "samples": 20, "validation_samples": 50},
    )
    assert make_plan(study, load(Subset("digits", (3, 8)))).teachers > 0


# Images


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            ClassicalToHybrid(teacher=LeNet()),
            "LeNet needs images of at least 12x12 pixels, but the samples are of shape (64,)",
        ),
        (ClassicalToHybrid(teacher=AlexNet()), "AlexNet needs images of at least 15x15"),
        (ClassicalToHybrid(teacher=ConvNet()), "ConvNet needs images of at least 4x4"),
        (ClassicalToHybrid(teacher=Ensemble(LeNet())), "LeNet needs images of at least 12x12"),
        (ClassicalToHybrid(student=HybridImage()), "HybridImage needs images of at least 4x4"),
        (
            QuantumToClassical(),
            "Convolution needs grey images (height, width), but the samples are of shape (64,)",
        ),
        (ClassicalToClassical(Quanvolution(), Mlp(())), "Quanvolution needs grey images"),
    ],
)
def test_vectors_where_images_are_needed(setting: Any, message: str) -> None:
    refused(message, setting, data="xor4", fixed={"qubits": 6})


def images(*shape: int) -> Arrays:
    rng = np.random.default_rng(0)
    return Arrays(f"made {shape}", rng.random((200, *shape)), np.arange(200) % 2)


@pytest.mark.parametrize(
    ("setting", "data", "message"),
    [
        (ClassicalToClassical(teacher=LeNet()), "digits", "at least 12x12 pixels, but the samples"),
        (ClassicalToClassical(teacher=AlexNet()), "digits", "at least 15x15 pixels"),
        (ClassicalToClassical(LeNet(), LeNet()), images(12, 11), "are of shape (12, 11)"),
        (ClassicalToClassical(AlexNet()), images(3, 14, 30), "are of shape (3, 14, 30)"),
        (ClassicalToClassical(ConvNet()), images(30, 3), "at least 4x4 pixels"),
        (ClassicalToHybrid(student=HybridImage()), images(3, 3), "HybridImage needs images"),
        (
            ClassicalToClassical(Mlp(), Convolution(kernel=9)),
            "digits",
            "kernel=9 is larger than the images of (8, 8) pixels",
        ),
        (
            QuantumToClassical(),
            images(3, 8, 8),
            "Convolution needs grey images (height, width), but the samples are of shape (3, 8, 8)",
        ),
    ],
)
def test_images_that_are_too_small_or_in_colour(
    setting: Any, data: DataSource, message: str
) -> None:
    refused(message, setting, data=data)


def test_an_ensemble_cannot_learn() -> None:
    of = Ensemble(Mlp())
    for build in (
        lambda: ClassicalToClassical(student=of),
        lambda: ClassicalToHybrid(student=of),
        lambda: ClassicalToQuantum(student=of),
        lambda: SelfDistillation(of),
        lambda: QuantumToQuantum(of),
        lambda: QuantumToQuantum(Ensemble(HybridCircuit())),
    ):
        with pytest.raises(InputError, match="an Ensemble can only teach, but stands as "):
            build()


# Memory


def too_many(numbers: Callable[[int], int], *, matrices: bool) -> int:
    """The first number of qubits that this machine cannot hold."""
    total = psutil.virtual_memory().total
    return next(
        n for n in range(1, 65) if circuit_bytes(n, numbers(n), 100, matrices=matrices) > total
    )


@pytest.mark.parametrize(
    ("setting", "numbers", "matrices"),
    [
        (QuantumToClassical(), lambda n: 16 * 60, True),
        (ClassicalToClassical(Quanvolution(), Mlp(())), lambda n: 16 * 60, True),
        (ClassicalToClassical(Ensemble(Quanvolution()), Mlp(())), lambda n: 16 * 60, True),
        (ClassicalToHybrid(student=HybridImage()), lambda n: 2 << n, False),
    ],
)
def test_more_qubits_than_memory(
    setting: Any, numbers: Callable[[int], int], matrices: bool
) -> None:
    qubits = too_many(numbers, matrices=matrices)
    refused(f"qubits={qubits} needs ", setting, fixed={"qubits": qubits})


def test_more_qubits_of_the_teacher_than_memory() -> None:
    # Twice as wide as angle embedding needs: the student fits, the teacher does not.
    data = images(64)
    fixed = {"qubits": 4, "teacher_qubits": 60, "embedding": "angle", "reduction": "average"}
    refused("qubits=60 needs ", QuantumToQuantum(), data=data, fixed=fixed)


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


def raises(config: Any, shape: tuple[int, ...], classes: int) -> Model:
    raise LookupError("no such thing")


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


def vector(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    return (student.logits - teacher.logits).mean(1)


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


# The cell in the message


@pytest.mark.parametrize(
    ("setting", "arm", "factors", "message", "cell"),
    [
        (
            ClassicalToHybrid(),
            "soft",
            {"qubits": (6, 5)},
            "qubits=5 takes 32 features",
            "qubits=5",
        ),
        (
            QuantumToQuantum(),
            "features",
            {"qubits": (6, 2), "reduction": ("average",)},
            "compares feature maps",
            "qubits=2,reduction=average",
        ),
        (
            ClassicalToClassical(student=Own(raises)),
            "scratch",
            {"epochs": (1, 2)},
            "no such thing",
            "epochs=1",
        ),
        (
            ClassicalToClassical(),
            Arm("mine", (vector,)),
            {"epochs": (1, 2)},
            "must give one finite number",
            "epochs=1",
        ),
    ],
    ids=["circuit", "features", "own model", "own term"],
)
def test_messages_name_the_cell(
    setting: Any, arm: Any, factors: dict[str, Any], message: str, cell: str
) -> None:
    fixed = {"teacher_qubits": 6}
    refused(message, setting, arm, factors=factors, fixed=fixed)
    refused(f"(cell {cell})", setting, arm, factors=factors, fixed=fixed)


# Every value that a search may suggest


@pytest.mark.parametrize(
    ("search", "fixed", "message"),
    [
        ({"qubits": Int(5, 6)}, {}, "qubits=5 takes 32 features"),
        (
            {"reduction": Choice("average", "none")},
            {"qubits": 4},
            "takes 16 features, but the samples have 64",
        ),
        (
            {"reduction": Choice("average", "linear")},
            {"qubits": 6, "embedding": "basis"},
            "embedding='basis' passes no gradient",
        ),
        (
            {"ansatz": Choice("brickwork", "arbitrary")},
            {"qubits": 4, "reduction": "average"},
            "ansatz='arbitrary' needs qubits <= 3",
        ),
        (
            {"depth": Int(1, 2)},
            {"qubits": 2, "reduction": "average", "ansatz": "arbitrary"},
            "ansatz='arbitrary' needs qubits <= 3 and depth=1, but got qubits=2, depth=2",
        ),
    ],
)
def test_every_value_of_a_search_is_checked(
    search: dict[str, Any], fixed: dict[str, Any], message: str
) -> None:
    refused(message, SelfDistillation(), "scratch", search=search, fixed=fixed)


def test_a_search_over_reductions_that_all_fit_is_accepted() -> None:
    study = Study(
        question="?",
        setting=ClassicalToHybrid(),
        arms=("soft",),
        search={"reduction": Choice("average", "max")},
        fixed={"qubits": 4, "samples": 20, "validation_samples": 50},
    )
    assert make_plan(study, load("digits")).trials == study.trials


def test_a_searched_teacher_of_other_qubits_has_no_fidelity() -> None:
    refused(
        "they must be equal",
        QuantumToQuantum(),
        "fidelity",
        search={"teacher_qubits": Int(4, 5)},
        fixed={"qubits": 4, "reduction": "average"},
    )


# Counting teachers

SMALL = images(4, 4)
PER_TEACHER = 1 + 2


def small(setting: Any, *arms: Arm | str, **changes: Any) -> Study:
    """A study of one search replicate and two of the confirmation."""
    fixed: dict[str, Any] = {
        "samples": 6,
        "teacher_samples": 8,
        "validation_samples": 10,
        "epochs": 1,
        "teacher_epochs": 1,
    }
    elsewhere = {*changes.get("factors", {}), *changes.get("search", {})}
    fixed = {**fixed, **changes.pop("fixed", {})}
    return Study(
        question="?",
        setting=setting,
        datasets=(SMALL,),
        arms=arms,
        fixed={name: value for name, value in fixed.items() if name not in elsewhere},
        replicates=Replicates(search=1, confirm=2),
        **changes,
    )


#: What is declared, and how many teachers there are by hand, per replicate.
COUNTED: dict[str, tuple[Study, int]] = {
    "no teacher": (small(ClassicalToHybrid(), "scratch", "label-smoothing"), 0),
    "one": (small(ClassicalToHybrid(), "scratch", "soft"), 1),
    "arms of one teacher": (
        small(ClassicalToHybrid(), "soft", "decoupled", "relational", "shuffled-labels"),
        1,
    ),
    "arms of different teachers": (
        small(QuantumToClassical(), "soft", "classical-teacher", "random-teacher", "self-teacher"),
        # The convolution is the classical counterpart and the student itself: one teacher.
        3,
    ),
    "a classical teacher of circuits of many sizes": (
        small(ClassicalToHybrid(), "soft", factors={"qubits": (4, 5), "depth": (1, 2)}),
        1,
    ),
    "a quantum teacher of many sizes": (
        small(QuantumToClassical(), "soft", factors={"qubits": (2, 4), "depth": (1, 2)}),
        4,
    ),
    "students of many sizes and one larger teacher": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"qubits": (2, 3), "depth": (1, 2)},
            fixed={"teacher_qubits": 4, "teacher_depth": 2, "reduction": "max"},
        ),
        1,
    ),
    "teachers of many sizes": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"teacher_qubits": (3, 4), "teacher_depth": (1, 2, 3)},
            fixed={"qubits": 2, "reduction": "max"},
        ),
        6,
    ),
    "teachers of several reductions, students of one": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"teacher_reduction": ("pca", "max", "linear")},
            fixed={"teacher_qubits": 4, "qubits": 2, "reduction": "max"},
        ),
        3,
    ),
    "students of several reductions and one teacher": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"reduction": ("pca", "max", "linear")},
            fixed={"teacher_qubits": 4, "qubits": 2, "teacher_reduction": "max"},
        ),
        1,
    ),
    "teachers as large as their students": (
        small(
            QuantumToQuantum(),
            "soft",
            factors={"qubits": (2, 3)},
            fixed={"reduction": "max"},
        ),
        2,
    ),
    "teachers as deep as their students": (
        small(QuantumToQuantum(), "soft", factors={"depth": (1, 2)}),
        2,
    ),
    "the student's own size, said and not said": (
        small(QuantumToQuantum(), "soft", factors={"teacher_depth": (1, 2)}, fixed={"depth": 1}),
        2,
    ),
    "a circuit and one of its own size": (
        small(
            QuantumToQuantum(),
            "soft",
            "self-teacher",
            fixed={"teacher_qubits": 4, "teacher_depth": 1},
        ),
        1,
    ),
    "controls of circuits of many sizes": (
        small(
            QuantumToQuantum(),
            "soft",
            "self-teacher",
            "classical-teacher",
            factors={"qubits": (2, 3)},
            fixed={"teacher_qubits": 4, "reduction": "max"},
        ),
        1 + 2 + 1,
    ),
    "generations": (small(SelfDistillation(), "soft", fixed={"generations": 3}), 3),
    "numbers of generations": (
        # The first of two generations is the only one of one.
        small(SelfDistillation(), "soft", factors={"generations": (1, 2, 3)}),
        3,
    ),
    "self-distillation, where the teacher is the student anyway": (
        small(SelfDistillation(), "soft", "self-teacher"),
        1,
    ),
    "an ensemble": (small(ClassicalToHybrid(Ensemble(Mlp((3,)), members=4)), "soft"), 4),
    "an ensemble and a control": (
        small(ClassicalToHybrid(Ensemble(Mlp((3,)), members=4)), "soft", "self-teacher"),
        4 + 1,
    ),
    "generations of an ensemble": (
        small(ClassicalToHybrid(Ensemble(Mlp((3,)), members=2)), "soft", fixed={"generations": 2}),
        4,
    ),
    "data of teachers": (
        small(
            ClassicalToHybrid(),
            "soft",
            factors={"teacher_samples": (8, 16), "samples": (4, 6), "label_noise": (0.0, 0.5)},
        ),
        4,
    ),
    "students of many lessons": (
        small(ClassicalToHybrid(), "soft", factors={"epochs": (1, 2), "temperature": (1.0, 4.0)}),
        1,
    ),
    "devices of a classical teacher": (
        small(ClassicalToQuantum(), "soft", factors={"plan": ("matrix", "register")}),
        1,
    ),
}
NAMED = pytest.mark.parametrize(("study", "teachers"), COUNTED.values(), ids=COUNTED.keys())


def orders(study: Study) -> list[TeacherSpec]:
    """What every run of a study that searches nothing asks the store for."""
    dataset = load(SMALL)
    replicates = [*study.replicates.of_search, *study.replicates.of_confirm]
    return [
        TeacherSpec.of(
            study.setting, arm, study.config(cell, arm, {}, dataset.name), dataset, replicate
        )
        for cell, arm, replicate in itertools.product(study.cells(), study.all_arms, replicates)
        if arm.needs_teacher
    ]


@NAMED
def test_teachers_are_counted(study: Study, teachers: int) -> None:
    assert make_plan(study, load(SMALL)).teachers == teachers * PER_TEACHER


@NAMED
def test_as_many_teachers_are_trained_as_are_planned(
    study: Study, teachers: int, tmp_path: Path
) -> None:
    store = TeacherStore(tmp_path)
    for order in orders(study):
        store.get(order)
    trained = 0
    for path in tmp_path.glob("*.json"):  # one beside every teacher that was kept
        trained += json.loads(path.read_text())["model"].get("members", 1)
    assert trained == make_plan(study, load(SMALL)).teachers


def test_a_search_that_changes_the_teacher_counts_every_configuration() -> None:
    def teachers(setting: Any, **search: Any) -> int:
        study = small(setting, "soft", search=search, trials=5)
        return make_plan(study, load(SMALL)).teachers

    of_each, of_one = 5 * 1 + 2, PER_TEACHER
    learning = LogFloat(1e-3, 1e-1)
    assert teachers(ClassicalToHybrid(), learning_rate=learning) == of_one
    assert teachers(ClassicalToHybrid(), depth=Int(1, 3)) == of_one
    assert teachers(ClassicalToHybrid(), teacher_learning_rate=learning) == of_each
    assert teachers(QuantumToClassical(), depth=Int(1, 3)) == of_each
    assert teachers(QuantumToQuantum(), teacher_depth=Int(1, 3)) == of_each
    # The teacher is as deep as the student where nothing else is said.
    assert teachers(QuantumToQuantum(), depth=Int(1, 3)) == of_each


def test_a_searched_temperature_changes_the_teachers_that_were_taught() -> None:
    def teachers(**changes: Any) -> int:
        study = small(
            SelfDistillation(), "soft", search={"temperature": Float(1, 9)}, trials=5, **changes
        )
        return make_plan(study, load(SMALL)).teachers

    assert teachers() == PER_TEACHER
    assert teachers(fixed={"generations": 2}) == PER_TEACHER + 5 * 1 + 2
    assert teachers(factors={"generations": (1, 2)}) == PER_TEACHER + 5 * 1 + 2


def test_searched_generations_are_counted_at_most() -> None:
    study = small(SelfDistillation(), "soft", search={"generations": Int(1, 3)}, trials=1)
    # Every run may want three teachers in a row, and each replicate has its own.
    assert make_plan(study, load(SMALL)).teachers >= 3 * PER_TEACHER


def test_a_searched_teacher_is_shared_by_nobody_but_counted_per_arm() -> None:
    study = small(
        ClassicalToHybrid(), "soft", "decoupled", search={"teacher_epochs": Int(1, 9)}, trials=4
    )
    assert make_plan(study, load(SMALL)).teachers == 2 * (4 * 1 + 2)


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"features": 4}, "features=4 says what a reduction returns, but reduction='none'"),
        ({"features": 9, "reduction": "pca"}, "takes 8 features, but got features=9. Allowed: 0"),
        (
            {"features": 2, "reduction": "pca", "embedding": "basis"},
            "takes 3 features, but got features=2. Allowed: 0, or exactly 3.",
        ),
    ],
)
def test_features_that_do_not_fit(fixed: dict[str, Any], message: str) -> None:
    setting = ClassicalToHybrid(teacher=Mlp(()))
    made = Study(question="?", setting=setting, fixed={"qubits": 3, **fixed}, arms=("soft",))
    with pytest.raises(InputError, match=re.escape(message)):
        check_study(made, load(Arrays("made", np.eye(9)[np.arange(900) % 9], np.arange(900) % 3)))


def test_a_reduction_returns_as_many_features_as_are_asked_for() -> None:
    setting = ClassicalToHybrid(teacher=Mlp(()))
    fixed: dict[str, Any] = {
        "qubits": 3,
        "features": 2,
        "reduction": "pca",
        "embedding": "amplitude",
    }
    made = Study(question="?", setting=setting, fixed=fixed, arms=("scratch",))
    config = made.config(made.cells()[0], made.all_arms[0], {}, "digits")
    model = build_model(HybridCircuit(), config, (8, 8), 3, seed=0)
    samples = torch.rand(40, 8, 8)
    model.fit(samples)
    states = model.prepare(samples)
    assert states.shape == (40, 8)
    assert (states[:, :2] != 0).all()
    assert (states[:, 2:] == 0).all()
