"""A trained student as bytes: safetensors, with what it is built from in the header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from qkd_study.common.errors import InputError
from qkd_study.models import Model
from qkd_study.students.spec import StudentSpec
from qkd_study.study.models import ModelSpec

#: The entry of the header that describes the student, and the version of its form. One entry only:
#: the order of several is random.
HEADER, VERSION = "qkd_study_student", 1


def weights_of(spec: StudentSpec, model: Model) -> bytes | None:
    """A trained student as a safetensors file.

    Returns:
        `None` if the state of a model of the study's own cannot be written so.
    """
    state = model.state_dict()
    if not all(isinstance(value, Tensor) for value in state.values()):
        return None
    # Cloned: safetensors refuses tensors that share memory, such as tied weights.
    tensors = {name: value.detach().clone().contiguous() for name, value in state.items()}
    described = json.dumps({"version": VERSION, **spec.described()}, separators=(",", ":"))
    try:
        body: bytes = save(tensors, {HEADER: described})
    except (KeyError, ValueError, TypeError, SafetensorError):
        return None
    return body


def description(body: bytes) -> dict[str, Any]:
    """What the header of a file of `weights_of` says of the student.

    Raises:
        InputError: it is no such file, or of a later version.
    """
    try:
        length = int.from_bytes(body[:8], "little")
        found: dict[str, Any] = json.loads(json.loads(body[8 : 8 + length])["__metadata__"][HEADER])
        version = found["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            "this is no file of a student's weights as qkd-study writes them: its header lacks "
            f"{HEADER!r}. `qkd-study export` writes such files."
        ) from None
    if version != VERSION:
        raise InputError(
            f"the student's weights are of version {version!r}, but this qkd-study reads version "
            f"{VERSION}. Read them with the version that wrote them."
        )
    return found


def check_digest(body: bytes, digest: str, where: str) -> None:
    """Compare weights with their checksum.

    Raises:
        InputError: they differ.
    """
    now = digest_of(body)
    if now != digest:
        raise InputError(
            f"{where}: the weights have SHA-256 {now}, but {digest} was recorded. They are "
            f"damaged or were changed: restore them from a copy."
        )


def restored(body: bytes, own: ModelSpec | None = None) -> tuple[StudentSpec, Model]:
    """Build a student and set its weights.

    Args:
        body: a file of `weights_of`.
        own: the declaration of the model, if it is defined in the study file.

    Raises:
        InputError: the file is damaged, needs the study file, or does not fit the model.
    """
    spec = StudentSpec.from_description(description(body), own)
    try:
        tensors: Mapping[str, Tensor] = load(body)
    except (ValueError, SafetensorError) as error:
        raise InputError(f"the student's weights cannot be read: {error}.") from None
    model = spec.build()
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        what = " ".join(str(error).split())
        raise InputError(f"the weights do not fit the model: {what}") from None
    model.eval()
    return spec, model


def digest_of(body: bytes) -> str:
    """The SHA-256 of weights."""
    return hashlib.sha256(body).hexdigest()
