"""`qkd-study show`."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qkd_study.cli.study_options import planned, study_of
from qkd_study.common.errors import safe_repr
from qkd_study.common.exit_codes import DONE
from qkd_study.common.terminal import PIPED_WIDTH, console, is_live, print_wrapped
from qkd_study.common.terminal_table import TerminalTable
from qkd_study.study.arms import Arm
from qkd_study.study.identity import declaration
from qkd_study.study.origin import Origin
from qkd_study.study.study import Study

if TYPE_CHECKING:
    from qkd_study.planning.resolved_models import Resolved, Use
    from qkd_study.quantum import Circuit

#: Gates of a circuit that is drawn, at most.
MOST_DRAWN = 300
#: Cells that are listed, at most; `--json` has all.
MOST_LISTED = 20


def show(options: Namespace) -> int:
    """`qkd-study show`: print what a study declares, resolved on the data that it would get."""
    from qkd_study.planning.resolved_models import resolved_models
    from qkd_study.tune.environment import prepare_driver

    prepare_driver()  # one thread, as in the workers
    study = study_of(options)
    origin = Origin(options.study)
    counted, dataset, dataset_line = planned(study, origin)
    with origin.running():
        models = resolved_models(study, dataset)
    if options.json:
        print(json.dumps(_as_json(study, counted.cells, dataset.name, models), indent=1))
        return DONE
    out = console()
    print_wrapped(f"{study.name}: {study.question}", f"setting: {safe_repr(study.setting)}")
    print_wrapped(dataset_line)
    for part in dataset.parts:
        print_wrapped(
            f"{part.name}: samples of shape {part.shape}, {part.classes} classes, "
            f"{len(part.pool_labels):,} in the pool, {len(part.test_labels):,} in the test set"
        )
    out.print(_cells_table(study), _models_table(models), sep="\n")
    for line in _circuit_lines(models):
        print(line)
    out.print(_space_table(study), _arms_table(study), sep="\n")
    return DONE


def _as_json(
    study: Study, cells: Sequence[str], dataset: str, models: Mapping[Resolved, Use]
) -> dict[str, Any]:
    return {
        "declaration": declaration(study),
        "dataset": dataset,
        "cells": list(cells),
        "models": [
            {
                "role": model.role,
                "model": safe_repr(model.declared),
                "arms": list(use.arms),
                "cells": list(use.cells),
                "smallest": dataclasses.asdict(model.smallest),
                "largest": dataclasses.asdict(model.largest),
                "embedding": model.embedding,
                "circuit": None if use.circuit is None else _drawing(use.circuit, PIPED_WIDTH),
            }
            for model, use in models.items()
        ],
        "arms": {
            arm.name: {
                "question": arm.question,
                "searches": sorted(study.space(arm)),
                "trials": study.trials_of(arm),
            }
            for arm in study.all_arms
        },
    }


def _cells_table(study: Study) -> TerminalTable:
    cells = study.cells()
    more = len(cells) - MOST_LISTED
    count = "1 cell" if len(cells) == 1 else f"{len(cells):,} cells"
    title = f"{count}, of which {MOST_LISTED} are listed" if more > 0 else count
    rows = [[str(value) for _, value in cell.values] or ["all"] for cell in cells[:MOST_LISTED]]
    names = list(study.factors) or ["cell"]
    return TerminalTable(f"\n{title}", names, rows, keys=len(names))


def _models_table(models: Mapping[Resolved, Use]) -> TerminalTable:
    rows = [
        [
            model.role,
            safe_repr(model.declared),
            *(
                _between(getattr(model.smallest, name), getattr(model.largest, name))
                for name in ("parameters", "angles", "gates")
            ),
            ", ".join(use.arms),
            _shortened(list(use.cells)),
        ]
        for model, use in models.items()
    ]
    columns = ("role", "model", "parameters", "angles", "gates", "arms", "cells")
    return TerminalTable("\nmodels, with the smallest and largest searched", columns, rows, keys=2)


def _between(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return "unknown"
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _shortened(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _circuit_lines(models: Mapping[Resolved, Use]) -> list[str]:
    """A drawing for every declared model with a circuit, and for each circuit one only."""
    shown: set[object] = set()
    lines = []
    for model, use in models.items():
        if use.circuit is None or {model.declared, use.circuit} & shown:
            continue
        shown |= {model.declared, use.circuit}
        again = any(gate.feature is not None for gate in use.circuit.gates)
        enters = "data enters between its gates" if again else f"after {model.embedding} embedding"
        lines += [
            "",
            f"circuit of the {model.role} {safe_repr(model.declared)}, cell {next(iter(use.cells))}"
            f": {use.circuit.qubits} qubits, {enters}",
            *_drawing(use.circuit, _width()),
        ]
    return lines


def _drawing(circuit: Circuit, width: int) -> list[str]:
    from qkd_study.quantum import drawn

    if len(circuit.gates) > MOST_DRAWN:
        return [f"({len(circuit.gates):,} gates: at most {MOST_DRAWN} are drawn)"]
    return drawn(circuit, width)


def _width() -> int:
    return shutil.get_terminal_size().columns if is_live(sys.stdout) else PIPED_WIDTH


def _space_table(study: Study) -> TerminalTable:
    ranges = {**study.search, **study.teacher_search}
    rows = [
        [
            name,
            safe_repr(space),
            "teacher" if name in study.teacher_search else _readers(study, name),
            study.parameters[name].meaning,
        ]
        for name, space in ranges.items()
    ]
    title = "search space" if rows else "search space: nothing is searched"
    return TerminalTable(f"\n{title}", ("parameter", "range", "of", "meaning"), rows, keys=2)


def _readers(study: Study, name: str) -> str:
    arms = [arm.name for arm in study.all_arms if name in study.space(arm)]
    return "every arm" if len(arms) == len(study.all_arms) else ", ".join(arms)


def _arms_table(study: Study) -> TerminalTable:
    rows = [
        [arm.name, arm.question, _trained_on(arm), str(trials)]
        for arm, trials in ((arm, study.trials_of(arm)) for arm in study.all_arms)
    ]
    columns = ("arm", "question", "beside the cross-entropy", "trials")
    return TerminalTable("\narms", columns, rows)


def _trained_on(arm: Arm) -> str:
    """The terms of an arm, and its own optimiser."""
    own = arm.optimizer
    optimizer = () if own is None else ("own optimiser" if callable(own) else own,)
    return ", ".join((*arm.term_names, *optimizer))
