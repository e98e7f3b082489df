"""One life for everything that can be declared: planned, trained, kept, loaded, sent, repeated."""

from __future__ import annotations

import dataclasses
import functools
import math
import pickle
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import pyarrow as pa
import pytest
import torch
from ray import cloudpickle
from safetensors.torch import load_file, save_file
from torch import Tensor

from qkd_study.common.errors import InputError
from qkd_study.data import SOURCES, Arrays, Dataset, Subset, load
from qkd_study.distill import (
    RunResult,
    TeacherSpec,
    TeacherStore,
    run,
    sample_splits,
    train,
    training_config,
)
from qkd_study.distill.objective import Objective
from qkd_study.models import Model, Outputs, build_model, predict
from qkd_study.planning.plan import make_plan
from qkd_study.results import RUNS, TABLES, finished, schema
from qkd_study.study import (
    ARMS,
    AlexNet,
    Arm,
    ClassicalToClassical,
    ClassicalToHybrid,
    ClassicalToQuantum,
    ConvNet,
    Convolution,
    EffectiveMlp,
    Ensemble,
    FourierFeatures,
    FullyQuantum,
    HybridCircuit,
    HybridImage,
    LeNet,
    MatchedConvolution,
    MatchedMlp,
    Mlp,
    Own,
    PatchPolynomial,
    PennyLaneModel,
    Polynomial,
    QuantumToClassical,
    QuantumToQuantum,
    Quanvolution,
    Replicates,
    ReuploadingCircuit,
    SelfDistillation,
    Snapshots,
    StateCircuit,
    Study,
)
from qkd_study.study.config import OWN, PARAMETERS, TERMS
from qkd_study.study.external import CachedTeacher, FrozenTeacher
from qkd_study.study.models import ModelSpec
from qkd_study.study.trial import Trial


def arrays(*shape: int) -> Arrays:
    """Three classes of noise around bright and dark, few enough to be quick."""
    rng = np.random.default_rng(0)
    labels = np.arange(75) % 3
    images = 0.3 * labels.reshape(-1, *[1] * len(shape)) + 0.4 * rng.random((75, *shape))
    return Arrays("made", images, labels, test_share=0.2)


SMALL, LARGE, COLOUR = arrays(4, 4), arrays(16, 16), arrays(3, 16, 16)
QUICK = {
    "samples": 9,
    "teacher_samples": 12,
    "validation_samples": 12,
    "epochs": 2,
    "teacher_epochs": 2,
    "batch_size": 4,
}

#: Arms that compare features, states, or a quantum teacher with its classical counterpart.
FEATURES = {"features", "soft+features", "shuffled-features", "constant-features"}
FIDELITY, CLASSICAL = {"fidelity"}, {"classical-teacher"}
#: Arms with polynomials of a circuit's inputs, and those with any stand-in of a quantum teacher.
POLYNOMIALS = {"quadratic-teacher", "surrogate-teacher"}
STAND_INS = POLYNOMIALS | {"separable-teacher", "matched-teacher", "kernel-teacher"}
#: Arms with a stand-in of a quantum student.
STUDENTS = {
    "separable-student",
    "quadratic-student",
    "surrogate-student",
    "matched-student",
    "effective-student",
}
#: Arms without a meaning where the teacher is classical.
QUANTUM = CLASSICAL | STAND_INS


@dataclasses.dataclass(frozen=True)
class Case:
    """A setting, what it runs on, and which named arms have no meaning in it."""

    setting: Any
    refused: set[str]
    data: Arrays = SMALL
    fixed: dict[str, Any] = dataclasses.field(default_factory=dict)

    def study(self, *arms: Arm | str, **changes: Any) -> Study:
        """A study of some arms."""
        made: dict[str, Any] = {
            "question": "?",
            "setting": self.setting,
            "datasets": (self.data,),
            "arms": arms,
            "fixed": {**QUICK, **self.fixed},
            "replicates": Replicates(search=1, confirm=2),
        }
        return Study(**{**made, **changes})

    @property
    def dataset(self) -> Dataset:
        """The data."""
        return load(self.data)

    @property
    def refused_students(self) -> set[str]:
        """Which stand-ins of a quantum student have no meaning."""
        student = self.setting.student_model
        if not student.quantum:
            return STUDENTS
        if isinstance(student, HybridImage):
            return {"quadratic-student", "surrogate-student", "effective-student"}
        angles = isinstance(student, Quanvolution) or self.fixed.get("embedding") == "angle"
        refused = set() if angles else {"surrogate-student"}
        if self.fixed.get("reduction") == "linear":
            refused |= {"quadratic-student", "surrogate-student", "effective-student"}
        # No network on principal components has as few parameters.
        small = isinstance(student, FullyQuantum) or self.fixed.get("qubits") == 2
        few = isinstance(student, Quanvolution) or small
        refused |= {"matched-student"} if few else set()
        filters = isinstance(student, Quanvolution)
        return refused | ({"effective-student"} if filters or few else set())


CASES = {
    "quantum to classical": Case(QuantumToClassical(filters=2), FIDELITY),
    "quantum to classical, frozen": Case(
        QuantumToClassical(trainable=False), FIDELITY | {"matched-teacher"}
    ),
    "quantum to classical, amplitudes": Case(
        QuantumToClassical(filters=2),
        FIDELITY | {"surrogate-teacher"},
        fixed={"qubits": 2},
    ),
    "circuit to MLP": Case(
        QuantumToClassical(teacher=HybridCircuit(), student=Mlp((4,))),
        FIDELITY | {"surrogate-teacher"},
    ),
    "re-uploading circuit to ConvNet": Case(
        QuantumToClassical(teacher=ReuploadingCircuit(), student=ConvNet()),
        FEATURES | FIDELITY | POLYNOMIALS,
        fixed={"reduction": "average"},
    ),
    "classical to hybrid": Case(ClassicalToHybrid(), FEATURES | FIDELITY | QUANTUM),
    "classical to hybrid, as many features": Case(
        ClassicalToHybrid(teacher=Mlp((4,))), FIDELITY | QUANTUM
    ),
    "classical to hybrid, linear reduction": Case(
        ClassicalToHybrid(),
        FEATURES | FIDELITY | QUANTUM,
        fixed={"reduction": "linear", "qubits": 3, "embedding": "angle"},
    ),
    "LeNet to hybrid": Case(
        ClassicalToHybrid(teacher=LeNet()),
        FEATURES | FIDELITY | QUANTUM,
        LARGE,
        {"qubits": 2, "reduction": "average"},
    ),
    "AlexNet to hybrid image": Case(
        ClassicalToHybrid(AlexNet(), HybridImage()),
        FEATURES | FIDELITY | QUANTUM,
        LARGE,
        {"qubits": 2},
    ),
    "LeNet to hybrid image, colour": Case(
        ClassicalToHybrid(LeNet(), HybridImage()),
        FEATURES | FIDELITY | QUANTUM,
        COLOUR,
        {"qubits": 2},
    ),
    "ConvNet to hybrid image": Case(
        ClassicalToHybrid(ConvNet(), HybridImage()), FEATURES | FIDELITY | QUANTUM
    ),
    "classical to quantum": Case(
        ClassicalToQuantum(),
        FEATURES | FIDELITY | QUANTUM,
        fixed={"qubits": 3, "reduction": "pca"},
    ),
    "classical to quantum, scaled": Case(
        ClassicalToQuantum(student=FullyQuantum(scale=True)), FEATURES | FIDELITY | QUANTUM
    ),
    "ensemble of logits": Case(
        ClassicalToQuantum(teacher=Ensemble(Mlp((4,)), members=2)),
        FEATURES | FIDELITY | QUANTUM,
    ),
    "ensemble of probabilities": Case(
        ClassicalToHybrid(teacher=Ensemble(Mlp((4,)), members=2, mean="probabilities")),
        FIDELITY | QUANTUM,
    ),
    "quantum to quantum": Case(QuantumToQuantum(), {"surrogate-teacher"}),
    "quantum to quantum, smaller": Case(
        QuantumToQuantum(),
        FEATURES | FIDELITY | {"surrogate-teacher"},
        fixed={"qubits": 2, "teacher_qubits": 4, "teacher_depth": 2, "reduction": "average"},
    ),
    "quantum to quantum, pure": Case(
        QuantumToQuantum(FullyQuantum(), None),
        CLASSICAL | {"surrogate-teacher", "matched-teacher"},
    ),
    "self-distillation": Case(
        SelfDistillation(), CLASSICAL | {"surrogate-teacher"}, fixed={"generations": 2}
    ),
    "self-distillation, quanvolution": Case(
        SelfDistillation(Quanvolution(filters=1)),
        FIDELITY | CLASSICAL | {"matched-teacher"},
        fixed={"generations": 2},
    ),
    "classical to classical": Case(ClassicalToClassical(), FEATURES | FIDELITY | QUANTUM),
    "classical to classical, images": Case(
        ClassicalToClassical(Convolution(2), Convolution(2)), FIDELITY | QUANTUM
    ),
}
SETTINGS = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TeacherStore:
    """One store of teachers for everything: each must be told apart from all others."""
    return TeacherStore(tmp_path_factory.mktemp("teachers"))


def trial_of(study: Study, arm: str, phase: Any = "confirm") -> Trial:
    cell, made = study.cells()[0], study.arm(arm)
    replicates = study.replicates.of_confirm if phase == "confirm" else study.replicates.of_search
    config = study.config(cell, made, {}, load(study.datasets[0]).name)
    return Trial(phase, cell, made, 0, config, tuple(replicates))


def go(study: Study, trial: Trial, store: TeacherStore, replicate: int = 1000) -> RunResult:
    dataset = load(study.datasets[0])
    test = trial.phase == "confirm"
    return run(
        study.setting, trial.arm, trial.config, dataset, store, replicate=replicate, test=test
    )


# Without `transfer_agreement`, which only runs with transfer samples have.
METRICS = {c.name.removeprefix("metric.") for c in RUNS if c.name.startswith("metric.")}
METRICS -= {"transfer_agreement"}
COSTS = {c.name.removeprefix("cost.") for c in RUNS if c.name.startswith("cost.")}


def check_result(result: RunResult, arm: Arm, *, epochs: int = 2) -> None:
    """All there is to say about a run is there and a number."""
    of_teacher = {name for name in METRICS if name.startswith("teacher_")}
    entropy = {"teacher_entropy"}  # at a temperature, if a run reads one
    expected = METRICS - (entropy if arm.needs_teacher else of_teacher)
    assert result.metrics.keys() - (entropy if arm.needs_teacher else set()) == expected
    softened = {"soft", "decoupled"} & set(arm.term_names)
    assert not softened or "teacher_entropy" in result.metrics
    assert result.costs.keys() == COSTS - {"peak_rss_mb"}  # measured in the worker
    assert (result.costs["teacher_parameters"] is None) == (not arm.needs_teacher)
    numbers = {k: v for k, v in (result.metrics | result.costs).items() if v is not None}
    assert all(math.isfinite(value) for value in numbers.values()), numbers
    shares = [v for k, v in result.metrics.items() if k.endswith(("accuracy", "macro", "ece"))]
    assert all(v is not None and 0 <= v <= 1 for v in shares)
    assert [e.epoch for e in result.curve] == list(range(1, epochs + 1))
    parts = set(arm.term_names) - {"scaled cross-entropy", "label smoothing"}
    for epoch in result.curve:
        assert epoch.parts.keys() == parts
        of_losses = (*epoch.parts.values(), epoch.cross_entropy, epoch.total)
        assert all(math.isfinite(value) for value in of_losses)


# Settings and arms

#: What is refused because of the embedding, or the number of parameters, says so.
REFUSALS = {
    **dict.fromkeys(
        ("surrogate-teacher", "surrogate-student"),
        r"asks for a surrogate|a surrogate \(|a polynomial of a circuit's inputs",
    ),
    **dict.fromkeys(
        ("matched-teacher", "matched-student"), "asks for a matched|no classical model has"
    ),
    "quadratic-student": "asks for a quadratic|a polynomial of a circuit's inputs",
    "effective-student": "asks for an effective|where no reduction|no classical model has",
}


@SETTINGS
@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_runs_or_is_refused_by_the_plan(
    store: TeacherStore, case: Case, arm: str
) -> None:
    if arm in case.refused | case.refused_students:
        with pytest.raises(
            InputError, match=REFUSALS.get(arm, f"arm '{re.escape(arm)}' (compares|asks for)")
        ):
            make_plan(case.study(arm), case.dataset)
        return
    study = case.study(arm)
    plan = make_plan(study, case.dataset)
    assert (plan.runs_search, plan.runs_confirm) == (1, 2)
    assert (plan.teachers > 0) == ARMS[arm].needs_teacher
    result = go(study, trial_of(study, arm), store)
    check_result(result, ARMS[arm])
    quantum = case.setting.student_of(ARMS[arm]).quantum or (
        ARMS[arm].needs_teacher and case.setting.teacher_of(ARMS[arm]).quantum
    )
    assert result.backend == ("lightning.qubit" if quantum else "torch")
    assert (result.plan is not None) == quantum
    gates = result.costs["gates"]
    assert gates is not None
    assert (gates > 0) == quantum


NAMED = [name for name in TERMS if name != OWN]


def own_term(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    """The gap between the means of the logits."""
    return (student.logits.mean() - teacher.logits.mean()) ** 2


@pytest.mark.parametrize(
    "terms",
    [
        *((term,) for term in NAMED),
        (own_term,),
        (*NAMED, own_term),
    ],
    ids=[*NAMED, "own", "all"],
)
def test_every_loss_term_is_in_the_curve(store: TeacherStore, terms: tuple[Any, ...]) -> None:
    case = CASES["self-distillation"]
    study = case.study(Arm("terms", terms))
    make_plan(study, case.dataset)
    result = go(study, trial_of(study, "terms"), store)
    check_result(result, study.arm("terms"))
    plain = case.study("scratch")
    without = go(plain, trial_of(plain, "scratch"), store)
    assert result.curve[-1].total != without.curve[-1].total


# Data


def data(name: str) -> tuple[Any, Any, dict[str, Any]]:
    """A dataset, a setting, and what to fix for it."""
    vectors: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "xor4": ("xor4", ClassicalToHybrid(), {"qubits": 6}),
        "spirals": ("spirals", ClassicalToQuantum(), {}),
        "checkerboard": ("checkerboard", QuantumToQuantum(), {"teacher_depth": 2}),
        "digits": ("digits", QuantumToClassical(), {}),
        "digits-28x28": ("digits-28x28", ClassicalToClassical(LeNet(), Convolution(1)), {}),
        "subset": (Subset("digits", (3, 8)), QuantumToClassical(), {}),
        "subset of a subset": (
            Subset(Subset("xor4", (0, 2)), (1, 0)),
            ClassicalToQuantum(),
            {"reduction": "max"},
        ),
        "vectors": (arrays(5), ClassicalToHybrid(), {"qubits": 5, "embedding": "angle"}),
        "grey": (SMALL, QuantumToClassical(), {}),
        "colour": (COLOUR, ClassicalToHybrid(ConvNet(), HybridImage()), {"qubits": 3}),
    }
    return vectors[name]


#: What needs no download.
OFFLINE = ("digits", "digits-28x28", "xor4", "spirals", "checkerboard")


def test_every_offline_source_has_a_life_here() -> None:
    assert set(SOURCES) == {*OFFLINE, "fashion-mnist", "mnist", "cifar-10"}


@pytest.mark.parametrize(
    "name", [*OFFLINE, "subset", "subset of a subset", "vectors", "grey", "colour"]
)
def test_every_dataset(tmp_path: Path, name: str) -> None:
    entry, setting, fixed = data(name)
    case = Case(setting, set(), entry, {**fixed, "samples": 10})
    study = case.study("soft")
    assert make_plan(study, case.dataset).dataset == case.dataset.name
    result = go(study, trial_of(study, "soft"), TeacherStore(tmp_path))
    check_result(result, ARMS["soft"])


# What is kept


@pytest.mark.parametrize(
    ("case", "arm"),
    [
        pytest.param(case, arm, id=f"{arm}-{name}")
        for name, case in CASES.items()
        for arm in ("soft", "random-teacher", "fidelity")
        if arm not in case.refused
    ],
)
def test_a_teacher_from_disk_is_the_teacher_that_was_trained(
    tmp_path: Path, case: Case, arm: str
) -> None:
    study = case.study(arm)
    trial = trial_of(study, arm)
    order = TeacherSpec.of(case.setting, trial.arm, trial.config, case.dataset, 1000)
    trained = TeacherStore(tmp_path)
    first, tested = trained.get(order), trained.test_logits(order)
    again = TeacherStore(tmp_path)
    kept = again.get(order)
    assert again.seconds == 0 < trained.seconds
    for name in Outputs._fields:
        ours, theirs = getattr(first.train, name), getattr(kept.train, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)
    assert torch.equal(again.test_logits(order), tested)
    assert (kept.parameters, kept.gates, kept.backend) == (
        first.parameters,
        first.gates,
        first.backend,
    )


@SETTINGS
def test_a_students_weights_are_all_of_it(tmp_path: Path, case: Case) -> None:
    study = case.study("scratch")
    trial = trial_of(study, "scratch")
    dataset, config = case.dataset, trial.config

    def fresh(seed: int) -> Model:
        model = case.setting.student_model
        return build_model(model, config, dataset.shape, dataset.classes, seed=seed)

    student, (training, _, validation) = fresh(0), sample_splits(config, dataset, 0)
    train(
        student, training, validation, Objective(), training_config(config, ARMS["scratch"]), seed=0
    )
    whole = {name: value.contiguous() for name, value in student.state_dict().items()}
    save_file(whole, tmp_path / "student.safetensors")
    other = fresh(1)
    tests = torch.from_numpy(dataset.test_inputs())
    if config.reduction != "pca":  # which says nothing before it is fitted
        assert not torch.equal(predict(other, tests).logits, predict(student, tests).logits)
    other.load_state_dict(load_file(tmp_path / "student.safetensors"))
    assert torch.equal(predict(other, tests).logits, predict(student, tests).logits)


# What is sent


@SETTINGS
@pytest.mark.parametrize("by", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])
def test_studies_and_trials_survive_being_sent(tmp_path: Path, case: Case, by: Any) -> None:
    study = case.study("soft", Arm("own", (own_term,)))
    for arm in ("soft", "own"):
        trial = trial_of(study, arm, "search")
        there, sent = by.loads(by.dumps((study, trial)))
        assert (there, sent) == (study, trial)
        names = {
            TeacherSpec.of(of.setting, run.arm, run.config, case.dataset, 0).name()
            for of, run in ((study, trial), (there, sent))
        }
        assert len(names) == 1  # or workers would train each a teacher of their own
        here = go(study, trial, TeacherStore(tmp_path / "here"), 0)
        far = go(there, sent, TeacherStore(tmp_path / "there"), 0)
        assert far.metrics == here.metrics
        assert [dataclasses.replace(e, seconds=0) for e in far.curve] == [
            dataclasses.replace(e, seconds=0) for e in here.curve
        ]


def test_a_study_with_functions_made_in_place_is_sent_by_ray(tmp_path: Path) -> None:
    def scaled(factor: float, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return factor * own_term(student, teacher, labels)

    own = Own(lambda config, shape, classes: Linear(shape, classes))
    case = Case(ClassicalToClassical(Mlp(), own), set())
    study = case.study(Arm("own", (functools.partial(scaled, 2.0),)))
    make_plan(study, case.dataset)
    trial = trial_of(study, "own")
    there, sent = cloudpickle.loads(cloudpickle.dumps((study, trial)))
    here = go(study, trial, TeacherStore(tmp_path / "here"))
    assert go(there, sent, TeacherStore(tmp_path / "there")).metrics == here.metrics


@SETTINGS
def test_the_same_seed_gives_the_same_numbers(tmp_path: Path, case: Case) -> None:
    found = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        study = case.study("soft", seed=seed)
        result = go(study, trial_of(study, "soft"), TeacherStore(tmp_path / folder))
        found.append((result.metrics, result.curve[-1].total))
    assert found[0] == found[1] != found[2]


def sized(width: int, config: Any, shape: tuple[int, ...], classes: int) -> Model:
    return Tied(shape, classes) if width else Linear(shape, classes)


@dataclasses.dataclass(frozen=True)
class Builder:
    """A function with a value, as an object."""

    width: int

    def __call__(self, config: Any, shape: tuple[int, ...], classes: int) -> Model:
        return sized(self.width, config, shape, classes)


class Plain:
    """The same without being told what it is."""

    def __call__(self, config: Any, shape: tuple[int, ...], classes: int) -> Model:
        return Linear(shape, classes)


def teacher_name(build: Any) -> str:
    case = Case(ClassicalToClassical(teacher=Own(build)), set())
    trial = trial_of(case.study("soft"), "soft")
    return TeacherSpec.of(case.setting, trial.arm, trial.config, case.dataset, 0).name()


@pytest.mark.parametrize(
    "build",
    [
        lambda: lambda config, shape, classes: Linear(shape, classes),
        lambda: functools.partial(lambda width, *rest: sized(width, *rest), 0),
        lambda: Builder(0),
        lambda: Plain(),
    ],
    ids=["lambda", "partial", "object", "plain object"],
)
def test_an_own_teacher_has_one_name_however_often_it_is_made(build: Any) -> None:
    # Each worker makes its own: a name with an address in it would be new in every one.
    made = build()
    sent = cloudpickle.loads(cloudpickle.dumps(made))
    keep = [object() for _ in range(10)]  # so that the next is not at the same address
    assert teacher_name(made) == teacher_name(sent) == teacher_name(build()), keep


def closed(width: int) -> Any:
    """A function whose value does not show in its source."""
    return lambda config, shape, classes: sized(width, config, shape, classes)


@pytest.mark.parametrize(
    "make",
    [lambda width: functools.partial(sized, width), Builder, closed],
    ids=["partial", "object", "closure"],
)
def test_own_teachers_of_different_values_have_different_names(make: Any) -> None:
    # Else one would be handed out for the other.
    assert teacher_name(make(0)) != teacher_name(make(1))


def test_an_own_teacher_may_tie_its_weights(tmp_path: Path) -> None:
    case = Case(ClassicalToClassical(teacher=Own(functools.partial(sized, 1))), set())
    study = case.study("soft")
    make_plan(study, case.dataset)
    check_result(go(study, trial_of(study, "soft"), TeacherStore(tmp_path)), ARMS["soft"])


# Shapes


class Linear(Model):
    """A model of a study's own."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(math.prod(shape), classes)

    def prepare(self, samples: Tensor) -> Tensor:
        return samples.flatten(1)

    def forward(self, inputs: Tensor) -> Outputs:
        return Outputs(self.head(inputs), inputs)

    def head_parameters(self) -> list[torch.nn.Parameter]:
        return list(self.head.parameters())


class Tied(Linear):
    """Two names for one weight."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__(shape, classes)
        self.again = self.head


def own_model(config: Any, shape: tuple[int, ...], classes: int) -> Model:
    return Linear(shape, classes)


def node(inputs: Any, weights: Any) -> Any:
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return qml.probs(wires=0)


SPECS: list[tuple[ModelSpec, tuple[int, ...], dict[str, Any]]] = [
    (Mlp((7, 5)), (4, 4), {}),
    (Mlp(()), (3, 4, 4), {}),
    (LeNet(), (12, 12), {}),
    (LeNet(), (3, 32, 40), {}),
    (AlexNet(), (15, 15), {}),
    (AlexNet(), (3, 16, 20), {}),
    (ConvNet(), (4, 4), {}),
    (ConvNet(), (3, 9, 14), {}),
    (Convolution(2, 3, 2), (8, 9), {}),
    (Convolution(1, 1, 3), (5, 5), {}),
    (Quanvolution(2, 3, 2), (8, 9), {"qubits": 4, "embedding": "amplitude"}),
    (HybridCircuit(), (16,), {"qubits": 5}),
    (HybridCircuit(), (4, 4), {"qubits": 3, "reduction": "linear", "embedding": "angle"}),
    (FullyQuantum(), (16,), {"qubits": 5}),
    (FullyQuantum(scale=True), (3, 4, 4), {"qubits": 2, "reduction": "crop"}),
    (PatchPolynomial(2), (8, 9), {}),
    (PatchPolynomial(2, order="all"), (8, 9), {}),
    (Polynomial(), (4, 4), {"qubits": 3, "reduction": "pca"}),
    (Polynomial("all"), (4, 4), {"qubits": 3, "reduction": "crop", "embedding": "angle"}),
    (MatchedConvolution(Quanvolution(2)), (8, 9), {}),
    (MatchedMlp(), (16,), {"qubits": 4, "depth": 3}),
    (EffectiveMlp(), (16,), {"qubits": 4, "depth": 3}),
    (FourierFeatures(5), (3, 4, 4), {}),
    (HybridImage((1, 2)), (4, 5), {"qubits": 3}),
    (
        PennyLaneModel(qml.QNode(node, qml.device("default.qubit", wires=2)), {"weights": (1, 2)}),
        (2,),
        {},
    ),
    (ReuploadingCircuit(), (4, 4), {"qubits": 3, "reduction": "average"}),
    (StateCircuit(), (2, 16), {"qubits": 2}),
    (Snapshots(Mlp((3,))), (16,), {"snapshots": 5}),
    (Snapshots(observables="outcomes"), (2, 16), {"snapshots": 5}),
    (HybridImage(), (3, 8, 8), {"qubits": 1}),
    (Ensemble(Mlp((6,)), members=2), (4, 4), {}),
    (Ensemble(ConvNet(), members=2, mean="probabilities"), (8, 8), {}),
]


@pytest.mark.parametrize(
    ("of", "shape", "fixed"), SPECS, ids=[f"{of} {shape}" for of, shape, _ in SPECS]
)
def test_declared_shapes_of_features_are_those_of_the_model(
    of: ModelSpec, shape: tuple[int, ...], fixed: dict[str, Any]
) -> None:
    inner = of.of if isinstance(of, Ensemble) else of
    study = Study(question="?", setting=SelfDistillation(inner), arms=("scratch",), fixed=fixed)
    config = study.config(study.cells()[0], study.arm("scratch"), {}, "made")
    values = {**vars(config), "embedding": of.embedding(study.extremes(study.cells()[0])[0])}
    of.check(values, shape, 3)
    model = build_model(of, config, shape, 3, seed=0)
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    model.fit(x)
    outputs = predict(model, x)
    declared = of.feature_shape(values, shape)
    # The widths of these depend on the number of classes.
    assert (declared is None) == isinstance(of, MatchedMlp | EffectiveMlp | PennyLaneModel)
    assert declared is None or outputs.features.shape == (2, *declared)
    assert outputs.logits.shape == (2, 3)


def test_every_kind_of_model_has_its_shape_checked() -> None:
    from qkd_study.models import BUILDERS

    elsewhere = {Own, CachedTeacher, FrozenTeacher}  # in tests of their own
    assert {type(of) for of, _, _ in SPECS} == set(BUILDERS) - elsewhere


@pytest.mark.parametrize(
    "build", [own_model, lambda c, s, k: Linear(s, k), lambda *a: Linear(*a[1:])]
)
def test_own_models_run(tmp_path: Path, build: Any) -> None:
    setting = ClassicalToClassical(Ensemble(Own(build), members=2), Own(build))
    case = Case(setting, set())
    study = case.study("soft+features", "random-teacher")
    make_plan(study, case.dataset)
    for arm in ("soft+features", "random-teacher"):
        check_result(go(study, trial_of(study, arm), TeacherStore(tmp_path)), ARMS[arm])


# Rows


@SETTINGS
@pytest.mark.parametrize("phase", ["search", "confirm"])
def test_rows_have_the_columns_of_the_schema(store: TeacherStore, case: Case, phase: str) -> None:
    study = case.study("soft")
    trial = trial_of(study, "soft", phase)
    result = go(study, trial, store, trial.replicates[0])
    record = finished("name", "id", trial, trial.replicates[0], result, datetime.now(UTC))
    of_test = {c.name for c in RUNS if "test_" in c.name or c.name.endswith("agreement")}
    of_test = {name for name in of_test if name.startswith("metric.")}
    missing = of_test if phase == "search" else {"metric.transfer_agreement"}
    assert record.row.keys() == {c.name for c in RUNS} - missing
    known = {c.name for c in TABLES["curves"]}
    for row in record.curve:
        assert row.keys() <= known
        assert known - row.keys() == {c for c in known if c.startswith("loss.")} - {
            "loss.cross_entropy",
            "loss.total",
            "loss.soft",
        }
    for table, rows in (("runs", [record.row]), ("curves", record.curve)):
        kept = pa.Table.from_pylist(rows, schema(table)).to_pylist()
        assert [{k: row[k] for k in rows[0]} for row in kept] == rows


class Circuits(Linear):
    """It runs circuits that nobody counts."""


class Counted(Circuits):
    """It counts them itself."""

    backend, circuit_executions, circuit_gates, quantum_parameters = "a.device", 5, 7, 3


@pytest.mark.parametrize("counted", [False, True])
def test_rows_of_own_circuits_hold_no_number_that_nobody_knows(
    tmp_path: Path, counted: bool
) -> None:
    kind = Counted if counted else Circuits
    seen = []

    def build(config: Any, shape: tuple[int, ...], classes: int) -> Model:
        seen.append((config.qubits, config.depth))
        return kind(shape, classes)

    own = Own(build, is_quantum=True)
    for setting in (ClassicalToQuantum(Mlp(()), own), ClassicalToClassical(own, Mlp(()))):
        case = Case(setting, set(), fixed={"qubits": 3})
        study = case.study("soft")
        make_plan(study, case.dataset)
        trial = trial_of(study, "soft")
        result = go(study, trial, TeacherStore(tmp_path / setting.kind))
        row = finished("name", "id", trial, 1000, result, datetime.now(UTC)).row
        assert seen[-1] == (3, None)
        # What the study sets is known; what it leaves at its default, the model may never read.
        circuits = {n for n, what in PARAMETERS.items() if what.role == "circuit"}
        assert {n for n in circuits if row[f"config.{n}"] is not None} == {"qubits"}
        is_student = setting.student_model == own
        assert row["where.backend"] == ("a.device" if counted else None)
        assert row["where.plan"] is None
        assert row["cost.gates"] == (7 if counted else None)
        assert row["cost.parameters_quantum"] == (0 if not is_student else 3 if counted else None)
        assert row["cost.circuit_executions"] in ((5, 10) if counted else (None,))
        pa.Table.from_pylist([row], schema=schema("runs"))


def test_what_nobody_counts_cannot_be_minimised() -> None:
    own = Own(lambda config, shape, classes: Circuits(shape, classes), is_quantum=True)
    case = Case(ClassicalToQuantum(Mlp(()), own), set())
    for minimise in ("qubits", "gates"):
        with pytest.raises(InputError, match=f"minimise='{minimise}' needs a number that Own"):
            make_plan(case.study("scratch", minimise=minimise), case.dataset)
