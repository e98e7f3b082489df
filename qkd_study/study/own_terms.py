"""`OwnTerm`: a loss term of the study's own, with a name, a weight and parameters of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.config import OWN, PARAMETERS, TERMS, parameter
from qkd_study.study.own_parameters import checked
from qkd_study.study.parameters import Parameter, Term

#: A function of the student's `Outputs`, the teacher's, and the labels; and of `config`, if it has
#: an argument of that name.
TermFunction = Callable[..., Any]


@dataclass(frozen=True)
class OwnTerm:
    """A loss term of the study's own, with a name and a weight.

    Attributes:
        function: of the student's `Outputs`, the teacher's, and the labels; gives one number per
            batch. If it has an argument `config`, it gets the run's `Config` there.
        name: its weight is the parameter `weight_NAME`, its column in the curves `loss.NAME`; the
            default is the function's.
        weight: the default of its weight.
        reads: built-in parameters that it takes from `config`, such as `learning_rate`: they have a
            value in arms with this term.
        declares: parameters of its own, each a `Parameter`, which it takes from `config`.
    """

    function: TermFunction
    name: str = ""
    weight: float = 1.0
    reads: tuple[str, ...] = ()
    declares: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        keep_python_values(self)
        if not callable(self.function):
            raise InputError(
                f"function of OwnTerm must be a function, but got {safe_repr(self.function)}."
            )
        object.__setattr__(self, "name", self.name or getattr(self.function, "__name__", ""))
        name = self.name
        if not is_text(name) or not name.isidentifier() or len(name) > 100:
            raise InputError(
                f"name of OwnTerm must be a word such as 'logits', but got {safe_repr(name)}."
            )
        if (name in TERMS and name != OWN) or name in ("cross_entropy", "total"):
            raise InputError(
                f"name of OwnTerm must not be that of a known term, but got {name!r}. Take "
                f"another, such as 'own_{name}'."
            )
        if self.weight_name in PARAMETERS and name != OWN:
            raise InputError(
                f"a term named {name!r} would have the weight {self.weight_name}, which is another "
                f"parameter. Take another name, such as 'own_{name}'."
            )
        given = (self.reads,) if isinstance(self.reads, str) else self.reads
        if not isinstance(given, tuple | list):
            raise InputError(
                f"reads of term {name!r} must name parameters, as in ('learning_rate',), but got "
                f"{safe_repr(given)}."
            )
        object.__setattr__(self, "reads", tuple(parameter(one).name for one in given))
        object.__setattr__(self, "declares", checked(self.declares, f"term {name!r}"))
        if (self.reads or self.declares) and not self.takes_config:
            raise InputError(
                f"term {name!r} reads {(*self.reads, *(p.name for p in self.declares))[0]}, but "
                f"its function has no argument `config`. Write def {name}(student, teacher, "
                f"labels, config)."
            )
        weight = Parameter(self.weight_name, default=1.0, low=0)
        object.__setattr__(self, "weight", weight.check(self.weight))
        if name == OWN and self.weight != PARAMETERS[self.weight_name].default:
            raise InputError(
                f"the weight of a term named 'own' is the parameter {self.weight_name}, but got "
                f"weight={self.weight!r}. Set {self.weight_name} in fixed, or name the term."
            )

    @property
    def takes_config(self) -> bool:
        """Whether its function has an argument `config`."""
        try:
            return "config" in inspect.signature(self.function).parameters
        except (ValueError, TypeError):  # written in C
            return False

    @property
    def weight_name(self) -> str:
        """The parameter that is its weight."""
        return f"weight_{self.name}"

    @property
    def term(self) -> Term:
        """Its record."""
        if self.name == OWN:
            return replace(TERMS[OWN], reads=(*self.reads, *(p.name for p in self.declares)))
        return Term(
            self.name,
            f"the study's own loss term {self.name}",
            compares="outputs",
            labels=True,
            reads=(*self.reads, *(p.name for p in self.declares)),
            weight=self.weight_name,
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its weight, if it is not a built-in one, and what it declares."""
        weight = Parameter(
            self.weight_name,
            default=self.weight,
            low=0,
            meaning=f"weight of the study's own loss term {self.name}",
            role="declared",
            terms=(self.name,),
        )
        own = tuple(replace(one, terms=(self.name,)) for one in self.declares)
        return own if self.weight_name in PARAMETERS else (weight, *own)

    def under(self, config: Any) -> TermFunction:
        """Its function of the student's `Outputs`, the teacher's, and the labels."""
        return partial(self.function, config=config) if self.takes_config else self.function
