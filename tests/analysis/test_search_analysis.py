"""What a search found, on small frames made by hand and against brute force."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_study.analysis import best_trials
from qkd_study.analysis.search_analysis import (
    ALL_CELLS,
    best_configurations,
    convergence,
    expected_best,
    expected_maximum,
    levelling,
    parameter_importance,
    pareto_front,
    pareto_table,
    search_budget,
)
from qkd_study.results import read_table, start_tables

RATE: dict[str, Any] = {"kind": "LogFloat", "low": 1e-4, "high": 1e-1}
SHARE: dict[str, Any] = {"kind": "Float", "low": 0.0, "high": 1.0}
DEPTH: dict[str, Any] = {"kind": "Int", "low": 1, "high": 4}
BATCH: dict[str, Any] = {"kind": "Choice", "values": [8, 32]}


def trial(
    number: int,
    *scores: float | None,
    cell: str = "k=1",
    arm: str = "a",
    lost: str = "stopped",
    **config: Any,
) -> list[dict[str, Any]]:
    """The rows of one search trial; a score of `None` is a replicate without a result."""
    return [
        {
            "phase": "search",
            "cell": cell,
            "arm": arm,
            "trial": number,
            "replicate": replicate,
            "status": "ok" if score is not None else lost,
            "metric.val_accuracy": math.nan if score is None else score,
            "cost.seconds_total": math.nan if score is None else 2.0,
            **{f"config.{name}": value for name, value in config.items()},
        }
        for replicate, score in enumerate(scores)
    ]


def frame(*rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(itertools.chain(*rows)))


# --- search curves ---


def test_the_expected_maximum_is_that_of_all_subsets() -> None:
    scores = [0.3, 0.9, 0.5, 0.5, 0.7, 0.1]
    subsets = [itertools.combinations(scores, n) for n in range(1, 7)]
    expected = [np.mean([max(subset) for subset in of_size]) for of_size in subsets]
    assert expected_maximum(scores) == pytest.approx(np.array(expected), rel=1e-12)
    many = expected_maximum(np.linspace(0, 1, 2000))  # no overflow: n / (n + 1) of a uniform score
    assert many[[0, 9, 1999]] == pytest.approx(np.array([0.5, 10 / 11, 1.0]), abs=1e-3)
    for bad in ([], [0.1, math.nan], [[0.1]]):
        with pytest.raises(ValueError, match="one or more finite scores"):
            expected_maximum(bad)


def test_search_curves_are_of_what_was_suggested() -> None:
    other = 10_000_000  # the second search
    runs = frame(
        *(trial(n, 0.1 * n, 0.1 * n) for n in range(1, 5)),
        *(trial(other + n, 0.5, 0.5) for n in range(3)),
        trial(other + 3, 0.1, None),  # stopped: with what it has
        trial(other + 4, None, None, lost="failed"),
        trial(other + 1_000_002, 0.99, 0.99),  # the baseline's configuration
        trial(0, 0.8, arm="b"),
    )
    found = expected_best(runs)
    first = expected_maximum([0.1, 0.2, 0.3, 0.4])
    second = expected_maximum([0.5, 0.5, 0.5, 0.1])
    own = found[found["arm"] == "a"]
    assert own["n"].to_list() == [1, 2, 3, 4]
    assert own["best"].to_numpy() == pytest.approx((first + second) / 2)
    assert set(own["searches"]) == {2}
    table = levelling(found).set_index("arm")
    gain = ((first + second) / 2)[[2, 3]]
    assert table.loc["a", "gain"] == pytest.approx(gain[1] - gain[0])
    assert table["climbing"].to_dict() == {"a": True, "b": False}
    assert table["gain"].isna().to_dict() == {"a": False, "b": True}


# --- importance ---


def one_decides(count: int, *, cell: str = "k=1", level: float = 0.5) -> list[dict[str, Any]]:
    """Scores that are a function of the learning rate alone, linear in its logarithm."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(count):
        rate = 10 ** rng.uniform(-4, -1)
        values: dict[str, Any] = {
            "rate": rate,
            "share": rng.uniform(),
            "depth": int(rng.integers(1, 5)),
            "batch": (8, 32)[rng.integers(2)],
        }
        score = level + 0.1 * (math.log10(rate) + 2.5)
        rows += trial(n, score, score, cell=cell, **values)
    return rows


PARAMETERS = {"share": SHARE, "batch": BATCH, "rate": RATE, "depth": DEPTH}


def test_the_parameter_that_decides_comes_first() -> None:
    found = parameter_importance(frame(one_decides(40)), PARAMETERS)
    assert found["parameter"].iloc[0] == "rate"
    assert found["importance"].iloc[0] > 0.9
    assert found["importance"].sum() == pytest.approx(1)
    assert found["importance"].is_monotonic_decreasing
    assert set(found["configurations"]) == {40}
    assert found["reason"].isna().all()


@pytest.mark.parametrize("name", ["share", "depth", "batch"])
def test_every_kind_can_decide(name: str) -> None:
    runs = frame(one_decides(40))
    values = runs[f"config.{name}"]
    runs["metric.val_accuracy"] = (values - values.min()) / (values.max() - values.min())
    found = parameter_importance(runs, PARAMETERS)
    assert found["parameter"].iloc[0] == name
    assert found["importance"].iloc[0] > 0.9


def test_a_logarithmic_range_counts_evenly_in_its_logarithm() -> None:
    """The lowest of three decades decides: a third of the range, but 1 % of it in value."""
    rng = np.random.default_rng(1)
    rows = []
    for n in range(60):
        rate, share = 10 ** rng.uniform(-4, -1), rng.uniform()
        rows += trial(n, (0.5 if rate < 1e-3 else 0.8) + 0.05 * share, rate=rate, share=share)
    found = parameter_importance(frame(rows), {"rate": RATE, "share": SHARE})
    assert found["importance"].to_list() == pytest.approx([0.99, 0.01], abs=0.02)
    assert found["parameter"].to_list() == ["rate", "share"]


def test_importance_repeats_and_leaves_optuna_as_it_was() -> None:
    runs = frame(one_decides(12))
    before = optuna.logging.get_verbosity()
    first, again = (parameter_importance(runs, PARAMETERS) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert optuna.logging.get_verbosity() == before
    other = parameter_importance(runs, PARAMETERS, seed=1)
    assert not np.allclose(other["importance"], first["importance"])


def test_pooled_cells_differ_in_level_but_count_together() -> None:
    runs = frame(one_decides(6, cell="k=1", level=0.1), one_decides(6, cell="k=2", level=0.9))
    runs.loc[runs["cell"] == "k=2", "config.share"] = 0.99  # would mark the better cell
    alone = parameter_importance(runs, PARAMETERS)
    assert list(alone["cell"].unique()) == ["k=1", "k=2"]
    assert len(alone) == 8
    pooled = parameter_importance(runs, PARAMETERS, pooled=True)
    assert set(pooled["cell"]) == {ALL_CELLS}
    assert pooled["parameter"].iloc[0] == "rate"
    assert pooled["importance"].iloc[0] > 0.8
    assert set(pooled["configurations"]) == {12}


@pytest.mark.parametrize("complete", [0, 1, 3])
def test_too_few_complete_configurations_have_no_importance(complete: int) -> None:
    rows = [trial(n, 0.5 + n / 10, rate=10.0 ** -(1 + n % 3), share=0.1) for n in range(complete)]
    rows += [trial(n, 0.1, None, rate=1e-2 / n, share=0.2) for n in range(5, 9)]
    found = parameter_importance(frame(*rows), {"rate": RATE})
    assert found["importance"].isna().all()
    assert found["reason"].to_list() == [f"{complete} complete configurations, fewer than 4"]


def test_no_variation_has_no_importance() -> None:
    alike = frame(*(trial(n, 0.5, rate=1e-3 * (n + 1)) for n in range(5)))
    found = parameter_importance(alike, {"rate": RATE})
    assert found["reason"].to_list() == ["all configurations score alike"]
    same = frame(*(trial(n, 0.5 + n / 10, rate=1e-3) for n in range(5)))
    found = parameter_importance(same, {"rate": RATE, "absent": SHARE})
    assert found["importance"].isna().all()
    assert set(found["reason"]) == {"not varied in this arm"}
    elsewhere = frame(
        *(trial(n, 0.5 + n / 10, rate=1e-3) for n in range(5)),
        *(trial(n, 0.5 + n / 10, cell="k=2", rate=1e-3 * (n + 1)) for n in range(5)),
    )
    found = parameter_importance(elsewhere, {"rate": RATE}).set_index("cell")
    assert found.loc["k=2", "importance"] == 1
    assert found.loc["k=1", "reason"] == "no parameter varies between the complete configurations"


def test_what_an_arm_does_not_read_is_left_out() -> None:
    runs = frame(
        *(trial(n, n / 10, arm="plain", rate=1e-3 * (n + 1), temperature=None) for n in range(6)),
        *(trial(n, n / 10, arm="soft", rate=1e-3, temperature=1.0 + n) for n in range(6)),
    )
    ranges = {"rate": RATE, "temperature": {"kind": "LogFloat", "low": 1.0, "high": 10.0}}
    found = parameter_importance(runs, ranges).set_index(["arm", "parameter"])
    assert found.loc[("plain", "rate"), "importance"] == 1
    assert found.loc[("plain", "temperature"), "reason"] == "not varied in this arm"
    assert found.loc[("soft", "temperature"), "importance"] == 1


@pytest.mark.parametrize(
    ("space", "values"),
    [
        (RATE, [1e-3, 0.0, 1e-2, 1e-2]),
        (RATE, [1e-3, 0.2, 1e-2, 1e-2]),
        (BATCH, [8, 64, 32, 8]),
        (SHARE, [0.1, math.nan, 0.3, 0.4]),
    ],
)
def test_values_that_cannot_be_have_a_reason(space: dict[str, Any], values: list[float]) -> None:
    runs = frame(*(trial(n, 0.1 * n, x=value) for n, value in enumerate(values)))
    found = parameter_importance(runs, {"x": space})
    assert found["reason"].to_list() == ["values outside of the declared range: x"]


def test_ends_of_ranges_are_inside() -> None:
    runs = frame(
        *(
            trial(n, 0.1 * n, rate=r, depth=d, batch=b)
            for n, (r, d, b) in enumerate(
                [(1e-4, 1, "8"), (1e-1, 4, "x"), (1e-4, 4, "8"), (1e-1, 1, "x"), (1e-2, 2, "8")]
            )
        )
    )
    ranges = {"rate": RATE, "depth": DEPTH, "batch": {"kind": "Choice", "values": ["x", "8"]}}
    assert parameter_importance(runs, ranges)["importance"].sum() == pytest.approx(1)


def test_an_unknown_kind_is_refused() -> None:
    runs = frame(trial(0, 0.5, rate=1.0))
    for ask in (parameter_importance, best_configurations):
        with pytest.raises(ValueError, match=r"rate must be Float, .* but got .*'Normal'"):
            ask(runs, {"rate": {"kind": "Normal"}})


# --- best configurations ---


def test_winners_are_those_that_are_confirmed() -> None:
    runs = frame(
        trial(0, 0.5, 0.5, rate=1e-3),
        trial(1, 0.99, None, rate=1e-2),
        trial(2, 0.6, 0.8, rate=2e-3),
        trial(3, 0.8, 0.6, rate=3e-3),
        trial(0, 0.1, 0.2, arm="b", rate=4e-3),
        trial(0, None, arm="never", lost="failed", rate=4e-3),
    )
    found = best_configurations(runs, {"rate": RATE})
    assert found.set_index(["cell", "arm"])["trial"].to_dict() == best_trials(runs).to_dict()
    first = found.iloc[0]
    assert (first["trial"], first["score"], first["n"]) == (2, pytest.approx(0.7), 2)
    assert first["config.rate"] == 2e-3
    assert list(found["arm"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("space", "value", "edge"),
    [
        (RATE, 1e-4, True),
        (RATE, 10**-3.86, True),
        (RATE, 10**-3.84, False),
        (RATE, 1e-3, False),  # 0.9 % of the range in value
        (RATE, 10**-1.15, True),
        (RATE, 10**-1.16, False),
        (SHARE, 0.05, True),
        (SHARE, 0.95, True),
        (SHARE, 0.051, False),
        (DEPTH, 1, True),
        (DEPTH, 2, False),
        (DEPTH, 4, True),
        (BATCH, 8, False),
    ],
)
def test_edges(space: dict[str, Any], value: float, edge: bool) -> None:
    runs = frame(trial(0, 0.9, x=value), trial(1, 0.1, x=3 if value != 3 else 2))
    (found,) = best_configurations(runs, {"x": space})["at_edge"]
    assert found == (("x",) if edge else ())


def test_only_what_the_arm_searched_lies_at_an_edge() -> None:
    fixed: dict[str, Any] = {"weight": 0.0, "scale": 1.0, "temperature": None}
    runs = frame(trial(0, 0.9, rate=1e-4, **fixed), trial(1, 0.1, rate=1e-3, **fixed))
    ranges = {
        "rate": RATE,
        "weight": {"kind": "LogFloat", "low": 0.1, "high": 10.0},
        "scale": {"kind": "LogFloat", "low": 1.0, "high": 20.0},
        "temperature": {"kind": "LogFloat", "low": 1.0, "high": 10.0},
        "absent": SHARE,
    }
    found = best_configurations(runs, ranges)
    assert found["at_edge"].to_list() == [("rate",)]
    assert found["config.absent"].isna().all()


# --- budget and convergence ---


def test_budget_counts_configurations_and_what_was_trained() -> None:
    runs = frame(
        trial(0, 0.5, 0.6, 0.7),
        trial(1, 0.5, None, None),
        trial(2, 0.5, 0.4, None),
        trial(3, 0.5, None, 0.4, lost="failed"),
        trial(0, 0.5, arm="b"),
    )
    confirm = runs.iloc[:1].assign(phase="confirm", replicate=1000)
    found = search_budget(pd.concat([runs, confirm])).set_index(["cell", "arm"])
    assert found.xs(("k=1", "a")).to_dict() == {
        "configurations": 4,
        "complete": 1,
        "stopped": 2,
        "failed": 1,
        "runs": 9,  # a failed replicate was begun, a stopped one was not
        "seconds": 16.0,
    }
    assert found.loc[("k=1", "b"), "configurations"] == 1
    assert (found[["complete", "stopped", "failed"]].sum(axis=1) == found["configurations"]).all()


def test_best_so_far_and_the_gain_of_the_last_third() -> None:
    scores: list[float | None] = [0.5, None, 0.4, 0.6, 0.55, 0.9, 0.8]
    rows = [trial(n, score) for n, score in enumerate(scores)]
    runs = frame(*reversed(rows), trial(0, 0.3, arm="b"), trial(1, 0.7, arm="b"))
    found = convergence(runs)
    own = found[found["arm"] == "a"]
    assert own["trial"].to_list() == list(range(7))
    assert own["best"].to_list() == [0.5, 0.5, 0.5, 0.6, 0.6, 0.9, 0.9]
    assert own["score"].isna().to_list() == [False, True, *[False] * 5]
    assert own["gain_of_last_third"].to_list() == pytest.approx([0.3] * 7)  # 0.9 - 0.6
    assert found[found["arm"] == "b"]["gain_of_last_third"].isna().all()


def test_a_search_that_begins_with_failures() -> None:
    runs = frame(trial(0, None), trial(1, None), trial(2, 0.5))
    found = convergence(runs)
    assert np.isnan(found["best"].iloc[:2]).all()
    assert found["best"].iloc[2] == 0.5
    assert found["gain_of_last_third"].isna().all()


@settings(deadline=None, derandomize=True)
@given(st.lists(st.none() | st.sampled_from([0.1, 0.2, 0.5, 0.7]), min_size=1, max_size=15))
def test_convergence_by_definition(scores: list[float | None]) -> None:
    found = convergence(frame(*(trial(n, score) for n, score in enumerate(scores))))
    known = [-math.inf if s is None else s for s in scores]
    best = [max(known[: n + 1]) for n in range(len(known))]
    assert found["best"].fillna(-math.inf).to_list() == best
    before = known[: len(known) - len(known) // 3]
    expected = max(known) - max(before) if len(known) >= 3 and max(before) > 0 else math.nan
    gains = found["gain_of_last_third"]
    assert gains.to_list() == pytest.approx([expected] * len(known), nan_ok=True)


# --- Pareto fronts ---

POINTS = st.lists(
    st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan])] * 3), min_size=0, max_size=25
)


@settings(deadline=None, derandomize=True)
@given(POINTS)
def test_a_front_is_what_no_row_dominates(points: list[tuple[float, ...]]) -> None:
    table = pd.DataFrame(points, columns=["up", "down", "down2"], dtype=float)
    found = pareto_front(table, maximise=["up"], minimise=["down", "down2"])

    def dominates(p: tuple[float, ...], q: tuple[float, ...]) -> bool:
        no_worse = p[0] >= q[0] and p[1] <= q[1] and p[2] <= q[2]
        return no_worse and (p[0] > q[0] or p[1] < q[1] or p[2] < q[2])

    expected = [
        not any(map(math.isnan, q)) and not any(dominates(p, q) for p in points) for q in points
    ]
    assert found.tolist() == expected
    if any(not any(map(math.isnan, p)) for p in points):
        assert found.any()


def test_ties_are_kept_and_one_direction_is_enough() -> None:
    table = pd.DataFrame({"score": [0.9, 0.9, 0.8, 0.9], "qubits": [4, 4, 2, 6]})
    both = pareto_front(table, maximise=["score"], minimise=["qubits"])
    assert both.tolist() == [True, True, True, False]
    assert pareto_front(table, maximise=["score"]).tolist() == [True, True, False, True]


def test_bad_columns_are_refused() -> None:
    table = pd.DataFrame({"score": [0.9], "qubits": [4]})
    bad: list[tuple[Any, Any]] = [
        ([], []),
        ("score", []),
        (["score"], ["cost"]),
        (["score"], ["score"]),
    ]
    for maximise, minimise in bad:
        with pytest.raises(ValueError, match="but got"):
            pareto_front(table, maximise=maximise, minimise=minimise)


def test_the_table_is_of_confirmed_configurations() -> None:
    def confirmed(arm: str, number: int, parameters: int, *scores: float) -> list[dict[str, Any]]:
        rows = trial(number, *scores, arm=arm, qubits=2)
        change = {"phase": "confirm", "cost.parameters": parameters}
        return [
            {**r, **change, "replicate": 1000 + i, "metric.test_accuracy": scores[i]}
            for i, r in enumerate(rows)
        ]

    runs = frame(
        *(trial(0, 0.5, arm=arm, qubits=2) for arm in "abc"),
        trial(1, 0.4, arm="a", qubits=2),
        confirmed("a", 0, 100, 0.7, 0.8),
        confirmed("a", 1, 1, 0.99),  # was the best before more trials came
        confirmed("b", 0, 50, 0.8, 0.7),
        confirmed("c", 0, 10, 0.6),
    )
    found = pareto_table(runs)
    assert list(found) == [
        "cell",
        "arm",
        "trial",
        "n",
        "cost.parameters",
        "metric.test_accuracy",
        "on_front",
    ]
    assert found["arm"].to_list() == ["c", "b", "a"]
    assert found["n"].to_list() == [1, 2, 2]
    assert found["metric.test_accuracy"].to_list() == pytest.approx([0.6, 0.75, 0.75])
    assert found["on_front"].to_list() == [True, True, False]
    by_qubits = pareto_table(runs, cost="config.qubits").set_index("arm")["on_front"]
    assert by_qubits.to_dict() == {"a": True, "b": True, "c": False}


def test_the_front_of_a_search_with_two_objectives_is_of_all_that_it_chose() -> None:
    def sized(number: int, parameters: int, *scores: float, phase: str = "search") -> list[Any]:
        first = 1000 if phase == "confirm" else 0
        return [
            {
                **row,
                "phase": phase,
                "cost.parameters": parameters,
                "replicate": first + i,
                "metric.test_accuracy": scores[i] if phase == "confirm" else None,
            }
            for i, row in enumerate(trial(number, *scores))
        ]

    sizes = {0: (300, 0.9), 1: (200, 0.9), 2: (50, 0.8), 3: (60, 0.7)}
    runs = frame(
        *(sized(n, size, score, score) for n, (size, score) in sizes.items()),
        sized(0, 300, 0.9, 0.9, phase="confirm"),  # chosen before trial 1 came
        sized(1, 200, 0.85, 0.87, phase="confirm"),
        sized(2, 50, 0.8, 0.7, phase="confirm"),
    )
    found = pareto_table(runs, minimised="cost.parameters")
    assert found["trial"].to_list() == [2, 1]
    assert found["on_front"].all()
    assert best_trials(runs, "cost.parameters").to_list() == [1]  # of equals the smaller
    assert best_trials(runs).to_list() == [0]


def test_a_run_without_rows_has_empty_tables(tmp_path: Path) -> None:
    start_tables(tmp_path)
    runs = read_table(tmp_path, "runs")
    ranges = {"learning_rate": RATE}
    for table in (
        parameter_importance(runs, ranges),
        parameter_importance(runs, ranges, pooled=True),
        best_configurations(runs, ranges),
        search_budget(runs),
        convergence(runs),
        pareto_table(runs),
        expected_best(runs),
        levelling(expected_best(runs)),
    ):
        assert len(table) == 0
        assert list(table)[:2] == ["cell", "arm"]
