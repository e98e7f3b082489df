"""Tensors on a shelf, as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from qkd_study.shelf import Shelf


def read_tensors(shelf: Shelf, name: str) -> dict[str, Tensor] | None:
    """The tensors that `write_tensors` left under a name; `None` if they are missing or damaged.

    Raises:
        StorageError: the shelf fails.
    """
    body = shelf.read(name)
    if body is None:
        return None
    try:
        tensors: dict[str, Tensor] = load(body)
    except (ValueError, SafetensorError):
        return None
    return tensors


def write_tensors(
    shelf: Shelf, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Keep tensors under a name.

    Args:
        shelf, name: where.
        tensors: by name.
        about: JSON values that say what they are.

    Raises:
        StorageError: the shelf does not take them.
    """
    # Cloned: safetensors refuses tensors that share memory, such as tied weights.
    body = save({name: value.detach().clone().contiguous() for name, value in tensors.items()})
    shelf.write(name, body, about)
