"""What share of a study's computing its validations are.

    python benchmarks/validation.py STUDY.py [--dataset NAME] [--full]

Runs five confirm replicates of every arm in every cell of the study's quick version, or in full,
teachers and test set included, in one process on one thread: with every epoch validated and with
the last alone, in turn. Printed are CPU seconds of both, and the share of the difference.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from pathlib import Path

import torch

from qkd_study.data import Dataset, load
from qkd_study.distill import TeacherStore, run_replicates
from qkd_study.study import Study
from qkd_study.study.load import load_study
from qkd_study.study.quick import quick

REPLICATES = 5


def seconds(study: Study, dataset: Dataset) -> float:
    """CPU seconds of the replicates of every arm and cell, with teachers of their own."""
    call = range(1000, 1000 + REPLICATES)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        store = TeacherStore(Path(folder))
        for cell in study.cells():
            for arm in study.all_arms:
                chosen = {name: space.ends()[0] for name, space in study.space(arm).items()}
                config = study.config(cell, arm, chosen, dataset.name)
                results = run_replicates(
                    study.setting, arm, config, dataset, store, replicates=call, test=True
                )
                if failed := [result for result in results if isinstance(result, Exception)]:
                    raise failed[0]
    return time.process_time() - start


def main() -> None:
    """Time both, in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--dataset")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(options.study)
    small = quick(study)
    study = study if options.full else small
    dataset = load(options.dataset or study.datasets[0])
    every = study.replaced(fixed={**study.fixed, "epoch_choice": "best", "validate_every": 1})
    last = study.replaced(fixed={**every.fixed, "validate_every": 10**6})
    seconds(small, dataset)  # warms up
    whole, rest = seconds(every, dataset), seconds(last, dataset)
    print(
        f"{options.study.stem}, {dataset.name}: {whole:.2f} s with every epoch validated, "
        f"{rest:.2f} s with the last: validations are {1 - rest / whole:.0%}"
    )


if __name__ == "__main__":
    main()
