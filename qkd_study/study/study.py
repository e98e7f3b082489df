"""`Study`: the declaration of a question, checked when it is built."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qkd_study.common.errors import InputError, StudyWarning, is_text, safe_repr
from qkd_study.common.python_values import keep_python_values
from qkd_study.data import DataSource, name_of
from qkd_study.study.arms import Arm, OwnOptimizer, check_optimizer, resolve_arm
from qkd_study.study.claim_checks import check_claims, check_looks
from qkd_study.study.claims import Claim
from qkd_study.study.config import PARAMETERS, Config, parameter
from qkd_study.study.dataset_factor import DATASET, check_place, resolve_factor
from qkd_study.study.field_checks import sequence_of
from qkd_study.study.own_parameters import config_kind
from qkd_study.study.parameters import Parameter, Value
from qkd_study.study.reading import declared_by, only_read, reads, unread
from qkd_study.study.replicates import Replicates, count
from qkd_study.study.resolution import resolved_values
from qkd_study.study.search_methods import at_most, check_method, check_methods, check_minimise
from qkd_study.study.setting import Setting
from qkd_study.study.settings import QuantumToClassical
from qkd_study.study.space import Range, check_range
from qkd_study.study.teacher_reading import check_teacher_search
from qkd_study.study.validation import check_validation

#: Cells that a study may have.
MOST_CELLS = 10_000


@dataclass(frozen=True)
class Cell:
    """One combination of factor values, in the order of the factors."""

    values: tuple[tuple[str, Value], ...] = ()

    @property
    def key(self) -> str:
        """The cell in the tables, such as `samples=20,depth=2`."""
        return ",".join(f"{name}={value}" for name, value in self.values) or "all"


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and all that is needed to answer it.

    Attributes:
        question: one sentence that the report answers.
        setting: who teaches whom.
        datasets: names or declarations (`Subset`, `Arrays`, `DataFile`) in order of preference; the
            first one that is available is used. With the factor `dataset`, those of the factor.
        factors: parameter -> values; all combinations are run, each is a cell. The values of the
            factor `dataset` are datasets.
        search: parameter -> range; Optuna tunes these inside every cell and arm.
        fixed: parameter -> value; all others keep their defaults (see `PARAMETERS`).
        arms: names out of `ARMS`, or `Arm` objects; by default `scratch`, `scaled-ce`, `soft`, and
            `soft+features` if feature maps of student and teacher have the same shape.
        claims: contrasts that get a verdict, declared before the run.
        teacher_search: parameter -> range; Optuna tunes these for every kind of teacher, before the
            students of the best one are trained. Replicates and `batch` are those of `search`.
        teacher_trials: configurations tried per teacher.
        trials: configurations tried per cell and arm. The last of an arm with extra terms is the
            one that the baseline chose, with these terms as weak as their ranges allow.
        trials_per_parameter: configurations more for each searched parameter of the arm, so that
            arms with more parameters have as good a chance.
        batch: configurations that are suggested at once, from the results of all earlier batches;
            so tables do not depend on the number of workers. As many workers per cell and arm can
            be busy.
        sampler: what suggests configurations: a name out of `SAMPLERS`, or an object of a class of
            Optuna's `BaseSampler`, whose seed follows from that of the study.
        pruner: what stops a search trial after a replicate: a name out of `PRUNERS`, or an object
            of a class of Optuna's `BasePruner`. The trial that an arm has from the baseline is not
            stopped, and neither are trials whose replicates are trained in one batch.
        optimizer: of the students, in place of the parameter of that name: a function of the list
            of parameters and the `Config` that returns a `torch.optim.Optimizer`. Arms with an
            optimiser of their own keep it; teachers use adam.
        minimise: a second objective, `"parameters"`, `"qubits"` or `"gates"`: the search then looks
            for the Pareto front with the validation accuracy, without pruning unless
            `pruner="dominated"`, and confirms up to five configurations of the front.
        replicates: seeds per configuration, of the search and of the confirmation.
        trial_cpus, trial_memory: CPUs, and bytes of memory, that a trial reserves on its node. It
            still computes in one thread.
        predictions: whether confirm runs keep the class that they predict for each test sample;
            without them, intervals are over replicates only, not over test samples.
        weights: whether confirm runs keep their trained students, which `Results.student` and
            `qkd-study export` need.
        seed: of all random numbers.
        name: default: the study file's name without `.py`.

    Raises:
        InputError: an invalid value; the message says what is allowed.
    """

    question: str
    setting: Setting = field(default_factory=QuantumToClassical)
    datasets: Sequence[DataSource] = ("fashion-mnist", "digits")
    factors: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    search: Mapping[str, Range] = field(default_factory=dict)
    fixed: Mapping[str, Value] = field(default_factory=dict)
    arms: Sequence[Arm | str] | None = None
    claims: Sequence[Claim] = ()
    teacher_search: Mapping[str, Range] = field(default_factory=dict)
    teacher_trials: int = 10
    trials: int = 10
    trials_per_parameter: int = 0
    batch: int = 5
    sampler: Any = "tpe"
    pruner: Any = "quartile"
    optimizer: OwnOptimizer | None = None
    minimise: str | None = None
    replicates: Replicates = field(default_factory=Replicates)
    trial_cpus: int = 1
    trial_memory: int = 0
    predictions: bool = True
    weights: bool = True
    seed: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        keep_python_values(self)
        if not is_text(self.question):
            raise InputError(f"question must be a sentence, but got {safe_repr(self.question)}.")
        self._set("question", str(self.question))
        if not isinstance(self.setting, Setting):
            raise InputError(
                f"setting must be one such as QuantumToClassical(...), but got "
                f"{safe_repr(self.setting)}."
            )
        if not isinstance(self.replicates, Replicates):
            raise InputError(
                f"replicates must be Replicates(...), but got {safe_repr(self.replicates)}."
            )
        if not isinstance(self.name, str) or not re.fullmatch(r"([\w+-][\w.+-]{,99})?", self.name):
            raise InputError(
                f"name must be letters, digits and `_.+-`, at most 100 and no dot first, but got "
                f"{safe_repr(self.name)}."
            )
        self._set("name", str(self.name))
        for name in ("trials", "teacher_trials"):
            self._set(name, count(name, getattr(self, name), 1, 1_000_000))
        more = count("trials_per_parameter", self.trials_per_parameter, 0, 10_000)
        self._set("trials_per_parameter", more)
        self._set("trial_cpus", count("trial_cpus", self.trial_cpus, 1, 4096))
        self._set("trial_memory", count("trial_memory", self.trial_memory, 0, 2**50))
        self._set("batch", count("batch", self.batch, 1, 1000))
        for name in ("sampler", "pruner"):
            self._set(name, check_method(name, getattr(self, name)))
        for name in ("predictions", "weights"):
            if not isinstance(getattr(self, name), bool):
                value = safe_repr(getattr(self, name))
                raise InputError(f"{name} must be True or False, but got {value}.")
        check_minimise(self.minimise, self.replicates)
        self._set("seed", count("seed", self.seed, 0, 2**63 - 1))
        entries = sequence_of("datasets", self.datasets, MOST_CELLS)
        self._set("datasets", tuple(str(e) if isinstance(e, str) else e for e in entries))
        self._set("factors", {p.name: self._factor(p, v) for p, v in self._named("factors")})
        places = ("search", "teacher_search", "fixed")
        check_place({at: {p.name: v for p, v in self._named(at)} for at in places})
        for where in ("search", "teacher_search"):
            self._set(where, {p.name: check_range(p, v, where) for p, v in self._named(where)})
        fixed = [(p, v) for p, v in self._named("fixed") if v is not None or not p.optional]
        self._set("fixed", {p.name: p.check(v) for p, v in fixed})
        self._check_size()
        check_optimizer(self.optimizer, as_parameter=self.sets("optimizer"))
        given = self._default_arms() if self.arms is None else self.arms
        self._set("arms", tuple(map(resolve_arm, sequence_of("arms", given, MOST_CELLS))))
        names = [arm.name for arm in self.all_arms]
        if len(set(names)) < len(names):
            raise InputError(f"arms must have different names, but got {safe_repr(names)}.")
        self._check_places()
        check_validation(self)
        self._check_claims()
        for cell in self.cells():
            for values in self.extremes(cell):
                for arm in self.all_arms:
                    self.resolved(values, arm)
        check_teacher_search(self)
        if (doubt := check_methods(self)) is not None:
            warnings.warn(doubt, StudyWarning, stacklevel=3)
        for name in unread(self, (*self.search, *self.factors)):
            warnings.warn(f"no arm of this study reads {name}.", StudyWarning, stacklevel=3)

    def _default_arms(self) -> tuple[str, ...]:
        arm = resolve_arm("soft+features")
        every = (values for cell in self.cells() for values in self.extremes(cell))
        same_shape = all(self.setting.features_alike(values, arm) for values in every)
        return ("scratch", "scaled-ce", "soft", *((arm.name,) if same_shape else ()))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _named(self, where: str) -> list[tuple[Parameter, Any]]:
        given = getattr(self, where)
        if not isinstance(given, Mapping):
            got = safe_repr(given)
            raise InputError(f"{where} must be a dictionary by parameter, but got {got}.")
        return [(parameter(name, self.parameters), value) for name, value in given.items()]

    def _factor(self, what: Parameter, values: object) -> tuple[Value, ...]:
        entries = sequence_of(f"factors[{what.name!r}]", values, MOST_CELLS)
        if what.name == DATASET:
            datasets, names = resolve_factor(self.datasets, entries)
            self._set("datasets", datasets)
            return names
        checked = tuple(map(what.check, entries))
        if len(set(checked)) < len(checked):
            raise InputError(f"factors[{what.name!r}] names a value twice: {safe_repr(checked)}.")
        return checked

    def _check_claims(self) -> None:
        if isinstance(self.claims, str) or not isinstance(self.claims, Sequence):
            raise InputError(
                f"claims must be a tuple of Claim(...), but got {safe_repr(self.claims)}."
            )
        self._set("claims", tuple(self.claims))
        places = {"factors": self.factors, "search": self.search, "fixed": self.fixed}
        check_claims(self.claims, self.all_arms, places)
        if self.replicates.looks:
            check_looks(self.claims, self.replicates)

    def _check_size(self) -> None:
        cells = math.prod(map(len, self.factors.values()))
        if cells > MOST_CELLS:
            sizes = " x ".join(f"{len(values)} of {name}" for name, values in self.factors.items())
            raise InputError(f"factors make {cells:,} cells ({sizes}). Allowed: {MOST_CELLS:,}.")
        ends = {name: len(self._ranges[name].ends()) for name in self._searched_sizes()}
        checks = cells * math.prod(ends.values())
        if checks > 10 * MOST_CELLS:
            raise InputError(
                f"search varies {', '.join(ends)} together: {checks:,} combinations decide what "
                f"fits, too many to check. Fix some of them."
            )

    @property
    def _ranges(self) -> dict[str, Range]:
        return {**self.search, **self.teacher_search}

    def _searched_sizes(self) -> list[str]:
        return [name for name in self._ranges if self.parameters[name].decides_fit]

    def _check_places(self) -> None:
        names = ("factors", "search", "teacher_search", "fixed")
        places: dict[str, Mapping[str, Any]] = {name: getattr(self, name) for name in names}
        for (a, in_a), (b, in_b) in itertools.combinations(places.items(), 2):
            for name in in_a:
                if name in in_b:
                    raise InputError(f"{name} stands in both {a} and {b}: keep it in one of them.")
        for name in self.search:
            if (cost := self.parameters[name].cost) and self.minimise is None:
                warnings.warn(
                    f"{name} is searched on accuracy alone, so the largest value tends to win: "
                    f"{cost}. Make it a factor to see what each value gives.",
                    StudyWarning,
                    stacklevel=2,
                )

    @functools.cached_property
    def own_parameters(self) -> Mapping[str, Parameter]:
        """The parameters that its models and loss terms declare, by name."""
        return declared_by(self.setting, self.arms)

    @functools.cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters that it may fix, cross or search: the built-in ones, then its own."""
        return {**PARAMETERS, **self.own_parameters}

    @property
    def declared_arms(self) -> tuple[Arm, ...]:
        """The arms as they are declared, names resolved."""
        return tuple(map(resolve_arm, self.arms or ()))

    @property
    def all_arms(self) -> tuple[Arm, ...]:
        """The arms, with the optimiser of the study's own where they have no other."""
        return tuple(arm.trained_with(self.optimizer) for arm in self.declared_arms)

    @property
    def baseline(self) -> str | None:
        """The arm that the others are compared with: the one without any extra term."""
        return next((arm.name for arm in self.declared_arms if arm.is_plain), None)

    def arm(self, name: str) -> Arm:
        """The arm called `name`."""
        return next(arm for arm in self.all_arms if arm.name == name)

    def cells(self) -> list[Cell]:
        """Every combination of factor values."""
        names = list(self.factors)
        return [
            Cell(tuple(zip(names, values, strict=True)))
            for values in itertools.product(*self.factors.values())
        ]

    def uses(self, arm: Arm, what: Parameter) -> bool:
        """Whether runs of `arm` depend on the parameter."""
        return reads(self, arm, what)

    def sets(self, name: str) -> bool:
        """Whether the study sets a parameter."""
        return name in self.fixed or name in self.factors or name in self._ranges

    @property
    def generations(self) -> int:
        """The number of successive teachers, at most."""
        name = "generations"
        if name in self.search:
            return max(map(int, self.search[name].ends()))
        values = self.factors.get(name, (self.fixed.get(name, PARAMETERS[name].default),))
        return max(value for value in values if isinstance(value, int))

    def space(self, arm: Arm) -> dict[str, Range]:
        """The search space of `arm`: the ranges that it reads."""
        ranges, known = self.search.items(), self.parameters
        return {name: space for name, space in ranges if self.uses(arm, known[name])}

    @property
    def searches(self) -> int:
        """Searches of each cell and arm, over which tests are: one if nothing is searched."""
        return self.replicates.searches if self.search else 1

    def searches_of(self, arm: Arm) -> int:
        """Searches per cell: one if nothing is searched."""
        return self.replicates.searches if self.space(arm) else 1

    def trials_of(self, arm: Arm) -> int:
        """Configurations per cell and search: one if nothing is searched."""
        space = self.space(arm)
        if not space:
            return 1
        trials = self.trials + self.trials_per_parameter * len(space)
        # One more has the configuration of the baseline, with weak extra terms.
        weak = bool(arm.terms) and arm.student == "own" and self.baseline is not None
        return at_most(self.sampler, trials, space, more=weak)

    def _values(self, cell: Cell, chosen: Mapping[str, Value]) -> dict[str, Any]:
        values: dict[str, Any] = {name: p.default for name, p in self.parameters.items()}
        values |= dict(self.fixed) | dict(cell.values) | dict(chosen)
        if values["teacher_samples"] is None:
            values["teacher_samples"] = values["samples"]
        if share := values["validation_share"]:
            values["validation_samples"] = max(round(share * values["samples"]), 1)
        return values

    def extremes(self, cell: Cell) -> list[dict[str, Any]]:
        """The parameters of a cell at the ends of the searched ranges, for checks.

        Only parameters with `decides_fit` are crossed.
        """
        names = self._searched_sizes()
        ends = itertools.product(*(self._ranges[name].ends() for name in names))
        return [self._values(cell, dict(zip(names, values, strict=True))) for values in ends]

    def config(self, cell: Cell, arm: Arm, chosen: Mapping[str, Value], dataset: str) -> Config:
        """Every parameter of a run of `arm` in `cell`, with the searched values `chosen`.

        Args:
            dataset: the name of the data, unless it is a factor.
        """
        values = self._values(cell, chosen)
        values[DATASET] = values[DATASET] or dataset
        values |= self.resolved(values, arm)
        kind = config_kind(tuple(self.own_parameters.values()))
        return kind(**only_read(self, arm, values), seed=self.seed)

    def resolved(self, values: Mapping[str, Any], arm: Arm) -> dict[str, Any]:
        """Values that follow from other parameters, such as `embedding`, checked.

        Raises:
            InputError: a circuit cannot work, or the arm's teacher does not exist.
        """
        return resolved_values(self.setting, values, arm)

    def replaced(self, **changes: Any) -> Study:
        """A copy with some fields changed, which is checked again."""
        return dataclasses.replace(self, **changes)

    def with_fixed(self, name: str, value: Value | None) -> Study:
        """A copy in which one parameter is fixed to a value, wherever it was before."""
        parameter(name, self.parameters)
        claims = [claim.having(name, value) for claim in self.claims]
        is_data = name == DATASET
        entries = tuple(one for one in self.datasets if name_of(one) == value) or (value,)
        return self.replaced(
            claims=tuple(claim for claim in claims if claim is not None),
            datasets=entries if is_data else self.datasets,
            factors={k: v for k, v in self.factors.items() if k != name},
            search={k: v for k, v in self.search.items() if k != name},
            teacher_search={k: v for k, v in self.teacher_search.items() if k != name},
            fixed=self.fixed if is_data else {**self.fixed, name: value},
        )
