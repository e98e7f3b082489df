"""The A/A test on the rows of a run: it sees what an arm gains by luck, not what it gains."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qkd_study import Replicates
from qkd_study.analysis.claims.contrasts import Member, evaluate_family
from qkd_study.analysis.claims.sides import PairedScores
from tests.analysis.made import made_results, made_study, with_predictions

benchmark: Any = importlib.import_module("benchmarks.aa_of_runs")  # no package


def test_the_noise_of_searches_makes_tests_over_replicates_wrong() -> None:
    study = made_study(replicates=Replicates(1, 18, 6), trials=1)
    results = made_results(study=study, search_noise=0.03, epochs=1)  # soft gains 0.05
    pools = [benchmark.pool(results, entry["claim"]) for entry in results.manifest["claims"]]
    (rows,) = {rows.shape for rows in pools[0].rows.values()}
    assert rows == (1, 6, 3)
    assert all(abs(one.mean()) < 1e-12 for one in pools[0].rows.values())
    judged, by_replicates = benchmark.false_verdicts(pools, 200)
    assert judged < 0.09
    assert by_replicates > 0.15


def test_its_p_values_are_those_of_the_judgement(tmp_path: Path) -> None:
    study = made_study(replicates=Replicates(1, 6, 3), trials=1, factors={"samples": (50,)})
    results = with_predictions(made_results(study=study, epochs=1), tmp_path)
    pools = [benchmark.pool(results, entry["claim"]) for entry in results.manifest["claims"]]
    for drawn in benchmark.family(pools, np.random.default_rng(0)):
        assert drawn.items is not None
        units = drawn.replicates.mean(axis=1)
        frame = pd.DataFrame({"better": units, "than": 0.0})
        items = {"digits": pd.DataFrame(drawn.items[0])}
        scores = PairedScores(frame, frame, frame, items)
        (found,) = evaluate_family([Member("all", drawn.claim, scores)], 0.05)
        assert found.verdict is not None
        assert found.verdict.p == drawn.p
        assert found.both is not None
        assert drawn.items[0].mean() == pytest.approx(units.mean(), abs=1e-12)
