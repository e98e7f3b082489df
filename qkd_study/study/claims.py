"""Claims: contrasts that a study declares before it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from types import MappingProxyType
from typing import Any

from qkd_study.common.errors import InputError, is_text, safe_repr
from qkd_study.common.python_values import as_python, keep_python_values
from qkd_study.study.config import PARAMETERS
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.parameters import Value

#: Metrics of the confirm phase that a claim may be about, and whether more is better.
MORE_IS_BETTER: Mapping[str, bool] = MappingProxyType(
    {
        "test_accuracy": True,
        "test_f1_macro": True,
        "test_nll": False,
        "test_ece": False,
        "teacher_agreement": True,
        "epochs_to_target": False,
    }
)

#: Metrics that are means over test samples of what the table of predictions says of each.
PER_ITEM = frozenset({"test_accuracy"})
#: What the interval of a verdict may be over.
REPLICATES, BOTH, DATASETS = "replicates", "replicates and test items", "datasets"

Side = str | Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One arm is better than another, or one factor value than another, paired by replicate.

    Attributes:
        says: the claim in one sentence.
        better, than: two arms by name; or two values of factors, such as `{"qubits": 8}`.
        arm: of both sides if they are factor values.
        metric: one of `MORE_IS_BETTER`. Better is higher, but lower for losses and epochs.
        target: the validation accuracy of `epochs_to_target`.
        where: factor -> values to which the claim is restricted; default: all cells.
        margin: a difference, in the metric's unit, that does not matter in practice.
        controls: arms that must not match the gain. A quantum teacher's is `classical-teacher`.
        over: what the verdict is to hold for: new `"replicates"` on the same test samples, or
            `"replicates and test items"`, new test samples too; or new `"datasets"` of the same
            kind, where they are a factor. Default: both for `test_accuracy`; other metrics have no
            value per test sample, and do not allow test items.
    """

    says: str
    better: Side
    than: Side
    arm: str | None = None
    metric: str = "test_accuracy"
    target: float | None = None
    where: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    margin: float | None = None
    controls: Sequence[str] = ()
    over: str | None = None

    def __post_init__(self) -> None:
        keep_python_values(self)
        if not is_text(self.says):
            raise InputError(f"says of a claim must be a sentence, but got {safe_repr(self.says)}.")
        about = f"claim {safe_repr(self.says)}"
        if not isinstance(self.metric, str) or str(self.metric) not in MORE_IS_BETTER:
            raise InputError(
                f"metric of {about} must be one of {', '.join(MORE_IS_BETTER)}, but got "
                f"{safe_repr(self.metric)}."
            )
        items = (BOTH,) if self.metric in PER_ITEM else ()
        allowed = (REPLICATES, *items, DATASETS)
        if self.over is not None and self.over not in allowed:
            raise InputError(
                f"over of {about} must be {' or '.join(map(repr, allowed))} for {self.metric}, but "
                f"got {safe_repr(self.over)}."
            )
        timed = self.metric == "epochs_to_target"
        given = isinstance(self.target, int | float) and 0 < self.target <= 1
        if not (given if timed else self.target is None):
            raise InputError(
                f"{about} needs a target between 0 and 1 if its metric is epochs_to_target, and "
                f"none otherwise, but got metric={safe_repr(self.metric)}, "
                f"target={safe_repr(self.target)}."
            )
        if self.margin is not None and not (
            isinstance(self.margin, int | float) and 0 < self.margin < float("inf")
        ):
            raise InputError(
                f"margin of {about} must be a number > 0, but got {safe_repr(self.margin)}."
            )
        by_arm = isinstance(self.better, str) and isinstance(self.than, str)
        by_value = isinstance(self.better, Mapping) and isinstance(self.than, Mapping)
        if not (by_arm and self.arm is None) and not (by_value and isinstance(self.arm, str)):
            raise InputError(
                f"{about} contrasts two arms by name, or two factor values of one `arm`, but got "
                f"better={safe_repr(self.better)}, than={safe_repr(self.than)}, "
                f"arm={safe_repr(self.arm)}."
            )
        for side in self.values:
            for name, value in side.items():
                if not isinstance(value, Real | str):
                    raise InputError(
                        f"{about} must name values of factors, but got {safe_repr(name)}: "
                        f"{safe_repr(value)}."
                    )
        for name, given_side in (("better", self.better), ("than", self.than)):
            if isinstance(given_side, Mapping):
                object.__setattr__(self, name, {k: _plain(k, v) for k, v in given_side.items()})
        if self.better == self.than:
            raise InputError(f"{about} contrasts {safe_repr(self.better)} with itself.")
        by_name = isinstance(self.controls, Sequence) and not isinstance(self.controls, str)
        if not by_name or not all(isinstance(arm, str) for arm in self.controls):
            raise InputError(
                f"controls of {about} are a tuple of arms, got {safe_repr(self.controls)}."
            )
        if by_value and self.controls:
            raise InputError(f"{about} contrasts factor values: controls are for arms.")
        object.__setattr__(self, "controls", tuple(self.controls))
        if not isinstance(self.where, Mapping) or not all(
            isinstance(v, Sequence) and not isinstance(v, str) and v for v in self.where.values()
        ):
            raise InputError(
                f"where of {about} is a dictionary from a factor to a tuple of values, but got "
                f"{safe_repr(self.where)}."
            )
        where = {k: tuple(_plain(k, v) for v in vs) for k, vs in self.where.items()}
        object.__setattr__(self, "where", where)

    @property
    def arms(self) -> list[str]:
        """All arms of the claim."""
        sides = [self.arm] if self.arm is not None else [self.better, self.than]
        return [str(side) for side in (*sides, *self.controls)]

    @property
    def values(self) -> list[Mapping[str, Value]]:
        """Both sides, if they are factor values."""
        return [side for side in (self.better, self.than) if isinstance(side, Mapping)]

    def check(self, arms: Sequence[str], factors: Mapping[str, Sequence[Any]]) -> None:
        """Check the claim against the study that makes it.

        Raises:
            InputError: an arm or a factor value is not in the study.
        """
        about = f"claim {safe_repr(self.says)}"
        for arm in self.arms:
            if arm not in arms:
                raise InputError(
                    f"{about} is about arm {safe_repr(arm)}, but the arms are {list(arms)}."
                )
        sides = self.values
        named = [*self.where.items(), *((k, (v,)) for side in sides for k, v in side.items())]
        for name, values in named:
            if name not in factors:
                raise InputError(
                    f"{about} is about {safe_repr(name)}, but the factors are {list(factors)}."
                )
            for value in values:
                if not isinstance(value, Real | str) or value not in factors[name]:
                    raise InputError(
                        f"{about} is about {name}={safe_repr(value)}, but the study runs "
                        f"{name} in {tuple(factors[name])}."
                    )
        if len(sides) == 2 and set(sides[0]) != set(sides[1]):
            raise InputError(f"{about} must name the same factors on both sides, but got {sides}.")
        if self.over == DATASETS:
            self._check_datasets(factors)
        both = [name for name in self.where if any(name in side for side in sides)]
        if both:
            raise InputError(
                f"{about} contrasts values of {both[0]}: name it in better and than alone, not in "
                f"where={self.where}."
            )

    def _check_datasets(self, factors: Mapping[str, Sequence[Any]]) -> None:
        """Check that there are datasets for the claim to be over."""
        about = f"claim {safe_repr(self.says)} is over datasets"
        if DATASET not in factors:
            raise InputError(
                f"{about}, but they are no factor of the study. Write factors={{'dataset': (...)}} "
                f"with two or more, or choose another `over`."
            )
        if any(DATASET in side for side in self.values):
            raise InputError(f"{about}, but contrasts two of them, {safe_repr(self.values)}.")
        there = tuple(self.where.get(DATASET, factors[DATASET]))
        if len(there) < 2:
            raise InputError(
                f"{about}, but there is one, {safe_repr(there)}: how much the difference varies "
                f"between datasets takes two or more, better six."
            )

    def having(self, name: str, value: Value | None) -> Claim | None:
        """The claim if a factor is fixed to a value; `None` if nothing of it is left."""
        if name == DATASET and self.over == DATASETS:
            return None
        if any(name in side for side in self.values) or value not in self.where.get(name, (value,)):
            return None
        return replace(self, where={k: v for k, v in self.where.items() if k != name})

    def within(self, factors: Mapping[str, Sequence[Any]]) -> Claim | None:
        """The claim restricted to some values of the factors; `None` if nothing of it is left."""
        where = {k: tuple(v for v in vs if v in factors[k]) for k, vs in self.where.items()}
        gone = any(v not in factors[k] for side in self.values for k, v in side.items())
        few = self.over == DATASETS and len(where.get(DATASET, factors[DATASET])) < 2
        return None if gone or few or not all(where.values()) else replace(self, where=where)


def rests_on(claim: Mapping[str, Any]) -> str:
    """What the verdict on a claim is to hold for, `REPLICATES`, `BOTH` or `DATASETS`.

    Args:
        claim: as in study.json; claims of earlier versions, which had no `over`, are over
            replicates.
    """
    default = BOTH if claim["metric"] in PER_ITEM else REPLICATES
    return str(claim.get("over", REPLICATES) or default)


def _plain(name: str, value: Any) -> Any:
    """A value in the type of a built-in parameter; unchanged if it is not valid."""
    with contextlib.suppress(InputError, KeyError, TypeError):
        return PARAMETERS[name].check(value)
    return as_python(value)
