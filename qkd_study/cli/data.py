"""`qkd-study data`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np

from qkd_study import data as datasets
from qkd_study.common.errors import InputError
from qkd_study.common.exit_codes import BAD_INPUT, DONE
from qkd_study.data.data_file import ENDINGS
from qkd_study.data.export import check_export_path, split, write_split
from qkd_study.study.circuits import embeddable
from qkd_study.study.config import PARAMETERS
from qkd_study.study.models import Mlp
from qkd_study.study.sizes import misfit


def data(options: Namespace) -> int:
    """`qkd-study data`: list the datasets, fetch or check one, or export a split."""
    if options.action == "list":
        for name, known in datasets.SOURCES.items():
            there = "can be had" if known.available() else "not here, and out of reach"
            print(f"{name}: {known.about} ({there})")
        return DONE
    if options.name is None:
        print(f"qkd-study: `data {options.action}` needs the name of a dataset.", file=sys.stderr)
        return BAD_INPUT
    own = _names_file(options.name)
    if options.action == "check" and own:
        _show_file(_file(options))
        return DONE
    if options.action == "export":
        return _export(options, _file(options) if own else options.name)
    source = datasets.source(options.name)
    if options.action == "fetch":
        source.fetch(datasets.terminal_progress)
    dataset = datasets.load(options.name)
    print(
        f"{dataset.name} is here and whole: {len(dataset.pool_labels):,} samples to draw from, "
        f"{len(dataset.test_labels):,} for the test, sha256 {dataset.digest[:16]}..."
    )
    return DONE


def _export(options: Namespace, entry: datasets.DataSource) -> int:
    """Write the split of a replicate."""
    if options.to is None:
        print("qkd-study: `data export` needs --to FILE.", file=sys.stderr)
        return BAD_INPUT
    path, replicate = Path(options.to), options.replicate
    check_export_path(path)
    if path.exists():
        raise InputError(f"{path} exists. Name a new file, or remove it first.")
    if replicate < 0 or options.seed < 0:
        raise InputError("--replicate and --seed must be integers >= 0.")
    dataset = datasets.load(entry)
    parts = split(dataset, options.validation_samples, seed=options.seed, replicate=replicate)
    write_split(dataset, parts, path)
    counts = ", ".join(f"{len(index):,} {part}" for part, index in parts.items())
    print(
        f"{path}: {dataset.name}, seed {options.seed}, replicate {replicate}: {counts}. A student "
        f"with K samples is trained on the first K of train."
    )
    return DONE


def _file(options: Namespace) -> datasets.DataFile:
    return datasets.DataFile(
        options.name,
        label=options.label,
        drop=tuple(options.drop),
        sep={"\\t": "\t"}.get(options.sep, options.sep),
        decimal=options.decimal,
        standardise=options.standardise,
    )


def _names_file(name: str) -> bool:
    known = name in datasets.SOURCES
    return not known and (Path(name).suffix.lower() in ENDINGS or os.path.exists(name))


def _show_file(file: datasets.DataFile) -> None:
    """Print what a study would read from a file, and the warnings it would give."""
    dataset = file.load()
    low, high, _ = dataset.extent()
    counts = np.bincount(np.concatenate((dataset.pool_labels, dataset.test_labels)))
    shape = dataset.shape
    size = "x".join(map(str, shape[-2:]))
    what = {1: f"{shape[0]} features", 2: f"{size} pixels"}.get(
        len(shape), f"{shape[0]} channels of {size} pixels"
    )
    divided = "" if dataset.max_value == 1 else f", divided by {dataset.max_value:g}"
    default = datasets.DataFile(file.path)
    given = "".join(
        f", {name}={getattr(file, name)!r}"
        for name in ("label", "drop", "sep", "decimal", "standardise")
        if getattr(file, name) != getattr(default, name)
    )
    names = ", ".join(dataset.class_names[:10]) + (", ..." if dataset.classes > 10 else "")
    print(
        f"{file.path} can be used: DataFile({str(file.path)!r}{given})\n"
        f"samples: {len(dataset.pool_labels):,} to draw from, {len(dataset.test_labels):,} for the "
        f"test\n"
        f"each: {what}, between {low:.6g} and {high:.6g}{divided}\n"
        f"classes: {dataset.classes} ({names}), of {counts.min():,} to {counts.max():,} samples\n"
        f"sha256: {dataset.digest}"
    )
    angles = embeddable({"embedding": "angle", "angle_range": PARAMETERS["angle_range"].default})
    sizes = [one for one in (Mlp().expects({}), angles) if one is not None]
    if message := misfit(dataset, sizes):
        print(f"warning: {message}", file=sys.stderr)
