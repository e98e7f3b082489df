"""The study, plan and CPUs that the options of `run` and `plan` specify."""

from __future__ import annotations

import os
import sys
import warnings
from argparse import Namespace
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from qkd_study import data as datasets
from qkd_study.common.errors import InputError, StudyWarning, safe_repr
from qkd_study.common.names import unknown
from qkd_study.planning.plan import Plan, make_plan
from qkd_study.study.config import parameter
from qkd_study.study.dataset_factor import DATASET
from qkd_study.study.files import FilesRead
from qkd_study.study.load import load_study, running
from qkd_study.study.origin import Origin
from qkd_study.study.parameters import Parameter, Value
from qkd_study.study.quick import quick
from qkd_study.study.reading import unread
from qkd_study.study.study import Study


def study_of(options: Namespace, files: FilesRead | None = None) -> Study:
    """Load the study and apply the options that change it.

    Args:
        files: records the files that the study file reads.
    """
    with _recording(files):
        study = load_study(options.study)
        with running(options.study):
            return with_options(study, options)


def _recording(files: FilesRead | None) -> AbstractContextManager[None]:
    return nullcontext() if files is None else files.recording()


def with_options(study: Study, options: Namespace) -> Study:
    """The study that the options of `run` and `plan` make of another."""
    if options.quick:
        study = quick(study)
    for assignment in options.set:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, but got {safe_repr(assignment)}.")
        value = _value(parameter(name, study.parameters), text)
        study = _fixed(study, name, value, assignment)
    if options.dataset is not None:
        study = _fixed(study, DATASET, options.dataset, f"--dataset {options.dataset}")
    changes: dict[str, Any] = {}
    if options.seed is not None:
        changes["seed"] = options.seed
    if options.trials is not None:
        changes["trials"] = options.trials
    if options.replicates is not None:
        changes["replicates"] = replace(study.replicates, confirm=options.replicates)
    for name in ("predictions", "weights"):
        if not getattr(options, name):
            changes[name] = False
    return study.replaced(**changes) if changes else study


def _fixed(study: Study, name: str, value: Value | None, option: str) -> Study:
    """The study with one value of a parameter; says which claims are gone with the others."""
    if name == DATASET:
        known = dict.fromkeys((*map(datasets.name_of, study.datasets), *datasets.SOURCES))
        if value not in known:
            raise InputError(unknown("dataset", value, known))
    found = study.with_fixed(name, value)
    remaining = {claim.says for claim in found.claims}
    for claim in study.claims:
        if claim.says not in remaining:
            print(f"with {option} there is no claim {safe_repr(claim.says)}", file=sys.stderr)
    return found


def _value(what: Parameter, text: str) -> Value | None:
    kind = what.kind
    if text == "None" and what.optional:
        return None
    try:
        return text if kind in ("choice", "text") else int(text) if kind == "int" else float(text)
    except ValueError:
        raise InputError(
            f"{what.name} must be {what.allowed}, but got --set {what.name}={text[:100]}."
        ) from None


def planned(
    study: Study, origin: Origin, files: FilesRead | None = None
) -> tuple[Plan, datasets.Data, str]:
    """Choose the data of a study and make the plan; returns a line about the choice, too.

    Warns of fixed parameters that nothing reads: a study may be for several settings.

    Args:
        files: records the files that the study's own parts read.
    """
    for name in unread(study, study.fixed):
        given = f"{name}={study.fixed[name]}"
        warnings.warn(
            f"no arm of this study reads {name}: {given} has no effect.", StudyWarning, stacklevel=2
        )
    with origin.running():
        data: datasets.Data
        if DATASET in study.factors:
            entries, message = (
                study.datasets,
                datasets.fetch_all(study.datasets, datasets.terminal_progress),
            )
            data = datasets.Datasets(tuple(map(datasets.load, entries)))
        else:
            entry, message = datasets.choose(study.datasets, datasets.terminal_progress)
            entries, data = (entry,), datasets.load(entry)
        for entry, part in zip(entries, data.parts, strict=True):
            if part.max_value != 1 and not isinstance(datasets.whole(entry), str):
                whose = "its samples" if data is part else f"samples of {part.name}"
                message += f", {whose} divided by {part.max_value:g}"
        if not isinstance(study.sampler, str) or not isinstance(study.pruner, str):
            from qkd_study.search.method_checks import try_methods  # imports Optuna

            try_methods(study)
        with _recording(files):
            return make_plan(study, data), data, message


def cpus_of(options: Namespace) -> int | None:
    """The CPUs to use at most; `None`: all of the cluster of `--address`."""
    given: int | None = options.cpus
    if given is not None and not 1 <= given <= 4096:
        raise InputError(f"--cpus must be an integer from 1 to 4096, but got {given}.")
    return given or (cores() if options.address is None else None)


def cores() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
