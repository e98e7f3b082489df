"""Data re-uploading as a study declares it; `qkd_study.models` builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from qkd_study.common.errors import InputError
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.ansatze import check_ansatz
from qkd_study.study.circuits import OneCircuit
from qkd_study.study.field_checks import check_bool
from qkd_study.study.models import Values


@dataclass(frozen=True)
class ReuploadingCircuit(OneCircuit):
    """Data between trainable layers, <Z> of every qubit, and a linear layer to the classes.

    `depth` times RX(feature i) on wire i, then a layer of the ansatz (Perez-Salinas et al. 2020,
    arXiv:1907.02085). A feature of value 1 is a rotation by `angle_range`. The outputs are
    trigonometric polynomials of degree `depth` in every feature (Schuld et al. 2021,
    arXiv:2008.08605).

    Attributes:
        ansatz: of a layer, that is of depth 1; as for `HybridCircuit`.
        entangling: as for `HybridCircuit`.
    """

    ansatz: Callable[..., Any] | None = None
    entangling: bool = True

    inputs: ClassVar[frozenset[str]] = frozenset({"reduction", "features"})

    def __post_init__(self) -> None:
        keep_python_values(self)
        check_ansatz(self)
        check_bool(self, "entangling")

    def embedding(self, values: Values) -> str:
        """Always angle: one feature per qubit."""
        if values["embedding"] not in ("auto", "angle"):
            raise InputError(
                f"ReuploadingCircuit enters features as angles, but got embedding="
                f"{values['embedding']!r}. Allowed: 'auto' or 'angle'."
            )
        self._check_ansatz({**values, "depth": 1})
        return "angle"

    def angles(self, values: Values) -> int | None:
        """Trainable angles of all layers; `None`: only the built model knows."""
        of_layer = super().angles({**values, "depth": 1})
        return None if of_layer is None else int(values["depth"] * of_layer)
