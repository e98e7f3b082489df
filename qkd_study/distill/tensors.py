"""Reads and writes tensors in an artifact store, as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from qkd_study.common.artifact_store import ArtifactStore


def read_tensors(artifacts: ArtifactStore, name: str) -> dict[str, Tensor] | None:
    """Read the tensors under a name; `None` if they are missing or damaged.

    Raises:
        StorageError: the store fails.
    """
    body = artifacts.read(name)
    if body is None:
        return None
    try:
        tensors: dict[str, Tensor] = load(body)
    except (ValueError, SafetensorError):
        return None
    return tensors


def write_tensors(
    artifacts: ArtifactStore, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Store tensors under a name.

    Args:
        artifacts, name: the store, and the name in it.
        tensors: by name.
        about: JSON values that describe them.

    Raises:
        StorageError: the store fails.
    """
    # Cloned: safetensors refuses tensors that share memory, such as tied weights.
    body = save({name: value.detach().clone().contiguous() for name, value in tensors.items()})
    artifacts.write(name, body, about)
