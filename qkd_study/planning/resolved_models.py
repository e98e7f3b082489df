"""The models of a study as they are built: their sizes, and one circuit of each kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from qkd_study.data import Data, Dataset
from qkd_study.models import Model, build_model, count_parameters
from qkd_study.quantum import Circuit
from qkd_study.study.arms import Arm
from qkd_study.study.config import Config
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.external import CachedTeacher
from qkd_study.study.models import ModelSpec, Own
from qkd_study.study.parameters import Value
from qkd_study.study.study import Cell, Study

#: Models that are built, at most: each has to be, to be counted.
MOST_BUILT = 200


@dataclass(frozen=True)
class Size:
    """What a built model has.

    Attributes:
        parameters: trainable numbers; angles: those of them that are angles of circuits; gates: of
            one circuit. `None` where a model of the study's own does not say, or only its outputs
            are known.
    """

    parameters: int | None
    angles: int | None
    gates: int | None


class Resolved(NamedTuple):
    """What tells a model of a study from the others.

    Attributes:
        role: `student` or `teacher`.
        declared: the declaration.
        smallest, largest: at the first and the last values of all searched ranges.
        embedding: how data enters its circuit; `None` without one.
    """

    role: str
    declared: ModelSpec
    smallest: Size
    largest: Size
    embedding: str | None


@dataclass
class Use:
    """Where a model is used.

    Attributes:
        circuit: of the model at the first values; `None` if it has none that can be drawn.
        arms, cells: the names and keys of those that have it, in their order.
    """

    circuit: Circuit | None
    arms: dict[str, None] = field(default_factory=dict)
    cells: dict[str, None] = field(default_factory=dict)


def resolved_models(study: Study, data: Data) -> dict[Resolved, Use]:
    """The models of all arms and cells, those of the same sizes as one.

    Only the first `MOST_BUILT` different ones are built.

    Args:
        study: passed the checks on `data`.
        data: what it is trained on.

    Raises:
        InputError: a model cannot be built.
    """
    built: dict[object, tuple[Size, Circuit | None]] = {}
    found: dict[Resolved, Use] = {}
    for cell, arm in itertools.product(study.cells(), study.all_arms):
        dataset = data.named(str(dict(cell.values).get(DATASET, "")))
        ends = [_models(study, cell, arm, dataset, chosen) for chosen in _ends(study)]
        for (role, declared, low), (_, _, high) in zip(*ends, strict=True):
            sizes = []
            for config in (low, high):
                key = _key(declared, config, dataset)
                if key not in built and len(built) < MOST_BUILT:
                    built[key] = _built(declared, config, dataset)
                sizes += [built[key]] if key in built else []
            if len(sizes) < 2:
                continue
            (smallest, circuit), (largest, _) = sizes
            embedding = low.embedding if declared.embeds else None
            model = Resolved(role, declared, smallest, largest, embedding)
            use = found.setdefault(model, Use(circuit))
            use.arms[arm.name] = use.cells[cell.key] = None
    return found


def _ends(study: Study) -> tuple[Mapping[str, Value], Mapping[str, Value]]:
    ranges = {**study.search, **study.teacher_search}.items()
    first, last = ({name: range_.ends()[at] for name, range_ in ranges} for at in (0, -1))
    return first, last


def _models(
    study: Study, cell: Cell, arm: Arm, dataset: Dataset, chosen: Mapping[str, Value]
) -> Iterator[tuple[str, ModelSpec, Config]]:
    """Student and teacher of an arm, each with its configuration."""
    config = study.config(cell, arm, chosen, dataset.name)
    yield "student", study.setting.student_of(arm), config
    if arm.needs_teacher:
        values = study.setting.of_teacher(vars(config), arm)
        yield "teacher", study.setting.teacher_of(arm), type(config)(**values)


def _key(declared: ModelSpec, config: Config, dataset: Dataset) -> object:
    """What the size of a model depends on; nobody knows what one of the study's own reads."""
    values = vars(config)
    names = values if isinstance(declared, Own) else sorted(declared.reads | {"embedding"})
    read = tuple((name, values[name]) for name in names)
    return declared, read, dataset.shape, dataset.classes


def _built(declared: ModelSpec, config: Config, dataset: Dataset) -> tuple[Size, Circuit | None]:
    model: Model = build_model(declared, config, dataset.shape, dataset.classes, seed=0)
    circuit = getattr(model, "circuit", None)
    parameters = None if isinstance(declared, CachedTeacher) else count_parameters(model)
    size = Size(parameters, model.quantum_parameters, model.circuit_gates)
    return size, circuit if isinstance(circuit, Circuit) else None
