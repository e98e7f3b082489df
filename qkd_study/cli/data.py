"""`qkd-study data`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np

from qkd_study import data as datasets
from qkd_study.common.exit_codes import BAD_INPUT, DONE
from qkd_study.data.data_file import ENDINGS
from qkd_study.study.circuits import embeddable
from qkd_study.study.config import PARAMETERS
from qkd_study.study.models import Mlp
from qkd_study.study.sizes import misfit


def data(options: Namespace) -> int:
    """`qkd-study data`: list the datasets, fetch one, or check one."""
    if options.action == "list":
        for name, known in datasets.SOURCES.items():
            there = "can be had" if known.available() else "not here, and out of reach"
            print(f"{name}: {known.about} ({there})")
        return DONE
    if options.name is None:
        print(f"qkd-study: `data {options.action}` needs the name of a dataset.", file=sys.stderr)
        return BAD_INPUT
    if options.action == "check" and _names_file(options.name):
        _show_file(datasets.DataFile(options.name, label=options.label))
        return DONE
    source = datasets.source(options.name)
    if options.action == "fetch":
        source.fetch(datasets.terminal_progress)
    dataset = datasets.load(options.name)
    print(
        f"{dataset.name} is here and whole: {len(dataset.pool_labels):,} samples to draw from, "
        f"{len(dataset.test_labels):,} for the test, sha256 {dataset.digest[:16]}..."
    )
    return DONE


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
    label = "" if file.label == "label" else f", label={file.label!r}"
    print(
        f"{file.path} can be used: DataFile({str(file.path)!r}{label})\n"
        f"samples: {len(dataset.pool_labels):,} to draw from, {len(dataset.test_labels):,} for the "
        f"test\n"
        f"each: {what}, between {low:.6g} and {high:.6g}{divided}\n"
        f"classes: {dataset.classes}, of {counts.min():,} to {counts.max():,} samples\n"
        f"sha256: {dataset.digest}"
    )
    angles = embeddable({"embedding": "angle", "angle_range": PARAMETERS["angle_range"].default})
    sizes = [one for one in (Mlp().expects({}), angles) if one is not None]
    if message := misfit(dataset, sizes):
        print(f"warning: {message}", file=sys.stderr)
