"""Teachers that were trained elsewhere: a torch module with its weights, or outputs by sample."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.python_values import as_python
from qkd_study.data.teacher_outputs import ENDINGS, TeacherOutputs, read_teacher_outputs
from qkd_study.study.field_checks import check_field
from qkd_study.study.models import ModelSpec, Shape, Values
from qkd_study.study.sizes import Sizes
from qkd_study.study.study_folder import from_study_folder


class ExternalTeacher(ModelSpec):
    """A teacher that was trained elsewhere. It reads no parameter, and nothing trains it here.

    Attributes:
        reported_accuracy: on the test set, as its source says; `None` if unknown. A plan warns if
            the teacher is much better.
    """

    reported_accuracy: float | None

    def expects(self, values: Values) -> Sizes | None:
        """`None`: it was trained on whatever samples it expects."""
        return None


def _content(of: ExternalTeacher, name: str, endings: tuple[str, ...]) -> bytes:
    """The content of a teacher's file; the field is made an absolute path.

    Raises:
        InputError: it is not a path with one of the endings, or cannot be read.
    """
    given = getattr(of, name)
    kind = type(of).__name__
    fits = isinstance(given, str | Path) and Path(given).suffix.lower() in endings
    check_field(of, name, fits, f"the path of a file that ends in {' or '.join(endings)}")
    path = from_study_folder(given)
    object.__setattr__(of, name, path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}, the file of {kind}, cannot be read: {error.strerror or error}. A relative "
            f"path is from the folder of the study file."
        ) from None


def _check_reported(of: ExternalTeacher) -> None:
    given = as_python(of.reported_accuracy)
    object.__setattr__(of, "reported_accuracy", given)
    real = isinstance(given, float | int) and not isinstance(given, bool)
    fits = given is None or (real and 0 < given <= 1)
    check_field(of, "reported_accuracy", fits, "a number from 0 to 1, such as 0.93, or None")


@dataclass(frozen=True, repr=False)
class CachedTeacher(ExternalTeacher):
    """The outputs of a teacher by sample: of a language model, or of a run on hardware.

    The file is read when the study file is loaded; its hash is part of the run's identity.

    Attributes:
        path: of a `.npz` or `.parquet` file, for which see `read_teacher_outputs`; a relative one
            is from the study file's folder.
        reported_accuracy: see `ExternalTeacher`.
        sha256: of the file.
        outputs: its content.
    """

    path: str | Path = field(compare=False)
    reported_accuracy: float | None = field(default=None, compare=False)
    sha256: str = field(init=False)
    outputs: TeacherOutputs = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _check_reported(self)
        content = _content(self, "path", ENDINGS)
        outputs = read_teacher_outputs(Path(self.path), content)
        object.__setattr__(self, "sha256", hashlib.sha256(content).hexdigest())
        object.__setattr__(self, "outputs", outputs)

    def __repr__(self) -> str:
        return f"CachedTeacher({str(self.path)!r})"

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        if self.outputs.classes != classes:
            raise InputError(
                f"{self.path}: logits have {self.outputs.classes} columns, but the dataset has "
                f"{classes} classes. Needed: (samples, {classes}), in the order of the classes."
            )

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """That of the file's features; `None` without any."""
        features = self.outputs.features
        return None if features is None else tuple(int(side) for side in features.shape[1:])


@dataclass(frozen=True, repr=False)
class FrozenTeacher(ExternalTeacher):
    """A torch module with weights from a safetensors file; it is not trained.

    The module gets samples, float32 (batch, *shape), as other models of a study do, in evaluation
    mode. It returns logits (batch, classes), or a pair of logits and features (batch, ...).

    The file is read when the study file is loaded; its hash and the module's source are part of
    the run's identity.

    Attributes:
        module: a class or function without arguments that gives a `torch.nn.Module`, defined in
            the study file or imported.
        weights: path of a `.safetensors` file with the module's `state_dict`; a relative one is
            from the study file's folder.
        reported_accuracy: see `ExternalTeacher`.
        sha256: of the file.
        content: of the file.
    """

    module: Callable[[], Any]
    weights: str | Path = field(compare=False)
    reported_accuracy: float | None = field(default=None, compare=False)
    sha256: str = field(init=False)
    content: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _check_reported(self)
        if hasattr(self.module, "state_dict") and not isinstance(self.module, type):
            raise InputError(
                f"module of FrozenTeacher must be a class or function that makes the module, but "
                f"got a module itself, {type(self.module).__name__}. Give a function: "
                f"FrozenTeacher(lambda: {type(self.module).__name__}(...), ...)."
            )
        check_field(self, "module", callable(self.module), "a class or function without arguments")
        given = self.weights
        if isinstance(given, str | Path) and Path(given).suffix in (".pt", ".pth", ".bin", ".pkl"):
            raise InputError(
                f"weights of FrozenTeacher must be a .safetensors file, but got {safe_repr(given)}:"
                f" a pickle, which could run any code. Convert it once: safetensors.torch."
                f"save_file(torch.load(path, weights_only=True), 'weights.safetensors')."
            )
        content = _content(self, "weights", (".safetensors",))
        object.__setattr__(self, "sha256", hashlib.sha256(content).hexdigest())
        object.__setattr__(self, "content", content)

    def __repr__(self) -> str:
        return f"FrozenTeacher({getattr(self.module, '__name__', '...')}, {str(self.weights)!r})"

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """`None`: only the built module knows."""
        return None
