"""Figures show the numbers of the tables; looks are distinct; incomplete runs do not stop them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

pytest.importorskip("matplotlib")

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from qkd_study.analysis import figures
from qkd_study.analysis.results import Results
from qkd_study.analysis.statistics import paired_difference
from qkd_study.common.errors import InputError
from qkd_study.results.schema import TABLES
from qkd_study.study.arms import ARMS
from tests.analysis.made import CLAIM, made_results, made_study, with_predictions


def test_the_forest_shows_both_intervals_margins_controls_and_verdicts(tmp_path: Path) -> None:
    claims = (CLAIM, replace(CLAIM, says="NLL.", metric="test_nll", margin=None, controls=()))
    study = made_study(claims=claims)
    judged = with_predictions(made_results(study=study), tmp_path, gain=0.6).judge()
    figure = figures.verdicts(judged)
    points, nats = figure.axes
    paired, both = judged[0].overall.paired, judged[0].overall.both
    assert paired is not None
    assert both is not None
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "difference, percentage points",
        "difference, nats",
    ]
    ends = [(paired.t_low, paired.t_high), (both.low, both.high)]
    lines = [
        tuple(segment[:, 0])
        for drawn in points.collections
        if isinstance(drawn, LineCollection)
        for segment in drawn.get_segments()
    ]
    for low, high in ends:
        assert any((100 * low, 100 * high) == pytest.approx(line) for line in lines)
    (band,) = [patch for patch in points.patches if isinstance(patch, Rectangle)]
    assert (band.get_x(), band.get_width()) == pytest.approx((-0.5, 1.0))
    assert len(nats.patches) == 0
    dots = [line for line in points.lines if line.get_marker() == "o"]
    means = [float(np.asarray(line.get_xdata())[0]) for line in dots]
    controls = [100 * control.gain.mean for control in judged[0].controls if control.gain]
    assert means[1:] == pytest.approx(controls)
    said = {text.get_text().replace("\n", " "): text.get_color() for text in points.texts}
    assert said["undecided, undertrained"] == "0.35"
    assert "1. Soft targets help." in said
    with pytest.raises(InputError, match="declares no claims"):
        figures.verdicts([])


FOUR = ("scratch", "scaled-ce", "soft", "self-teacher")
FACTORS: dict[str, list[Any]] = {"samples": [20, 50, 200], "ansatz": ["brickwork", "random"]}


def manifest(
    factors: Mapping[str, Sequence[Any]], arms: Sequence[str], replicates: int
) -> dict[str, Any]:
    declared = {
        name: {
            "terms": list(ARMS[name].term_names) if name in ARMS else ["soft"],
            "teacher": ARMS[name].teacher if name in ARMS else "own",
            "spoiled": ARMS[name].spoiled if name in ARMS else "nothing",
        }
        for name in arms
    }
    declaration = {
        "name": "made",
        "factors": {name: list(values) for name, values in factors.items()},
        "arms": declared,
        "replicates": {"search": 1, "confirm": replicates},
    }
    return {"declaration": declaration, "run_id": "1"}


def made(
    factors: Mapping[str, Sequence[Any]] = FACTORS,
    arms: Sequence[str] = FOUR,
    replicates: int = 4,
    epochs: int = 5,
    confirm: bool = True,
) -> Results:
    """A run with random scores; errors fall with the samples."""
    rng = np.random.default_rng(7)
    runs: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for values in itertools.product(*factors.values()):
        named = dict(zip(factors, values, strict=True))
        cell = ",".join(f"{k}={v}" for k, v in named.items()) or "all"
        for i, arm in enumerate(arms):
            base = {"cell": cell, "arm": arm, "trial": 0, "status": "ok"}
            fixed = {"samples": 100, "qubits": 4, "depth": 1}
            config = {f"config.{k}": v for k, v in {**fixed, **named}.items()}
            samples, qubits = named.get("samples", 100), named.get("qubits", 4)
            cost = {
                "cost.parameters": 10 * qubits * named.get("depth", 1) + 5 * i,
                "cost.seconds_train": samples * 1e-3 * 2**qubits * rng.uniform(0.9, 1.1),
            }
            search = {"phase": "search", "replicate": 0, "metric.val_accuracy": 0.6}
            runs.append({**base, **config, **cost, **search})
            for replicate in range(1000, 1000 + replicates if confirm else 1000):
                error = float(np.clip(0.05 + 2 * samples**-0.6 + rng.normal(0, 0.02), 0.01, 1))
                scores = {
                    "metric.val_accuracy": 1 - error,
                    "metric.test_accuracy": 1 - error - 0.01 * i,
                    "metric.test_nll": 3 * error,
                    "metric.test_ece": error / 2,
                }
                own = {"phase": "confirm", "replicate": replicate}
                runs.append({**base, **config, **cost, **own, **scores})
                for epoch in range(1, epochs + 1):
                    step = {
                        "epoch": epoch,
                        "metric.val_accuracy": (1 - error) * epoch / epochs,
                        "loss.cross_entropy": error / epoch,
                    }
                    curves.append({**base, **own, **step})
    told = manifest(factors, arms, replicates)
    return Results(Path("made"), told, _frame(runs, "runs"), _frame(curves, "curves"))


def _frame(rows: list[dict[str, Any]], table: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[column.name for column in TABLES[table]])


def without(results: Results, gone: Callable[[pd.DataFrame], pd.Series[bool]]) -> Results:
    left = results.runs[~gone(results.runs)]
    return Results(results.path, results.manifest, left, results.curves)


def lines(axes: Axes, name: str) -> list[Line2D]:
    return [line for line in axes.get_lines() if line.get_label() == name]


def band(axes: Axes, name: str) -> dict[float, tuple[float, float]]:
    """Lowest and highest y by x of an arm's band, or of its bars."""
    (drawn,) = [c for c in axes.collections if c.get_label() == name]
    assert isinstance(drawn, (PolyCollection, LineCollection))
    points = np.concatenate([path.vertices for path in drawn.get_paths()])
    return {
        x: (points[points[:, 0] == x, 1].min(), points[points[:, 0] == x, 1].max())
        for x in np.unique(points[:, 0])
    }


def scores_of(results: Results, cell: str, arm: str, column: str = "metric.test_accuracy") -> Any:
    rows = results.runs.query("phase == 'confirm' and cell == @cell and arm == @arm")
    return rows.sort_values("replicate")[column].to_numpy()


def ends_of_shares(values: Any) -> tuple[float, float]:
    """Student's interval on the logit scale, whose slope is that of the logistic distribution."""
    logit = stats.logistic.ppf(values.mean())
    error = stats.sem(values) / stats.logistic.pdf(logit)
    low, high = stats.t.interval(0.95, len(values) - 1, logit, error)
    return 100 * stats.logistic.cdf(low), 100 * stats.logistic.cdf(high)


def test_scores_along_numbers_are_those_of_the_table() -> None:
    results = made()
    drawn = figures.score_by_factor(results, "samples").axes
    for axes, ansatz in zip(drawn, FACTORS["ansatz"], strict=True):
        assert axes.get_xscale() == "log"
        for arm in FOUR:
            (line,) = lines(axes, arm)
            assert np.asarray(line.get_xdata()).tolist() == FACTORS["samples"]
            for k, y in zip(FACTORS["samples"], np.asarray(line.get_ydata()), strict=True):
                own = scores_of(results, f"samples={k},ansatz={ansatz}", arm)
                assert y == pytest.approx(100 * own.mean())
                assert band(axes, arm)[k] == pytest.approx(ends_of_shares(own))


def test_scores_of_words_are_those_of_the_table() -> None:
    results = made()
    drawn = figures.score_by_factor(results, "ansatz", "metric.test_nll").axes
    assert len(drawn) == 3
    (line,) = lines(drawn[1], "soft")
    own = [scores_of(results, f"samples=50,ansatz={w}", "soft", "metric.test_nll").mean()
           for w in FACTORS["ansatz"]]  # fmt: skip
    assert line.get_ydata() == pytest.approx(own)
    assert np.round(np.asarray(line.get_xdata())).tolist() == [0, 1]
    assert drawn[0].get_ylabel() == "test negative log-likelihood (nats)"


def test_gains_are_paired_and_have_a_zero_line() -> None:
    results = made()
    results = without(results, lambda r: (r["arm"] == "soft") & (r["replicate"] == 1001))
    axes = figures.gain_by_factor(results, "samples").axes[0]
    assert any((np.asarray(line.get_ydata()) == 0).all() for line in axes.get_lines())
    assert not lines(axes, "scratch")
    (line,) = lines(axes, "soft")
    cell = "samples=50,ansatz=brickwork"
    base = np.delete(scores_of(results, cell, "scratch"), 1)
    found = paired_difference(100 * scores_of(results, cell, "soft"), 100 * base)
    assert np.asarray(line.get_ydata())[1] == pytest.approx(found.mean)
    assert band(axes, "soft")[50] == pytest.approx((found.t_low, found.t_high))


def test_learning_curves_are_means_of_confirmed_replicates() -> None:
    results = made()
    cell = "samples=20,ansatz=random"
    top, bottom = figures.learning_curves(results, cell).axes
    rows = results.curves.query("cell == @cell and arm == 'soft'").groupby("epoch")
    for axes, column, scale in (
        (top, "metric.val_accuracy", 100),
        (bottom, "loss.cross_entropy", 1),
    ):
        (line,) = lines(axes, "soft")
        assert line.get_ydata() == pytest.approx(scale * rows[column].mean().to_numpy())
        values = rows[column].get_group(3).to_numpy()
        ends = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        if scale == 100:
            ends = ends_of_shares(values)
        assert band(axes, "soft")[3] == pytest.approx(ends)


@pytest.mark.parametrize("validated", [(5,), (1, 3, 5)])
def test_learning_curves_pass_over_epochs_without_validation(validated: tuple[int, ...]) -> None:
    results = made()
    known = results.curves["epoch"].isin(validated)
    scores = results.curves["metric.val_accuracy"].where(known)
    some = replace(results, curves=results.curves.assign(**{"metric.val_accuracy": scores}))
    cell = "samples=20,ansatz=random"
    top, bottom = figures.learning_curves(some, cell).axes
    (line,), (whole,) = lines(top, "soft"), lines(bottom, "soft")
    assert np.array_equal(line.get_xdata(), validated)
    assert np.array_equal(whole.get_xdata(), (1, 2, 3, 4, 5))


def test_pareto_draws_costs_and_scores() -> None:
    results = made({"qubits": [2, 4], "depth": [1, 3]})
    (axes,) = figures.pareto(results).axes
    (line,) = lines(axes, "soft")
    cells = [f"qubits={q},depth={d}" for q in (2, 4) for d in (1, 3)]
    own = [100 * scores_of(results, cell, "soft").mean() for cell in cells]
    expected = sorted(zip([30, 70, 50, 130], own, strict=True))
    assert np.array(sorted(np.asarray(line.get_xydata()).tolist())) == pytest.approx(
        np.array(expected)
    )
    means = 100 * results.scores().groupby("cell").mean().stack()
    costs = results.confirmed.groupby(["cell", "arm"])["cost.parameters"].mean()
    points = list(zip(costs.reindex(means.index), means, strict=True))
    best = sorted(
        (c, s)
        for c, s in points
        if not any(d <= c and t > s for d, t in points if (d, t) != (c, s))
    )
    (front,) = lines(axes, "front")
    assert np.asarray(front.get_xdata())[:-1].tolist() == [c for c, _ in best]
    assert np.asarray(front.get_ydata())[:-1] == pytest.approx([score for _, score in best])


def test_fronts_are_of_equal_data() -> None:
    figure = figures.pareto(made({"samples": [20, 50], "qubits": [2, 4]}))
    assert [len(lines(axes, "front")) for axes in figure.axes] == [1, 1]


def test_fronts_are_of_one_dataset() -> None:
    figure = figures.pareto(made({"dataset": ["digits", "xor4"], "qubits": [2, 4]}))
    assert [axes.get_title() for axes in figure.axes] == [
        "dataset\u00a0=\u00a0digits",
        "dataset\u00a0=\u00a0xor4",
    ]
    assert [len(lines(axes, "front")) for axes in figure.axes] == [1, 1]


def test_errors_follow_the_samples_and_their_law() -> None:
    results = made()
    axes = figures.error_scaling(results).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    (line,) = lines(axes, "soft")
    own = [100 - 100 * scores_of(results, f"samples={k},ansatz=brickwork", "soft").mean()
           for k in FACTORS["samples"]]  # fmt: skip
    assert line.get_ydata() == pytest.approx(own)
    (law,) = lines(axes, "law soft")
    assert np.asarray(law.get_ydata())[[0, -1]] == pytest.approx([own[0], own[-1]], rel=0.3)


def test_two_sizes_have_no_law() -> None:
    axes = figures.error_scaling(made({"samples": [20, 50]})).axes[0]
    assert lines(axes, "soft")
    assert not lines(axes, "law soft")


def test_costs_are_medians_per_depth() -> None:
    results = made({"qubits": [2, 4, 6], "depth": [1, 3], "samples": [100, 400]})
    drawn = figures.cost_scaling(results).axes
    (line,) = lines(drawn[1], "depth 3")
    rows = results.runs.query("arm == 'scratch'")
    rows = rows[(rows["config.depth"] == 3) & (rows["config.samples"] == 400)]
    assert line.get_ydata() == pytest.approx(
        rows.groupby("config.qubits")["cost.seconds_train"].median().to_numpy()
    )
    assert lines(drawn[1], "law 3")


def test_calibration_draws_both_measures() -> None:
    results = made()
    ece, nll = figures.calibration(results).axes
    cells = list(results.cells)
    for axes, column, scale in ((ece, "metric.test_ece", 100), (nll, "metric.test_nll", 1)):
        (line,) = lines(axes, "soft")
        own = [scale * scores_of(results, cell, "soft", column).mean() for cell in cells]
        assert line.get_xdata() == pytest.approx(own)
        assert np.round(np.asarray(line.get_ydata())).tolist() == list(range(len(cells)))


def test_importance_is_a_bar_per_parameter() -> None:
    frame = pd.DataFrame(
        {
            "arm": ["soft", "soft", "scratch", "features", "features"],
            "parameter": ["a_rate", "b", "a_rate", "a_rate", "c"],
            "importance": [0.7, 0.3, 1.0, 0.4, 0.6],
        }
    )
    figure = figures.importance(frame)
    assert [axes.get_title() for axes in figure.axes] == ["soft", "features"]
    widths = [
        [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
        for axes in figure.axes
    ]
    assert widths == [[0.3, 0.7], [0.4, 0.6]]  # b, then a and c: the higher, the more
    assert "a rate" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_all_arms_look_different() -> None:
    looks = figures.styles(list(ARMS))
    assert len(looks) == len(ARMS) == 26
    assert len({(look.colour, look.dash, look.marker) for look in looks.values()}) == 26
    some = figures.styles(list(ARMS)[:15])
    assert len({look.marker for look in some.values()}) == 15
    assert len({(look.colour, look.dash) for look in some.values()}) == 15
    assert looks["scratch"].colour == "black"
    controls = {name for name, look in looks.items() if look.control}
    assert controls == {
        "scaled-ce", "label-smoothing", "classical-teacher", "random-teacher", "self-teacher",
        "shuffled-labels", "shuffled-features", "constant-features", "decayed",
        "separable-teacher", "quadratic-teacher", "surrogate-teacher", "matched-teacher",
        "kernel-teacher", "separable-student", "quadratic-student", "surrogate-student",
        "matched-student", "effective-student",
    }  # fmt: skip
    assert all(looks[name].dash != "-" for name in controls)
    own = figures.styles([f"arm{i}" for i in range(15)])
    assert len({(look.colour, look.dash, look.marker) for look in own.values()}) == 15


def test_an_arm_looks_alike_in_all_figures() -> None:
    results = made({"samples": [20, 50, 200], "qubits": [2, 4]})
    look = figures.styles(results.declaration["arms"])["self-teacher"]
    seen = 0
    for _, _, figure in figures.for_report(results):
        for line in (x for axes in figure.axes for x in lines(axes, "self-teacher")):
            assert (line.get_color(), line.get_marker()) == (look.colour, look.marker)
            seen += 1
    assert seen > 10


MADE = {
    "complete": lambda: made(),
    "one replicate": lambda: made(replicates=1),
    "search only": lambda: made(confirm=False),
    "no factors": lambda: made({}),
    "one value": lambda: made({"samples": [20]}),
    "no baseline": lambda: made(arms=("soft", "features")),
    "no curves": lambda: made(epochs=0),
    "a cell is missing": lambda: without(made(), lambda r: r["cell"] == "samples=50,ansatz=random"),
    "no rows of the baseline": lambda: without(made(), lambda r: r["arm"] == "scratch"),
    "an arm is not confirmed": lambda: without(
        made(), lambda r: (r["arm"] == "soft") & (r["phase"] == "confirm")
    ),
    "no rows": lambda: without(made(), lambda r: r["replicate"] >= 0),
    "all arms, many panels": lambda: made(
        {"samples": [20, 50], "ansatz": list("abcdefg")}, tuple(ARMS), replicates=2
    ),
    "odd names": lambda: made({"qubits": [2, 4, 6], "depth": [1, 2]}, ("scratch", "_own", "a$b$")),
}


@pytest.mark.parametrize("results", [pytest.param(draw, id=name) for name, draw in MADE.items()])
def test_any_run_gives_figures_without_warnings(results: Callable[[], Results]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = figures.for_report(results())
        for _, caption, figure in found:
            assert caption.endswith(".")
            assert figures.alt_text(figure).endswith(".")
            inside_the_page(figure)
    assert len({name for name, _, _ in found}) == len(found)


def inside_the_page(figure: Figure) -> None:
    page = figure.bbox
    figure.draw_without_rendering()
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert page.x0 - 1 <= box.x0
        assert box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        assert not any(one is None or box.overlaps(one) for one in boxes)


def test_complete_runs_give_all_figures() -> None:
    names = [
        name
        for name, _, _ in figures.for_report(made({"samples": [20, 50, 200], "qubits": [2, 4]}))
    ]
    assert names[:4] == ["score-samples", "gain-samples", "score-qubits", "gain-qubits"]
    assert {"error-scaling", "cost-scaling", "pareto", "calibration", "curves-1"} <= set(names)


def test_search_curves_are_means_over_cells() -> None:
    results = made_results()
    (axes,) = figures.search_curves(results).axes
    found = results.expected_best()
    expected = 100 * found[found["arm"] == "soft"].groupby("n")["best"].mean()
    (line,) = lines(axes, "soft")
    assert np.asarray(line.get_xydata()) == pytest.approx(
        np.column_stack([expected.index, expected])
    )
    none = replace(results, runs=results.runs[results.runs["phase"] == "confirm"])
    with pytest.raises(InputError, match=r"no search .* has two configurations"):
        figures.search_curves(none)
    assert "search-curves" in {name for name, _, _ in figures.for_report(results)}


def test_more_panels_than_six_are_said() -> None:
    figure = figures.score_by_factor(
        made({"samples": [20, 50], "ansatz": list("abcdefgh")}), "samples"
    )
    assert len(figure.axes) == 6
    assert "first 6 of 8" in figure.legends[0].get_title().get_text()


@pytest.mark.parametrize(
    "draw",
    [
        lambda r: figures.score_by_factor(r, "samples"),
        lambda r: figures.gain_by_factor(r, "samples"),
        lambda r: figures.learning_curves(r, "samples=20,ansatz=random"),
        figures.pareto,
        figures.error_scaling,
        figures.calibration,
    ],
)
def test_nothing_to_draw_is_said(draw: Any) -> None:
    with pytest.raises(InputError, match="confirm run"):
        draw(made(confirm=False))


def test_unknown_factors_are_said() -> None:
    with pytest.raises(InputError, match=r"no factor .* samples, ansatz"):
        figures.score_by_factor(made(), "depth")


def test_titles_stand_above() -> None:
    figure = figures.score_by_factor(made(), "samples", title="Scores of a made run")
    assert figure.get_suptitle() == "Scores of a made run"


def test_saved_bytes_are_the_same_twice_and_open(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    first = figures.save(figures.gain_by_factor(made(), "samples"), tmp_path / "a" / "v1.0")
    second = figures.save(figures.gain_by_factor(made(), "samples"), tmp_path / "b" / "v1.0")
    assert [path.name for path in first] == ["v1.0.png", "v1.0.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    before = [path.read_bytes() for path in first]
    figure = figures.gain_by_factor(made(), "samples")
    figure.draw_without_rendering()  # what was done with a figure before makes no difference
    figures.save(figure, tmp_path / "a" / "v1.0")
    figures.save(figure, tmp_path / "a" / "v1.0")
    assert [path.read_bytes() for path in first] == before
    with image.open(first[0]) as opened:
        opened.load()
        assert opened.width == pytest.approx(12 / 2.54 * 150, abs=1)
    pdf = first[1].read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_analysis_does_not_import_matplotlib() -> None:
    import subprocess
    import sys

    code = "import sys, qkd_study.analysis; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
