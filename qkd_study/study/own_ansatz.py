"""`OwnAnsatz`: an ansatz of the study's own with parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qkd_study.study.field_checks import check_field
from qkd_study.study.own_parameters import checked
from qkd_study.study.parameters import Parameter


@dataclass(frozen=True)
class OwnAnsatz:
    """An ansatz of the study's own with parameters of its own.

    Attributes:
        function: takes qubits and depth, and these parameters by name; returns a `Circuit`.
        declares: the parameters, each a `Parameter`.
    """

    function: Callable[..., Any]
    declares: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        check_field(self, "function", callable(self.function), "a function")
        object.__setattr__(self, "declares", checked(self.declares, "OwnAnsatz"))

    def __call__(self, qubits: int, depth: int, **values: Any) -> Any:
        """The circuit."""
        return self.function(qubits, depth, **values)


def circuit_of(ansatz: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """What an ansatz of the study's own gives for the values of parameters."""
    own = {one.name: values[one.name] for one in declared(ansatz)}
    return ansatz(values["qubits"], values["depth"], **own)


def declared(ansatz: object) -> tuple[Parameter, ...]:
    """The parameters that an ansatz of the study's own declares."""
    return ansatz.declares if isinstance(ansatz, OwnAnsatz) else ()
