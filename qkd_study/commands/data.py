"""`qkd-study data`."""

from __future__ import annotations

import sys
from argparse import Namespace

from qkd_study import data as datasets
from qkd_study.exit_codes import BAD_INPUT, DONE


def data(options: Namespace) -> int:
    """`qkd-study data`: list the datasets, fetch one, check one."""
    if options.action == "list":
        for name, known in datasets.SOURCES.items():
            there = "can be had" if known.available() else "not here, and out of reach"
            print(f"{name}: {known.about} ({there})")
        return DONE
    if options.name is None:
        print(f"qkd-study: `data {options.action}` needs the name of a dataset.", file=sys.stderr)
        return BAD_INPUT
    source = datasets.source(options.name)
    if options.action == "fetch":
        source.fetch(datasets.terminal_progress)
    dataset = datasets.load(options.name)
    print(
        f"{dataset.name} is here and whole: {len(dataset.pool_labels):,} samples to draw from, "
        f"{len(dataset.test_labels):,} for the test, sha256 {dataset.digest[:16]}..."
    )
    return DONE
