"""The cache of teachers that earlier runs of any study trained."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qkd_study.common.artifact_store import FolderArtifactStore
from qkd_study.common.errors import StorageError
from qkd_study.distill.tensors import read_tensors, write_tensors

_SECONDS, _EXECUTIONS = "cost.seconds", "cost.executions"
#: Keys of a description that mark code; see `study.canonical`.
_CODE = {"code", "function", "object", "module", "partial"}


@dataclass(frozen=True)
class StoredTeacher:
    """A teacher in the cache, and the cost of its training.

    Attributes:
        tensors: by name.
        seconds: wall time of the training, when it was trained.
        executions: circuit executions of the training.
    """

    tensors: dict[str, Tensor]
    seconds: float
    executions: int


@dataclass(frozen=True)
class TeacherCache:
    """A folder of trained teachers under the hashes of their recipes, with checksums.

    If it cannot be used, teachers are trained. Teachers with code of a study's own are not cached,
    because the recipe does not have everything that such code reads and calls.

    Attributes:
        folder: for one version of everything on which results depend bit for bit.
    """

    folder: Path

    def read(self, name: str) -> StoredTeacher | None:
        """Read a teacher, and mark it as used for `trim_cache`."""
        store = FolderArtifactStore(self.folder)
        try:
            tensors = read_tensors(store, name)
        except StorageError:
            return None
        if tensors is None or _SECONDS not in tensors or _EXECUTIONS not in tensors:
            return None
        with contextlib.suppress(OSError):
            os.utime(self.folder / f"{name}.safetensors")
        seconds, executions = tensors.pop(_SECONDS).item(), tensors.pop(_EXECUTIONS).item()
        return StoredTeacher(tensors, float(seconds), int(executions))

    def write(self, name: str, recipe: Mapping[str, Any], teacher: StoredTeacher) -> None:
        """Write a teacher, unless there is code of a study's own in its recipe."""
        if has_code(recipe):
            return
        cost = {
            _SECONDS: torch.tensor(teacher.seconds, dtype=torch.float64),
            _EXECUTIONS: torch.tensor(teacher.executions),
        }
        with contextlib.suppress(StorageError):
            store = FolderArtifactStore(self.folder)
            write_tensors(store, name, {**teacher.tensors, **cost}, recipe)


def has_code(description: Any) -> bool:
    """Whether a description by `study.canonical` has code in it."""
    if isinstance(description, Mapping):
        return not _CODE.isdisjoint(description) or any(map(has_code, description.values()))
    return isinstance(description, list) and any(map(has_code, description))
