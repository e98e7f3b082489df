"""Settings: who teaches whom. `qkd_study.models` builds the models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.arms import Arm
from qkd_study.study.canonical import LATER
from qkd_study.study.circuits import FullyQuantum, HybridCircuit, Quanvolution
from qkd_study.study.controls import counterpart
from qkd_study.study.external import ExternalTeacher
from qkd_study.study.field_checks import check_bool, check_field, check_positive_int
from qkd_study.study.models import Convolution, Ensemble, Mlp, ModelSpec, Own
from qkd_study.study.setting import Setting


def _models(setting: object, *names: str) -> None:
    for name in names:
        value = getattr(setting, name)
        fits = isinstance(value, ModelSpec) or (name == "classical" and value is None)
        check_field(setting, name, fits, "a model such as Mlp()")
        if isinstance(value, Ensemble) and isinstance(value.of, ExternalTeacher):
            raise InputError(
                f"the members of an Ensemble are trained, but {type(value.of).__name__} was "
                f"trained elsewhere. Average the outputs in its module or file."
            )
        if name != "teacher" and isinstance(value, Ensemble | ExternalTeacher):
            article = "a" if isinstance(value, ExternalTeacher) else "an"
            raise InputError(
                f"{article} {type(value).__name__} can only teach, but stands as {name}: "
                f"{safe_repr(value)}."
            )


def _check_kind(setting: object, name: str, *, quantum: bool) -> None:
    """Check that a model of a setting is quantum, or classical."""
    model = getattr(setting, name)
    where = f"{name} of {type(setting).__name__}"
    if quantum and not (model.quantum or isinstance(model, ExternalTeacher)):
        more = " with is_quantum=True" if isinstance(model, Own) else ""
        raise InputError(
            f"{where} must be a quantum model{more}, such as Quanvolution(), HybridCircuit(), "
            f"ReuploadingCircuit() or FullyQuantum(), but {safe_repr(model)} is classical. "
            f"ClassicalToClassical(teacher, student) has a classical teacher."
        )
    if not quantum and model.quantum:
        raise InputError(
            f"{where} must be a classical model, such as Mlp(), Convolution(), ConvNet(), LeNet() "
            f"or AlexNet(), but {safe_repr(model)} runs circuits. QuantumToQuantum(model) has a "
            f"quantum teacher and student."
        )


class _Pair(Setting):
    """A setting with a declared teacher and a declared student."""

    teacher: ModelSpec
    student: ModelSpec

    def __post_init__(self) -> None:
        _models(self, "teacher", "student")

    @property
    def student_model(self) -> ModelSpec:
        return self.student

    @property
    def teacher_model(self) -> ModelSpec:
        return self.teacher


class _Alike(Setting):
    """A setting with one declared model for both."""

    model: ModelSpec

    @property
    def student_model(self) -> ModelSpec:
        return self.model

    @property
    def teacher_model(self) -> ModelSpec:
        return self.model


@dataclass(frozen=True)
class QuantumToClassical(Setting):
    """A quantum model teaches a classical one, by default a quanvolution a convolution.

    By default, teacher and student share one architecture (Piperno et al., Q2C): one layer of
    `filters` kernels of `kernel` x `kernel` pixels, then a linear layer to the classes. The
    teacher's kernels are circuits (Henderson et al., arXiv:1904.04767), the student's are
    convolutions with tanh.

    Attributes:
        filters: kernels of the first layer; this and the next three are of the default models.
        kernel: their width and height, in pixels.
        stride: pixels between neighbouring patches.
        trainable: whether the teacher's circuits are trained, or random and frozen.
        teacher: any quantum model, or one that was trained elsewhere. Default: a quanvolution; if
            the student is a convolution, one like it.
        student: any classical model. Default: a convolution; if the teacher is a quanvolution, one
            like it.
        classical: the teacher's classical counterpart, for the control. Default: see
            `counterpart`.
    """

    filters: int = 3
    kernel: int = 2
    stride: int = 2
    trainable: bool = True
    teacher: ModelSpec | None = field(default=None, metadata=LATER)
    student: ModelSpec | None = field(default=None, metadata=LATER)
    classical: ModelSpec | None = field(default=None, metadata=LATER)

    kind: ClassVar[str] = "quantum to classical"

    def __post_init__(self) -> None:
        keep_python_values(self)
        check_positive_int(self, "filters", "kernel", "stride")
        check_bool(self, "trainable")
        names = ("teacher", "student", "classical")
        given = [name for name in names if getattr(self, name) is not None]
        _models(self, *given)
        for name in given:
            _check_kind(self, name, quantum=name == "teacher")
        if self.teacher is None and self.student is None:
            return
        for name in ("filters", "kernel", "stride", "trainable"):
            value = getattr(self, name)
            if value != getattr(type(self), name):
                raise InputError(
                    f"{name}={value!r} of QuantumToClassical is of its default models, but a "
                    f"teacher or student was given: write it there, as in teacher="
                    f"Quanvolution({name}={value!r})."
                )

    @property
    def student_model(self) -> ModelSpec:
        """The given student, or a convolution."""
        if self.student is not None:
            return self.student
        if isinstance(self.teacher, Quanvolution):
            return Convolution(self.teacher.filters, self.teacher.kernel, self.teacher.stride)
        return Convolution(self.filters, self.kernel, self.stride)

    @property
    def teacher_model(self) -> ModelSpec:
        """The given teacher, or a quanvolution."""
        if self.teacher is not None:
            return self.teacher
        if isinstance(self.student, Convolution):
            return Quanvolution(self.student.filters, self.student.kernel, self.student.stride)
        return Quanvolution(self.filters, self.kernel, self.stride, self.trainable)

    @property
    def classical_teacher(self) -> ModelSpec | None:
        """The given counterpart of the teacher, or the derived one."""
        return counterpart(self.teacher_model) if self.classical is None else self.classical


@dataclass(frozen=True)
class ClassicalToHybrid(_Pair):
    """A classical network teaches a circuit with a linear head (Piperno et al., C2Q hybrid).

    Attributes:
        teacher: by default 64-18-3, 1,227 parameters, on samples of 64 features.
        student: a `HybridCircuit`, a `HybridImage`, or another quantum model.
    """

    teacher: ModelSpec = field(default_factory=Mlp)
    student: ModelSpec = field(default_factory=HybridCircuit)

    kind: ClassVar[str] = "classical to hybrid"


@dataclass(frozen=True)
class ClassicalToQuantum(_Pair):
    """A classical network teaches a circuit without classical layers (Piperno et al., C2Q).

    Attributes:
        teacher, student: as for `ClassicalToHybrid`.
    """

    teacher: ModelSpec = field(default_factory=Mlp)
    student: ModelSpec = field(default_factory=FullyQuantum)

    kind: ClassVar[str] = "classical to fully quantum"


@dataclass(frozen=True)
class QuantumToQuantum(_Alike):
    """A larger circuit teaches a smaller one of the same kind (Yan et al., arXiv:2603.21586).

    `qubits` and `depth` are the student's, `teacher_qubits` and `teacher_depth` the teacher's. The
    student's smaller input comes from the parameter `reduction`, the teacher's from
    `teacher_reduction`, by default the same; so do ansatz and embedding, with `teacher_ansatz` and
    `teacher_embedding`.

    Attributes:
        model: of both.
        classical: the teacher's classical counterpart, for the control.
    """

    model: ModelSpec = field(default_factory=HybridCircuit)
    classical: ModelSpec | None = field(default_factory=lambda: Mlp((8,)))

    kind: ClassVar[str] = "quantum to quantum"

    def __post_init__(self) -> None:
        _models(self, "model", "classical")
        check_field(self, "model", self.model.quantum, "quantum")

    @property
    def classical_teacher(self) -> ModelSpec | None:
        """The classical counterpart."""
        return self.classical


@dataclass(frozen=True)
class SelfDistillation(_Alike):
    """Teacher and student are the same model; `generations` of them teach each other in turn.

    Attributes:
        model: of both.
    """

    model: ModelSpec = field(default_factory=HybridCircuit)

    kind: ClassVar[str] = "self-distillation"

    def __post_init__(self) -> None:
        _models(self, "model")

    def has_own_circuit(self, arm: Arm) -> bool:
        return False

    def has_own_network(self, arm: Arm) -> bool:
        return arm.teacher not in ("own", "random", "self")


@dataclass(frozen=True)
class ClassicalToClassical(_Pair):
    """A classical network teaches another: the counterpart of every other setting.

    Attributes:
        teacher, student: by default those of C2Q: 64-18-3 teaches 64-3.
    """

    teacher: ModelSpec = field(default_factory=Mlp)
    student: ModelSpec = field(default_factory=lambda: Mlp(()))

    kind: ClassVar[str] = "classical to classical"
