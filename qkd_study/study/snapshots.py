"""`Snapshots`: a classical model that reads measurements of states instead of amplitudes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qkd_study.common.errors import InputError
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.field_checks import check_field, is_integer
from qkd_study.study.models import Ensemble, Mlp, ModelSpec, Own, Shape, Values
from qkd_study.study.own_parameters import checked
from qkd_study.study.parameters import Parameter
from qkd_study.study.sizes import Sizes
from qkd_study.study.state_circuits import sites_of

#: Strings of so many neighbouring qubits are estimated at most.
MOST_ORDER = 3
(SNAPSHOTS,) = checked(
    Parameter(
        "snapshots",
        default=100,
        low=1,
        high=100_000,
        meaning="copies of a state that are measured for a classical model",
        cost="more snapshots consume more copies of every state",
        decides_fit=True,
    ),
    "Snapshots",
)


@dataclass(frozen=True)
class Snapshots(ModelSpec):
    """A classical model that reads randomised Pauli measurements of states.

    Of every state, `snapshots` copies (a parameter) are measured: each qubit in a random one of the
    bases X, Y and Z, with outcomes drawn from the state exactly. They follow from the seed of the
    model and the state: a state has the same ones in all epochs, and other ones in another
    replicate. The model gets numbers that they estimate, or the outcomes.

    Attributes:
        of: the classical model of them: `Mlp`, by default linear, or `FourierFeatures`, a kernel.
        observables: an integer from 1 to 3: classical-shadow estimates (Huang, Kueng and Preskill
            2020) of all Pauli strings that span as many neighbouring qubits at most; or `outcomes`:
            for every snapshot and qubit three numbers, the outcome, 1 or -1, in the place of the
            basis, and zeros.
    """

    of: ModelSpec = field(default_factory=lambda: Mlp(()))
    observables: int | Literal["outcomes"] = 2

    def __post_init__(self) -> None:
        keep_python_values(self)
        single = isinstance(self.of, ModelSpec) and not isinstance(self.of, Ensemble | Own)
        fits = single and not isinstance(self.of, Snapshots) and not self.of.embeds
        check_field(self, "of", fits, "a classical model of features, such as Mlp((8,))")
        order = is_integer(self.observables) and int(self.observables) <= MOST_ORDER
        fits = order or self.observables == "outcomes"
        check_field(self, "observables", fits, f"an integer from 1 to {MOST_ORDER}, or 'outcomes'")

    @property
    def reads(self) -> frozenset[str]:  # type: ignore[override]
        """What the model of the measurements reads."""
        return self.of.reads

    @property
    def declares(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """The number of snapshots."""
        return (SNAPSHOTS, *self.of.declares)

    def network(self, values: Values) -> dict[str, Any]:
        """As of the model of the measurements."""
        return self.of.network(values)

    def inputs(self, values: Mapping[str, Any], shape: Shape) -> Shape:
        """The shape of what is read of a state: (numbers,)."""
        sites = sites_of("Snapshots", shape)
        if self.observables == "outcomes":
            return (3 * sites * int(values["snapshots"]),)
        order = min(int(self.observables), sites)
        return (sum(count * (sites - k) for k, count in enumerate((3, 9, 36)[:order])),)

    def check(self, values: Values, shape: Shape, classes: int) -> None:
        """See `ModelSpec.check`."""
        try:
            self.of.check(values, self.inputs(values, shape), classes)
        except InputError as error:
            raise InputError(
                f"{error} This is about {type(self.of).__name__} in Snapshots."
            ) from None

    def feature_shape(self, values: Values, shape: Shape) -> Shape | None:
        """As of the model of the measurements."""
        return self.of.feature_shape(values, self.inputs(values, shape))

    def parameters(self, values: Values, shape: Shape, classes: int) -> int | None:
        """As of the model of the measurements."""
        return self.of.parameters(values, self.inputs(values, shape), classes)

    def expects(self, values: Values) -> Sizes | None:
        """`None`: states have the norm 1."""
        return None
