"""Every parameter of a run: its meaning, its bounds, and who uses it. The one home of all three."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from types import MappingProxyType
from typing import Any, Literal

from qkd_study.common.errors import InputError, is_text, shown
from qkd_study.common.names import unknown
from qkd_study.common.python_values import as_python
from qkd_study.study.reductions import REDUCTIONS

Value = int | float | str
#: No integer parameter may be larger.
MOST = 10**9
Kind = Literal["int", "float", "choice", "text"]
Role = Literal["student", "teacher", "both", "circuit"]


@dataclass(frozen=True)
class Parameter:
    """What a value of one parameter may be.

    Attributes:
        name: as it is written in study files and, behind `config.`, in the tables.
        kind: `int`, `float`, `choice`, or `text`, which is any word without spaces.
        meaning: one sentence, with the unit where there is one.
        default: the value when a study says nothing; `None` where it follows from others.
        low, high: inclusive bounds of numbers.
        above: an exclusive lower bound.
        choices: the allowed words of a `choice`.
        terms: the loss terms that alone read this parameter; arms without any ignore it.
        cost: what a larger value costs, for parameters that buy accuracy with it.
        role: whose parameter it is; `circuit` belongs to whichever of the two is quantum.
    """

    name: str
    kind: Kind
    meaning: str
    default: Value | None
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    choices: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    cost: str | None = None
    role: Role = "student"

    @property
    def allowed(self) -> str:
        """The allowed values, in words for a message."""
        if self.kind == "choice":
            return "one of " + ", ".join(repr(choice) for choice in self.choices)
        if self.kind == "text":
            return "a word without spaces"
        noun = "an integer" if self.kind == "int" else "a number"
        bounds = []
        if self.above > -math.inf:
            bounds.append(f"> {self.above:g}")
        if self.low > -math.inf:
            bounds.append(f">= {self.low:g}")
        if self.high < math.inf:
            bounds.append(f"<= {self.high:g}")
        return " and ".join([f"{noun} {bounds[0]}", *bounds[1:]]) if bounds else noun

    def check(self, value: object) -> Value:
        """Return `value` in the parameter's type.

        Raises:
            InputError: the value has another type or lies outside the bounds.
        """
        value = as_python(value)
        problem = f"{self.name} must be {self.allowed}, but got {self.name}={shown(value)}."
        if self.kind == "choice":
            if not isinstance(value, str) or value not in self.choices:
                raise InputError(problem)
            return str(value)
        if self.kind == "text":
            if not is_text(value) or not value.isprintable() or " " in value:
                raise InputError(problem)
            return str(value)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise InputError(problem)
        try:
            number = float(value)
        except OverflowError:
            raise InputError(problem) from None
        if self.kind == "int" and number > MOST:
            raise InputError(f"{problem[:-1]}, more than {MOST:,}.")
        fits = self.low <= number <= self.high and number > self.above
        if not fits or not math.isfinite(number) or (self.kind == "int" and number % 1):
            raise InputError(problem)
        return int(number) if self.kind == "int" else number


def _parameter(kind: Kind, default: Value | None, meaning: str, **bounds: Any) -> Any:
    return field(metadata={"kind": kind, "default": default, "meaning": meaning, **bounds})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every resolved parameter of one run. The columns `config.*` of the tables are its fields.

    `None` means that nothing in the run reads the parameter.
    """

    dataset: str = field(metadata={"meaning": "the dataset that the run was trained on"})
    samples: int = _parameter(
        "int",
        100,
        "training samples K of the student",
        low=2,
        cost="more data always helps accuracy",
    )
    teacher_samples: int = _parameter(
        "int",
        None,
        "training samples M of the teacher; K of them are the student's. Default: as many as K",
        low=2,
        role="teacher",
        cost="a teacher with more data is a better one",
    )
    validation_samples: int = _parameter(
        "int",
        400,
        "samples held out to choose the epoch and the configuration",
        low=10,
        role="both",
    )
    temperature: float | None = _parameter(
        "float",
        4.0,
        "softmax temperature T of the soft targets, also of those that teach a later generation",
        above=0,
        high=1000,
        terms=("soft", "decoupled"),
    )
    weight_soft: float = _parameter(
        "float",
        1.0,
        "weight of the soft-target term T^2 KL(teacher, student)",
        low=0,
        terms=("soft",),
    )
    weight_features: float = _parameter(
        "float",
        1.0,
        "weight of the mean squared error between the feature maps",
        low=0,
        terms=("features",),
    )
    weight_target: float = _parameter(
        "float",
        1.0,
        "weight of the target-class part of decoupled distillation (alpha)",
        low=0,
        terms=("decoupled",),
    )
    weight_nontarget: float = _parameter(
        "float",
        4.0,
        "weight of the part among the other classes of decoupled distillation (beta)",
        low=0,
        terms=("decoupled",),
    )
    weight_distances: float = _parameter(
        "float",
        1.0,
        "weight of the relational term on distances between samples",
        low=0,
        terms=("distances",),
    )
    weight_angles: float = _parameter(
        "float",
        2.0,
        "weight of the relational term on angles between samples",
        low=0,
        terms=("angles",),
    )
    weight_fidelity: float = _parameter(
        "float",
        1.0,
        "weight of one minus the fidelity of the circuits' final states",
        low=0,
        terms=("fidelity",),
    )
    weight_own: float = _parameter(
        "float", 1.0, "weight of the study's own loss term", low=0, terms=("own",)
    )
    label_smoothing: float = _parameter(
        "float",
        0.1,
        "share of the label spread over all classes",
        low=0,
        high=0.999,
        terms=("label smoothing",),
    )
    scale_cross_entropy: float = _parameter(
        "float",
        3.0,
        "factor on the cross-entropy; 1 but for the control arm that scales it",
        above=0,
        terms=("scaled cross-entropy",),
    )
    optimizer: str = _parameter(
        "choice",
        "adam",
        "optimiser of the student; teachers use adam",
        choices=("adam", "adamw", "sgd"),
    )
    momentum: float | None = _parameter("float", 0.9, "momentum of sgd", low=0, high=1)
    weight_decay: float | None = _parameter("float", 0.01, "decay of adamw", low=0)
    schedule: str = _parameter(
        "choice",
        "constant",
        "step size over the epochs; cosine: falls to 0 along half a cosine",
        choices=("constant", "cosine"),
    )
    epoch_choice: str = _parameter(
        "choice",
        "best",
        "which epoch's weights the student keeps: the best on validation, or the last",
        choices=("best", "last"),
    )
    learning_rate: float = _parameter(
        "float", 3e-3, "step size of the student's optimiser", above=0
    )
    epochs: int = _parameter(
        "int",
        100,
        "passes of the student over its K samples",
        low=1,
        cost="longer training costs time",
    )
    batch_size: int = _parameter(
        "int", 32, "samples per step of the student; teachers use 32", low=1
    )
    teacher_learning_rate: float = _parameter(
        "float", 1e-2, "step size of the teacher's optimiser", above=0, role="teacher"
    )
    teacher_epochs: int = _parameter(
        "int", 100, "passes of the teacher over its M samples", low=1, role="teacher"
    )
    generations: int = _parameter(
        "int",
        1,
        "teachers in a row: each but the first was itself taught, with soft targets, by the last",
        low=1,
        role="teacher",
        cost="every generation is a training more",
    )
    teacher_qubits: int | None = _parameter(
        "int",
        None,
        "qubits of the teacher where student and teacher are quantum. Default: as the student's",
        low=1,
        high=64,
        role="teacher",
        cost="a wider teacher costs twice the time per qubit",
    )
    teacher_depth: int | None = _parameter(
        "int",
        None,
        "depth of the teacher where student and teacher are quantum. Default: as the student's",
        low=1,
        role="teacher",
        cost="a deeper teacher costs time",
    )
    teacher_reduction: str | None = _parameter(
        "choice",
        None,
        "reduction of the teacher where student and teacher are quantum. Default: as the student's",
        choices=REDUCTIONS,
        role="teacher",
    )
    label_noise: float = _parameter(
        "float",
        0.0,
        "share of the training labels that are replaced by a wrong one",
        low=0,
        high=1,
        role="both",
    )
    ansatz: str | None = _parameter(
        "choice",
        "hardware-efficient",
        "trainable gates of a circuit; quanvolutions have their own",
        choices=(
            "hardware-efficient",
            "hardware-efficient-chain",
            "strongly-entangling",
            "brickwork",
            "arbitrary",
            "random",
        ),
        role="circuit",
    )
    reduction: str | None = _parameter(
        "choice",
        "none",
        "how a sample's inputs become as many features as the circuit takes; linear is trained",
        choices=REDUCTIONS,
        role="circuit",
    )
    embedding: str | None = _parameter(
        "choice",
        "auto",
        "how features enter the circuit; auto: in quanvolutions angle where pixels have a qubit "
        "each, else amplitude",
        choices=("auto", "angle", "amplitude", "basis"),
        role="circuit",
    )
    angle_range: float | None = _parameter(
        "float",
        math.pi / 2,
        "rotation angle of a feature of value 1 under angle embedding, in radians",
        above=0,
        high=2 * math.pi,
        role="circuit",
    )
    qubits: int | None = _parameter(
        "int",
        4,
        "qubits of the circuit: the student's if it is quantum, else the teacher's",
        low=1,
        high=64,
        role="circuit",
        cost="a wider circuit has more parameters and costs twice the time per qubit",
    )
    depth: int | None = _parameter(
        "int",
        1,
        "repetitions of the circuit's trainable block; of the student's if it is quantum",
        low=1,
        role="circuit",
        cost="a deeper circuit has more parameters and costs time",
    )
    device: str | None = _parameter(
        "text",
        "lightning.qubit",
        "PennyLane device that runs the circuits",
        role="circuit",
    )
    precision: str | None = _parameter(
        "choice",
        "complex128",
        "precision of the circuit's amplitudes",
        choices=("complex128", "complex64"),
        role="circuit",
    )
    plan: str | None = _parameter(
        "choice",
        "auto",
        "how a batch runs on the device, but in quanvolutions; auto: by a fixed rule",
        choices=("auto", "register", "matrix", "plain"),
        role="circuit",
    )
    seed: int = field(
        metadata={"meaning": "the study's seed; with the replicate it fixes all draws"}
    )


#: Every parameter that a study file may fix, cross as a factor, or search, by name.
PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {f.name: Parameter(f.name, **f.metadata) for f in fields(Config) if "kind" in f.metadata}
)


def parameter(name: object) -> Parameter:
    """The parameter called `name`.

    Raises:
        InputError: there is none; the message names what is near, or lists those there are.
    """
    if isinstance(name, str) and name in PARAMETERS:
        return PARAMETERS[name]
    raise InputError(unknown("parameter", name, PARAMETERS))
