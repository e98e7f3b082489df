"""Every parameter of a run and every term of the loss: the one record of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from qkd_study.common.errors import InputError
from qkd_study.common.names import unknown
from qkd_study.study.circuit_parameters import (
    ANSATZE,
    EMBEDDINGS,
    MITIGATIONS,
    NOISE_PLACES,
    CircuitParameters,
)
from qkd_study.study.parameters import (
    Parameter,
    Term,
    parameter_field,
    parameters_of,
    terms_of,
    weight_field,
)
from qkd_study.study.reductions import REDUCTIONS

#: Activation functions of classical models; `qkd_study.models.activations` has the functions.
ACTIVATIONS = ("auto", "tanh", "relu", "gelu", "identity")
#: The name of a term that is a function of the study's own.
OWN = "own"


@dataclass(frozen=True, kw_only=True)
class RunParameters:
    """The fields of `Config` that say what is trained, on what, and how."""

    dataset: str = parameter_field(
        None, "the dataset of the run", role="both", decides_fit=True, changes_time=True
    )
    samples: int = parameter_field(
        100,
        "training samples K of the student",
        low=2,
        cost="more data always helps accuracy",
        decides_fit=True,
        changes_time=True,
    )
    teacher_samples: int = parameter_field(
        None,
        "training samples M of the teacher; K of them are the student's. Default: as many as K",
        low=2,
        role="teacher",
        cost="a teacher with more data is a better one",
        decides_fit=True,
        follows="samples",
        changes_time=True,
    )
    validation_samples: int = parameter_field(
        400,
        "samples held out to choose the epoch and the configuration; 0: none, for fixed "
        "configurations and the last epoch",
        low=0,
        role="both",
        decides_fit=True,
        changes_time=True,
    )
    validation_share: float = parameter_field(
        0.0,
        "validation samples as a share of K, rounded, at least 1; 0: `validation_samples`",
        low=0,
        high=10,
        role="both",
        decides_fit=True,
        changes_time=True,
    )
    transfer_samples: int | None = parameter_field(
        0,
        "unlabelled samples of the pool, beside the K, on which only the distillation terms act",
        low=0,
        unlabelled=True,
        cost="every one asks the teacher once more",
        decides_fit=True,
        changes_time=True,
    )
    temperature: float | None = parameter_field(
        4.0,
        "softmax temperature T of the soft targets, also of those that teach a later generation",
        above=0,
        high=1000,
    )
    weight_soft: float = weight_field(
        1.0,
        Term(
            "soft",
            "soft targets, T^2 KL(teacher, student)",
            "nats",
            "logits",
            reads=("temperature",),
        ),
    )
    weight_features: float = weight_field(
        1.0,
        Term(
            "features",
            "the mean squared error between the feature maps",
            compares="features",
            same_shape=True,
        ),
    )
    weight_target: float = parameter_field(
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
    weight_nontarget: float = parameter_field(
        4.0, "weight of the part among the other classes of decoupled distillation (beta)", low=0
    )
    weight_distances: float = weight_field(
        1.0,
        Term("distances", "the relational term on distances between samples", compares="features"),
    )
    weight_angles: float = weight_field(
        2.0, Term("angles", "the relational term on angles between samples", compares="features")
    )
    weight_fidelity: float = weight_field(
        1.0,
        Term(
            "fidelity",
            "one minus the fidelity of the circuits' final states",
            compares="state",
            same_shape=True,
        ),
    )
    weight_own: float = weight_field(
        1.0, Term(OWN, "the study's own loss term", compares="outputs", labels=True)
    )
    label_smoothing: float = parameter_field(
        0.1,
        "share of the label spread over all classes",
        low=0,
        high=0.999,
        term=Term("label smoothing"),
    )
    scale_cross_entropy: float = parameter_field(
        3.0, "factor on the cross-entropy", above=0, neutral=1.0, term=Term("scaled cross-entropy")
    )
    optimizer: str = parameter_field(
        "adam",
        "optimiser of the student; teachers use adam",
        choices=("adam", "adamw", "sgd"),
        changes_time=True,
    )
    momentum: float | None = parameter_field(
        0.9, "momentum of sgd", low=0, high=1, only_with=("optimizer", ("sgd",))
    )
    weight_decay: float | None = parameter_field(
        0.01, "decay of adamw", low=0, only_with=("optimizer", ("adamw",))
    )
    schedule: str = parameter_field(
        "constant",
        "step size over the epochs; cosine: falls to 0 along half a cosine",
        choices=("constant", "cosine"),
    )
    epoch_choice: str = parameter_field(
        "best",
        "which epoch's weights the student keeps: the best on validation, or the last, of which "
        "alone there is a validation then; teachers keep the best, or without validation samples "
        "the last",
        choices=("best", "last"),
        changes_time=True,
    )
    validate_every: int | None = parameter_field(
        1,
        "epochs between validations; the last epoch is always validated, and epochs are chosen "
        "from those that are",
        low=1,
        role="both",
        changes_time=True,
        only_with=("epoch_choice", ("best",)),
    )
    learning_rate: float = parameter_field(3e-3, "step size of the student's optimiser", above=0)
    epochs: int = parameter_field(
        100,
        "passes of the student over its K samples",
        low=1,
        cost="longer training costs time",
        changes_time=True,
    )
    batch_size: int = parameter_field(
        32, "samples per step of the student; teachers use 32", low=1, changes_time=True
    )
    teacher_learning_rate: float = parameter_field(
        1e-2, "step size of the teacher's optimiser", above=0, role="teacher"
    )
    teacher_epochs: int = parameter_field(
        100, "passes of the teacher over its M samples", low=1, role="teacher", changes_time=True
    )
    generations: int = parameter_field(
        1,
        "teachers in a row: each but the first was itself taught, with soft targets, by the last",
        low=1,
        role="teacher",
        cost="every generation is a training more",
        changes_time=True,
    )
    teacher_qubits: int | None = parameter_field(
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
    teacher_depth: int | None = parameter_field(
        None,
        "depth of the teacher where student and teacher are quantum. Default: as the student's",
        low=1,
        role="teacher",
        cost="a deeper teacher costs time",
        decides_fit=True,
        follows="depth",
        changes_time=True,
    )
    teacher_reduction: str | None = parameter_field(
        None,
        "reduction of the teacher where student and teacher are quantum. Default: as the student's",
        choices=REDUCTIONS,
        role="teacher",
        decides_fit=True,
        follows="reduction",
    )
    teacher_ansatz: str | None = parameter_field(
        None,
        "ansatz of the teacher where student and teacher are quantum. Default: as the student's",
        choices=ANSATZE,
        role="teacher",
        decides_fit=True,
        follows="ansatz",
        changes_time=True,
    )
    teacher_embedding: str | None = parameter_field(
        None,
        "embedding of the teacher where student and teacher are quantum. Default: as the student's",
        choices=EMBEDDINGS,
        role="teacher",
        decides_fit=True,
        follows="embedding",
        changes_time=True,
    )
    teacher_shots: int | None = parameter_field(
        None,
        "how often a teacher's circuit is measured for one sample in training; left out: exact "
        "values and gradients",
        low=1,
        role="teacher",
        optional=True,
        cost="every shot is one more measurement",
        changes_time=True,
    )
    teacher_test_shots: int | None = parameter_field(
        None,
        "the same of a trained teacher: for validation, test and what its student gets; left out: "
        "exact values",
        low=1,
        role="teacher",
        optional=True,
        cost="every shot is one more measurement",
        changes_time=True,
    )
    teacher_noise_scale: float | None = parameter_field(
        None,
        "noise_scale of the teacher where student and teacher are quantum. Default: the student's",
        low=0,
        role="teacher",
        decides_fit=True,
        follows="noise_scale",
        changes_time=True,
    )
    teacher_noise_in: str | None = parameter_field(
        None,
        "noise_in of the teacher where student and teacher are quantum. Default: the student's",
        choices=NOISE_PLACES,
        role="teacher",
        follows="noise_in",
        changes_time=True,
    )
    teacher_mitigation: str | None = parameter_field(
        None,
        "mitigation of the teacher where student and teacher are quantum. Default: the student's",
        choices=MITIGATIONS,
        role="teacher",
        decides_fit=True,
        follows="mitigation",
        changes_time=True,
    )
    activation: str | None = parameter_field(
        "auto",
        "activation function of a classical student; auto: that of the model's declaration",
        choices=ACTIVATIONS,
        role="network",
        changes_time=True,
    )
    hidden: int | None = parameter_field(
        None,
        "width of every hidden layer of a student that is an Mlp. Default: as it declares",
        low=1,
        role="network",
        decides_fit=True,
        changes_time=True,
    )
    dropout: float | None = parameter_field(
        0.0,
        "share of the hidden units of a classical student that a step leaves out",
        low=0,
        high=0.95,
        role="network",
        changes_time=True,
    )
    teacher_activation: str | None = parameter_field(
        "auto",
        "activation function of a classical teacher; auto: that of the model's declaration",
        choices=ACTIVATIONS,
        role="teacher",
        changes_time=True,
    )
    teacher_hidden: int | None = parameter_field(
        None,
        "width of every hidden layer of a teacher that is an Mlp. Default: as it declares",
        low=1,
        role="teacher",
        decides_fit=True,
        changes_time=True,
    )
    teacher_dropout: float | None = parameter_field(
        0.0,
        "share of the hidden units of a classical teacher that a step leaves out",
        low=0,
        high=0.95,
        role="teacher",
        changes_time=True,
    )
    label_noise: float = parameter_field(
        0.0,
        "share of the training labels that are replaced by a wrong one",
        low=0,
        high=1,
        role="both",
    )


@dataclass(frozen=True, kw_only=True)
class Config(CircuitParameters, RunParameters):
    """Every resolved parameter of one run. The columns `config.*` of the tables are its fields.

    `None` means that nothing in the run reads the parameter.
    """

    own: ClassVar[tuple[Parameter, ...]] = ()  # see `own_parameters.config_kind`

    seed: int = field(
        metadata={"meaning": "the study's seed; with the replicate it fixes all draws"}
    )


#: Every term of the loss, by name, in the order of the tables' columns.
TERMS: Mapping[str, Term] = MappingProxyType({term.name: term for term in terms_of(Config)})
#: Every parameter that a study file may fix, cross as a factor, or search, by name.
PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {p.name: p for p in parameters_of(Config, TERMS)}
)


def parameter(name: object, known: Mapping[str, Parameter] = PARAMETERS) -> Parameter:
    """The parameter called `name`.

    Raises:
        InputError: `known` has none; the message names what is near, or lists those there are.
    """
    if isinstance(name, str) and name in known:
        return known[name]
    raise InputError(unknown("parameter", name, known))
