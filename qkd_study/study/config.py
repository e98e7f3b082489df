"""Every parameter of a run and every term of the loss: the one record of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from qkd_study.common.errors import InputError
from qkd_study.common.names import unknown
from qkd_study.study.parameters import Parameter, Term, Value, parameters_of, terms_of
from qkd_study.study.reductions import REDUCTIONS

#: Activation functions of classical models; `qkd_study.models.activations` has the functions.
ACTIVATIONS = ("auto", "tanh", "relu", "gelu", "identity")
#: The name of a term that is a function of the study's own.
OWN = "own"


def _parameter(default: Value | None, meaning: str, **more: Any) -> Any:
    """A field that is a `Parameter`; `term` declares a term of the loss beside it."""
    return field(metadata={"default": default, "meaning": meaning, **more})


def _weight(default: float, term: Term) -> Any:
    """A field that is the weight of a term."""
    return _parameter(default, f"weight of {term.meaning}", low=0, term=term)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every resolved parameter of one run. The columns `config.*` of the tables are its fields.

    `None` means that nothing in the run reads the parameter.
    """

    dataset: str = _parameter(
        None, "the dataset of the run", role="both", decides_fit=True, changes_time=True
    )
    samples: int = _parameter(
        100,
        "training samples K of the student",
        low=2,
        cost="more data always helps accuracy",
        decides_fit=True,
        changes_time=True,
    )
    teacher_samples: int = _parameter(
        None,
        "training samples M of the teacher; K of them are the student's. Default: as many as K",
        low=2,
        role="teacher",
        cost="a teacher with more data is a better one",
        decides_fit=True,
        follows="samples",
        changes_time=True,
    )
    validation_samples: int = _parameter(
        400,
        "samples held out to choose the epoch and the configuration",
        low=10,
        role="both",
        decides_fit=True,
        changes_time=True,
    )
    validation_share: float = _parameter(
        0.0,
        "validation samples as a share of K, rounded, at least 1; 0: `validation_samples`",
        low=0,
        high=10,
        role="both",
        decides_fit=True,
        changes_time=True,
    )
    transfer_samples: int | None = _parameter(
        0,
        "unlabelled samples of the pool, beside the K, on which only the distillation terms act",
        low=0,
        unlabelled=True,
        cost="every one asks the teacher once more",
        decides_fit=True,
        changes_time=True,
    )
    temperature: float | None = _parameter(
        4.0,
        "softmax temperature T of the soft targets, also of those that teach a later generation",
        above=0,
        high=1000,
    )
    weight_soft: float = _weight(
        1.0,
        Term(
            "soft",
            "soft targets, T^2 KL(teacher, student)",
            "nats",
            "logits",
            reads=("temperature",),
        ),
    )
    weight_features: float = _weight(
        1.0,
        Term(
            "features",
            "the mean squared error between the feature maps",
            compares="features",
            same_shape=True,
        ),
    )
    weight_target: float = _parameter(
        1.0,
        "weight of the target-class part of decoupled distillation (alpha)",
        low=0,
        term=Term(
            "decoupled",
            "decoupled distillation, T^2 (alpha TCKD + beta NCKD)",
            "nats",
            compares="logits",
            labels=True,
            reads=("temperature", "weight_target", "weight_nontarget"),
        ),
    )
    weight_nontarget: float = _parameter(
        4.0, "weight of the part among the other classes of decoupled distillation (beta)", low=0
    )
    weight_distances: float = _weight(
        1.0,
        Term("distances", "the relational term on distances between samples", compares="features"),
    )
    weight_angles: float = _weight(
        2.0, Term("angles", "the relational term on angles between samples", compares="features")
    )
    weight_fidelity: float = _weight(
        1.0,
        Term(
            "fidelity",
            "one minus the fidelity of the circuits' final states",
            compares="state",
            same_shape=True,
        ),
    )
    weight_own: float = _weight(
        1.0, Term(OWN, "the study's own loss term", compares="outputs", labels=True)
    )
    label_smoothing: float = _parameter(
        0.1,
        "share of the label spread over all classes",
        low=0,
        high=0.999,
        term=Term("label smoothing"),
    )
    scale_cross_entropy: float = _parameter(
        3.0, "factor on the cross-entropy", above=0, neutral=1.0, term=Term("scaled cross-entropy")
    )
    optimizer: str = _parameter(
        "adam",
        "optimiser of the student; teachers use adam",
        choices=("adam", "adamw", "sgd"),
        changes_time=True,
    )
    momentum: float | None = _parameter(
        0.9, "momentum of sgd", low=0, high=1, only_with=("optimizer", ("sgd",))
    )
    weight_decay: float | None = _parameter(
        0.01, "decay of adamw", low=0, only_with=("optimizer", ("adamw",))
    )
    schedule: str = _parameter(
        "constant",
        "step size over the epochs; cosine: falls to 0 along half a cosine",
        choices=("constant", "cosine"),
    )
    epoch_choice: str = _parameter(
        "best",
        "which epoch's weights the student keeps: the best on validation, or the last, of which "
        "alone there is a validation then; teachers keep the best",
        choices=("best", "last"),
        changes_time=True,
    )
    validate_every: int | None = _parameter(
        1,
        "epochs between validations; the last epoch is always validated, and epochs are chosen "
        "from those that are",
        low=1,
        role="both",
        changes_time=True,
        only_with=("epoch_choice", ("best",)),
    )
    learning_rate: float = _parameter(3e-3, "step size of the student's optimiser", above=0)
    epochs: int = _parameter(
        100,
        "passes of the student over its K samples",
        low=1,
        cost="longer training costs time",
        changes_time=True,
    )
    batch_size: int = _parameter(
        32, "samples per step of the student; teachers use 32", low=1, changes_time=True
    )
    teacher_learning_rate: float = _parameter(
        1e-2, "step size of the teacher's optimiser", above=0, role="teacher"
    )
    teacher_epochs: int = _parameter(
        100, "passes of the teacher over its M samples", low=1, role="teacher", changes_time=True
    )
    generations: int = _parameter(
        1,
        "teachers in a row: each but the first was itself taught, with soft targets, by the last",
        low=1,
        role="teacher",
        cost="every generation is a training more",
        changes_time=True,
    )
    teacher_qubits: int | None = _parameter(
        None,
        "qubits of the teacher where student and teacher are quantum. Default: as the student's",
        low=1,
        high=64,
        role="teacher",
        cost="a wider teacher costs twice the time per qubit",
        decides_fit=True,
        follows="qubits",
        changes_time=True,
    )
    teacher_depth: int | None = _parameter(
        None,
        "depth of the teacher where student and teacher are quantum. Default: as the student's",
        low=1,
        role="teacher",
        cost="a deeper teacher costs time",
        decides_fit=True,
        follows="depth",
        changes_time=True,
    )
    teacher_reduction: str | None = _parameter(
        None,
        "reduction of the teacher where student and teacher are quantum. Default: as the student's",
        choices=REDUCTIONS,
        role="teacher",
        decides_fit=True,
        follows="reduction",
    )
    activation: str | None = _parameter(
        "auto",
        "activation function of a classical student; auto: that of the model's declaration",
        choices=ACTIVATIONS,
        role="network",
        changes_time=True,
    )
    hidden: int | None = _parameter(
        None,
        "width of every hidden layer of a student that is an Mlp. Default: as it declares",
        low=1,
        role="network",
        decides_fit=True,
        changes_time=True,
    )
    dropout: float | None = _parameter(
        0.0,
        "share of the hidden units of a classical student that a step leaves out",
        low=0,
        high=0.95,
        role="network",
        changes_time=True,
    )
    teacher_activation: str | None = _parameter(
        "auto",
        "activation function of a classical teacher; auto: that of the model's declaration",
        choices=ACTIVATIONS,
        role="teacher",
        changes_time=True,
    )
    teacher_hidden: int | None = _parameter(
        None,
        "width of every hidden layer of a teacher that is an Mlp. Default: as it declares",
        low=1,
        role="teacher",
        decides_fit=True,
        changes_time=True,
    )
    teacher_dropout: float | None = _parameter(
        0.0,
        "share of the hidden units of a classical teacher that a step leaves out",
        low=0,
        high=0.95,
        role="teacher",
        changes_time=True,
    )
    label_noise: float = _parameter(
        0.0,
        "share of the training labels that are replaced by a wrong one",
        low=0,
        high=1,
        role="both",
    )
    ansatz: str | None = _parameter(
        "hardware-efficient",
        "trainable gates of a circuit; quanvolutions have their own",
        choices=(
            "hardware-efficient",
            "hardware-efficient-chain",
            "hardware-efficient-minimal",
            "strongly-entangling",
            "strongly-entangling-minimal",
            "brickwork",
            "brickwork-minimal",
            "arbitrary",
            "random",
        ),
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    reduction: str | None = _parameter(
        "none",
        "how a sample's inputs become as many features as the circuit takes; linear is trained",
        choices=REDUCTIONS,
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    features: int | None = _parameter(
        0,
        "features that a reduction returns; 0: as many as the embedding takes",
        low=0,
        role="circuit",
        decides_fit=True,
    )
    embedding: str | None = _parameter(
        "auto",
        "how features enter the circuit; auto: in quanvolutions angle where pixels have a qubit "
        "each, else amplitude",
        choices=("auto", "angle", "amplitude", "basis"),
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    angle_range: float | None = _parameter(
        math.pi / 2,
        "rotation angle of a feature of value 1 under angle embedding, in radians",
        above=0,
        high=2 * math.pi,
        role="circuit",
        unit="radians",
        only_with=("embedding", ("angle", "auto")),  # auto: of a model that resolves it itself
    )
    qubits: int | None = _parameter(
        4,
        "qubits of the circuit: the student's if it is quantum, else the teacher's",
        low=1,
        high=64,
        role="circuit",
        cost="a wider circuit has more parameters and costs twice the time per qubit",
        decides_fit=True,
        changes_time=True,
    )
    depth: int | None = _parameter(
        1,
        "repetitions of the circuit's trainable block; of the student's if it is quantum",
        low=1,
        role="circuit",
        cost="a deeper circuit has more parameters and costs time",
        decides_fit=True,
        changes_time=True,
    )
    device: str | None = _parameter(
        "lightning.qubit",
        "PennyLane device that runs the circuits",
        role="circuit",
        decides_fit=True,
        changes_time=True,
    )
    precision: str | None = _parameter(
        "complex128",
        "precision of the circuit's amplitudes",
        choices=("complex128", "complex64"),
        role="circuit",
        changes_time=True,
    )
    plan: str | None = _parameter(
        "auto",
        "how a batch runs on the device, but in quanvolutions; auto: by a fixed rule",
        choices=("auto", "register", "matrix", "plain"),
        role="circuit",
        changes_time=True,
    )
    seed: int = field(
        metadata={"meaning": "the study's seed; with the replicate it fixes all draws"}
    )


#: Every term of the loss, by name, in the order of the tables' columns.
TERMS: Mapping[str, Term] = MappingProxyType({term.name: term for term in terms_of(Config)})
#: Every parameter that a study file may fix, cross as a factor, or search, by name.
PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {p.name: p for p in parameters_of(Config, TERMS)}
)


def parameter(name: object) -> Parameter:
    """The parameter called `name`.

    Raises:
        InputError: there is none; the message names what is near, or lists those there are.
    """
    if isinstance(name, str) and name in PARAMETERS:
        return PARAMETERS[name]
    raise InputError(unknown("parameter", name, PARAMETERS))
