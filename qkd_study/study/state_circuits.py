"""`StateCircuit`: a circuit that reads states; `qkd_study.models` builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from qkd_study.common.errors import InputError
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.ansatze import check_ansatz
from qkd_study.study.circuits import OneCircuit
from qkd_study.study.field_checks import check_bool, check_field, is_integer
from qkd_study.study.models import Shape, Values
from qkd_study.study.sizes import Sizes


def sites_of(model: str, shape: Shape) -> int:
    """The number of qubits of samples that are states: (2^n,), or (2, 2^n) if they are complex.

    Raises:
        InputError: they are no states.
    """
    size = shape[-1]
    if len(shape) > 2 or shape[:-1] not in ((), (2,)) or size < 2 or size & (size - 1):
        raise InputError(
            f"{model} reads states, (2^n,) real amplitudes or (2, 2^n) real and imaginary parts, "
            f"but the samples are of shape {shape}. Choose data such as GroundStates() or "
            f"Arrays(..., kind='states'), or another model: HybridCircuit takes any shape."
        )
    return size.bit_length() - 1


@dataclass(frozen=True)
class StateCircuit(OneCircuit):
    """An ansatz on states as they are, <Z> of every qubit, and a linear layer to the classes.

    Samples are states, real or complex. With fewer `qubits` than the states have, the circuit acts
    on as many neighbouring sites, whose reduced density matrix it gets exactly: as its eigenstates,
    each with its probability.

    Attributes:
        first: the first of these sites, counted from 0; default: those in the middle.
        ansatz, entangling: as for `HybridCircuit`.
    """

    first: int | None = None
    ansatz: Callable[..., Any] | None = None
    entangling: bool = True

    inputs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        keep_python_values(self)
        fits = self.first is None or (is_integer(self.first, least=0))
        check_field(self, "first", fits, "an integer >= 0")
        check_ansatz(self)
        check_bool(self, "entangling")

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """All parameters of circuits but those of embeddings and reductions."""
        return super().reads - {"angle_range"}

    def embedding(self, values: Values) -> str:
        """Always amplitude: those of the samples."""
        if values["embedding"] not in ("auto", "amplitude"):
            raise InputError(
                f"StateCircuit takes states as they are, but got embedding="
                f"{values['embedding']!r}. Allowed: 'auto' or 'amplitude'."
            )
        self._check_ansatz(values)
        return "amplitude"

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        sites, qubits = sites_of("StateCircuit", shape), values["qubits"]
        if qubits > sites:
            raise InputError(
                f"qubits={qubits} of StateCircuit is more than the {sites} qubits of the samples' "
                f"states. Allowed: 1 to {sites}."
            )
        if self.first is not None and self.first + qubits > sites:
            raise InputError(
                f"first={self.first} of StateCircuit leaves {max(sites - self.first, 0)} of "
                f"{sites} sites, but qubits={qubits}. Allowed: first <= {sites - qubits}."
            )

    def part(self, qubits: int, shape: Shape) -> tuple[int, int, int]:
        """How many sites are before the circuit's, how many it reads, and how many are after."""
        sites = sites_of("StateCircuit", shape)
        first = (sites - qubits) // 2 if self.first is None else self.first
        return first, qubits, sites - first - qubits

    def embedding_numbers(self, values: Values, shape: Shape) -> int:
        """See `ModelSpec.embedding_numbers`: the states of the whole chain, twice, and the rows."""
        sites, qubits = sites_of("StateCircuit", shape), values["qubits"]
        rank = 1 << min(qubits, sites - qubits)
        return int((4 << sites) + (4 << qubits) * rank)

    def expects(self, values: Values) -> Sizes | None:
        """`None`: states have the norm 1."""
        return None

    def parameters(self, values: Values, shape: Shape, classes: int) -> int | None:
        """See `ModelSpec.parameters`: angles and a linear head."""
        angles = self.angles(values)
        return None if angles is None else int(angles + (values["qubits"] + 1) * classes)
