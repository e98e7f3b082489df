"""Tensors on disk: a safetensors file, and a JSON file with its checksum and what it is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from qkd_study.errors import StorageError


def read_tensors(path: Path) -> dict[str, Tensor] | None:
    """The tensors that `write_tensors` left at `path`; `None` if they are missing or damaged."""
    try:
        body = path.read_bytes()
        about = json.loads(path.with_suffix(".json").read_text())
        if about["sha256"] != hashlib.sha256(body).hexdigest():
            return None
        tensors: dict[str, Tensor] = load(body)
    except (FileNotFoundError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    return tensors


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write `path` (.safetensors) and the JSON beside it; a crash leaves nothing half-written.

    Args:
        path: ends in `.safetensors`.
        tensors: by name.
        about: JSON values that say what they are.

    Raises:
        StorageError: the folder does not take them.
    """
    # Cloned: safetensors refuses tensors that share memory, such as tied weights.
    body = save({name: value.detach().clone().contiguous() for name, value in tensors.items()})
    said = json.dumps({"sha256": hashlib.sha256(body).hexdigest(), **about}, indent=1)
    for target, content in ((path, body), (path.with_suffix(".json"), said.encode())):
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            partial.write_bytes(content)
            os.replace(partial, target)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StorageError.of(target, error) from None
