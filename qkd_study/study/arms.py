"""Arms: ways to train the same student."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.common.names import unknown
from qkd_study.common.python_values import keep_python_values
from qkd_study.study.config import OWN, TERMS
from qkd_study.study.own_terms import OwnTerm, TermFunction
from qkd_study.study.parameters import Part, Term

Teacher = Literal[
    "own",
    "classical",
    "random",
    "self",
    "separable",
    "quadratic",
    "surrogate",
    "matched",
    "kernel",
]
Student = Literal["own", "separable", "quadratic", "surrogate", "matched", "effective", "kernel"]
Optimizer = Literal["adam", "adamw", "sgd"]
#: An optimiser of the study's own: a function of the list of parameters and the `Config`.
OwnOptimizer = Callable[[Any, Any], Any]
Spoiled = Literal["nothing", "shuffled features", "constant features", "shuffled labels"]

#: The terms that an arm may name; a term of the study's own is given as a function.
_NAMES = tuple(name for name in TERMS if name != OWN)


def check_optimizer(given: object, *, as_parameter: bool) -> None:
    """Check a study's own optimiser.

    Args:
        given: by the study; `None` if there is none.
        as_parameter: whether the study sets the parameter `optimizer`, too.

    Raises:
        InputError: it is no function, or both are set.
    """
    if given is not None and not callable(given):
        raise InputError(
            f"optimizer must be a function of parameters and config that returns a torch "
            f"optimiser, but got {safe_repr(given)}. One by name goes into "
            f"fixed={{'optimizer': 'sgd'}}."
        )
    if given is not None and as_parameter:
        raise InputError(
            "optimizer is a function of the study, and also set as a parameter: keep one of the "
            "two."
        )


@dataclass(frozen=True)
class Arm:
    """A way to train the student: cross-entropy and the listed terms.

    Attributes:
        name: in the tables.
        terms: names out of `TERMS`, such as `soft`, and functions of the study's own: one, whose
            weight is `weight_own`, or several as `OwnTerm`.
        teacher: `own` (the setting's), or a control: `classical` (the counterpart of a quantum
            teacher), `random` (only the last layer is trained, all before it stays as drawn),
            `self` (the student's own architecture), or a stand-in of a quantum teacher:
            `separable` (its circuits without entangling gates), `quadratic` and `surrogate` (no
            circuit, but polynomials of the same encoding: of pairs of inputs, or all that the
            circuit can express), `matched` (a classical network with as many parameters),
            `kernel` (random Fourier features).
        spoiled: which outputs of the teacher are made useless, as a control: `shuffled features`
            and `shuffled labels` give each sample those of another, `constant features` give every
            sample the mean.
        optimizer: the student's, if it is not that of the study: a name, or a function of the
            list of parameters and the `Config` that returns a `torch.optim.Optimizer`.
        student: `own` (the setting's), or a stand-in of a quantum student, as for `teacher`, or
            `effective`: a classical network with as many effective parameters.
        question: what the arm is for, in one line; not a part of a run's identity.
    """

    name: str
    terms: tuple[str | TermFunction | OwnTerm, ...] = ()
    teacher: Teacher = "own"
    spoiled: Spoiled = "nothing"
    optimizer: Optimizer | OwnOptimizer | None = None
    student: Student = "own"
    question: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        keep_python_values(self)
        if isinstance(self.terms, list):
            object.__setattr__(self, "terms", tuple(self.terms))
        right = is_text(self.name) and self.name.isprintable() and len(self.name) <= 100
        if not right or set(self.name) & set("/\\ "):
            raise InputError(
                f"an arm's name must be a word without spaces, but got {safe_repr(self.name)}."
            )
        object.__setattr__(self, "name", str(self.name))
        if not isinstance(self.terms, tuple) or not all(
            callable(term)
            or isinstance(term, OwnTerm)
            or (isinstance(term, str) and term in _NAMES)
            for term in self.terms
        ):
            raise InputError(
                f"terms of an arm are a tuple of {', '.join(map(repr, _NAMES))} or functions, "
                f"but got {safe_repr(self.terms)}."
            )
        choices = {
            "teacher": Teacher,
            "spoiled": Spoiled,
            "optimizer": Optimizer,
            "student": Student,
        }
        for name, allowed in ((name, get_args(kind)) for name, kind in choices.items()):
            given = getattr(self, name)
            if name == "optimizer" and (given is None or callable(given)):
                continue
            if not isinstance(given, str) or given not in allowed:
                raise InputError(
                    f"{name} of arm {self.name!r} must be one of {', '.join(map(repr, allowed))}, "
                    f"but got {safe_repr(given)}."
                )
        if not isinstance(self.question, str):
            raise InputError(
                f"question of arm {self.name!r} must be text, but got {safe_repr(self.question)}."
            )
        own = [term.name for term in self.own_terms]
        if len(set(own)) < len(own):
            raise InputError(
                f"arm {self.name!r} has {len(own)} terms of its own, but two of them have one name "
                f"and weight: give each its own, as in OwnTerm(function, name='logits')."
            )

    def trained_with(self, own: OwnOptimizer | None) -> Arm:
        """The arm with an optimiser of the study's own, if it has no other."""
        return self if own is None or self.optimizer is not None else replace(self, optimizer=own)

    @property
    def own_terms(self) -> tuple[OwnTerm, ...]:
        """The terms that are functions; those without a name are called `own`."""
        found = (term for term in self.terms if not isinstance(term, str))
        return tuple(term if isinstance(term, OwnTerm) else OwnTerm(term, OWN) for term in found)

    @property
    def term_names(self) -> tuple[str, ...]:
        """The terms by name; a function without one is called `own`."""
        named = (OWN if callable(term) else term for term in self.terms)
        return tuple(term.name if isinstance(term, OwnTerm) else str(term) for term in named)

    @property
    def comparisons(self) -> tuple[Term, ...]:
        """The terms that compare the student with a teacher."""
        own = {term.name: term.term for term in self.own_terms}
        terms = (own.get(name) or TERMS[name] for name in self.term_names)
        return tuple(term for term in terms if term.compares is not None)

    @property
    def is_plain(self) -> bool:
        """Whether the student is trained as the study says, without a further term."""
        return not self.terms and self.optimizer is None and self.student == "own"

    @property
    def needs_teacher(self) -> bool:
        """Whether a term compares the student with a teacher."""
        return bool(self.comparisons)

    def compares(self, part: Part, *, same_shape: bool = False) -> bool:
        """Whether a term compares a part of the outputs; optionally, one that needs one shape."""
        found = (term for term in self.comparisons if term.compares == part)
        return any(term.same_shape or not same_shape for term in found)


#: The arms that a study can use by name.
ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        arm.name: arm
        for arm in (
            Arm("scratch", question="What does the student reach without a teacher?"),
            Arm(
                "scaled-ce",
                ("scaled cross-entropy",),
                question="Do larger steps alone gain as much?",
            ),
            Arm(
                "label-smoothing",
                ("label smoothing",),
                question="Do soft labels without a teacher gain as much?",
            ),
            Arm(
                "decayed",
                optimizer="adamw",
                question="Does weight decay gain as much as a teacher?",
            ),
            Arm("soft", ("soft",), question="Do the teacher's soft targets help?"),
            Arm("features", ("features",), question="Do its feature maps help?"),
            Arm("soft+features", ("soft", "features"), question="Do both help?"),
            Arm("decoupled", ("decoupled",), question="Do its decoupled soft targets help?"),
            Arm(
                "relational",
                ("distances", "angles"),
                question="Does it help to know how its features of samples relate?",
            ),
            Arm("fidelity", ("fidelity",), question="Do the states of its circuit help?"),
            Arm(
                "classical-teacher",
                ("soft",),
                "classical",
                question="Does the teacher have to be quantum?",
            ),
            Arm(
                "separable-teacher",
                ("soft",),
                "separable",
                question="Does the teacher need entangling gates?",
            ),
            Arm(
                "quadratic-teacher",
                ("soft",),
                "quadratic",
                question="Are products of pairs of the encoded inputs enough, without a circuit?",
            ),
            Arm(
                "surrogate-teacher",
                ("soft",),
                "surrogate",
                question="Does the polynomial that the circuit can express, fitted directly, do?",
            ),
            Arm(
                "matched-teacher",
                ("soft",),
                "matched",
                question="Does a classical network with as many parameters teach as well?",
            ),
            Arm(
                "kernel-teacher",
                ("soft",),
                "kernel",
                question="Does a kernel machine teach as well?",
            ),
            Arm(
                "separable-student",
                ("soft",),
                student="separable",
                question="Does the student need entangling gates?",
            ),
            Arm(
                "quadratic-student",
                ("soft",),
                student="quadratic",
                question="Do products of pairs of the encoded inputs learn as well?",
            ),
            Arm(
                "surrogate-student",
                ("soft",),
                student="surrogate",
                question="Does the polynomial that the student can express learn as well?",
            ),
            Arm(
                "matched-student",
                ("soft",),
                student="matched",
                question="Does a classical network with as many parameters learn as well?",
            ),
            Arm(
                "effective-student",
                ("soft",),
                student="effective",
                question="Does a classical network with as many effective parameters do as well?",
            ),
            Arm(
                "random-teacher",
                ("soft",),
                "random",
                question="Does the teacher have to be trained before its last layer?",
            ),
            Arm(
                "self-teacher",
                ("soft",),
                "self",
                question="Does a teacher of the student's own kind do?",
            ),
            Arm(
                "shuffled-labels",
                ("soft",),
                spoiled="shuffled labels",
                question="Do the teacher's outputs have to be for the right sample?",
            ),
            Arm(
                "shuffled-features",
                ("soft", "features"),
                spoiled="shuffled features",
                question="Do its feature maps have to be for the right sample?",
            ),
            Arm(
                "constant-features",
                ("soft", "features"),
                spoiled="constant features",
                question="Do its feature maps carry information about samples?",
            ),
        )
    }
)


def resolve_arm(arm: object) -> Arm:
    """An arm from its name, or the arm itself.

    Raises:
        InputError: no arm has that name.
    """
    if isinstance(arm, Arm):
        return arm
    if isinstance(arm, str) and str(arm) in ARMS:
        return ARMS[str(arm)]
    raise InputError(unknown("arm", arm, ARMS, "; or write Arm(name, terms)"))
