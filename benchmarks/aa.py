"""A/A test of a study: how often its judgement finds a difference where there is none.

`python -m benchmarks.aa STUDY.py` runs many independent searches of the study's baseline with the
schedule, training and confirmation of the study. Then it resamples families of claims: for each
claim, one set of searches stands for the baseline and another for an arm that is no different. It
prints how many families have a false verdict at 5 %, if intervals are over replicates of one search
and if they are over searches.

Different searches are confirmed on different replicates, so the differences lack the pairing of a
real study: noise between replicates is larger here, and the share for one search is, if anything,
too small.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import qkd_study
from qkd_study.analysis.statistics import holm
from qkd_study.study.load import load_study
from qkd_study.study.replicates import TRIALS_PER_SEARCH

ALPHA = 0.05
#: The study that is run: the file with its declaration, and what is changed.
STUDY = """from pathlib import Path
from qkd_study import Replicates
from qkd_study.study.load import load_study

of = load_study(Path({path!r}))
study = of.replaced(
    arms=({baseline!r},), claims=(), teacher_search={{}}, minimise=None,
    replicates=Replicates(of.replicates.search, {confirm}, {searches}), name="aa-" + of.name,
)
"""


def scores(
    path: Path, searches: int, replicates: int, out: Path, options: list[str]
) -> NDArray[np.float64]:
    """Test accuracies of the baseline's searches: (cells, searches, replicates)."""
    study = load_study(path)
    if study.baseline is None:
        sys.exit(f"{path} has no arm without extra terms: there is nothing to compare with itself.")
    out.mkdir(parents=True, exist_ok=True)
    file = out / "aa.py"
    confirm = searches * replicates
    changes = {"baseline": study.baseline, "confirm": confirm, "searches": searches}
    file.write_text(STUDY.format(path=str(path.resolve()), **changes))
    command = [sys.executable, "-m", "qkd_study", "run", str(file), "--out", str(out), *options]
    subprocess.run(command, check=True)
    rows = qkd_study.load(out / f"aa-{study.name}" / "latest").confirmed
    rows = rows.assign(search=rows["trial"] // TRIALS_PER_SEARCH)
    found = [
        [own.sort_values("replicate")["metric.test_accuracy"] for _, own in here.groupby("search")]
        for _, here in rows.groupby("cell")
    ]
    if {len(own) for here in found for own in here} != {replicates}:
        sys.exit("runs failed or are missing: see `qkd-study status`.")
    return np.array(found, dtype=np.float64)


def false_verdicts(
    values: NDArray[np.float64], claims: int, searches: int, families: int, seed: int = 0
) -> float:
    """The share of families in which Holm's correction leaves a p value below 5 %.

    Args:
        values: (cells, searches, replicates) of one arm.
        claims: of a family: means over all cells, against the same baseline.
        searches: of each arm and cell; 1: tests are over its replicates.
        families: how many are resampled.
        seed: of the resampling.
    """
    rng, wrong = np.random.default_rng(seed), 0
    cells, there, replicates = values.shape
    for _ in range(families):
        order = [rng.permutation(there) for _ in range(cells)]
        base = _units([values[c, order[c][:searches]] for c in range(cells)], replicates)
        p_values = []
        for _ in range(claims):
            others = [rng.permutation(order[c][searches:])[:searches] for c in range(cells)]
            arm = _units([values[c, others[c]] for c in range(cells)], replicates)
            p_values.append(float(stats.ttest_1samp(arm - base, 0).pvalue))
        wrong += bool(holm(p_values).min() < ALPHA)
    return wrong / families


def _units(chosen: list[NDArray[np.float64]], replicates: int) -> NDArray[np.float64]:
    """Means over cells, of replicates of one search, or of several searches that share as many."""
    mean: NDArray[np.float64] = np.mean(chosen, axis=0)
    if len(mean) == 1:
        one: NDArray[np.float64] = mean[0]
        return one
    return np.array([own[: replicates // len(mean)].mean() for own in mean])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument(
        "--searches", type=int, default=12, help="independent searches that are run"
    )
    parser.add_argument("--replicates", type=int, help="of each search; default: the study's")
    parser.add_argument("--per-arm", type=int, default=3, help="searches of an arm in the test")
    parser.add_argument("--families", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="keeps the run; the same command continues it")
    known, options = parser.parse_known_args()
    study = load_study(known.study)
    replicates = known.replicates or study.replicates.confirm
    if known.searches < 2 * known.per_arm or replicates < known.per_arm:
        sys.exit("--searches must be at least twice --per-arm, and --replicates at least as many.")
    with tempfile.TemporaryDirectory() as folder:
        out = known.out or Path(folder)
        values = scores(known.study, known.searches, replicates, out, options)
    means = values.mean(axis=2)
    within = values.var(axis=2, ddof=1).mean(axis=1) / replicates
    between = np.sqrt(np.maximum(means.var(axis=1, ddof=1) - within, 0))
    claims = max(1, len(study.claims))
    print(f"between-search spread by cell, points: {np.array2string(100 * between, precision=1)}")
    for searches, over in ((1, "replicates of one search"), (known.per_arm, "searches")):
        share = false_verdicts(values, claims, searches, known.families)
        count = f"{known.families:,} families of {claims} claims"
        print(f"tests over {over:<25} ({searches}): {100 * share:.1f} % of {count} are false")


if __name__ == "__main__":
    main()
