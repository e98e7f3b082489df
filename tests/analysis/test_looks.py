"""Claims that stop at looks: when, on which rows, and what goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from qkd_study import InputError, Replicates
from qkd_study.analysis import Results
from qkd_study.analysis.claims.evaluate import judge
from qkd_study.analysis.claims.looks import Look
from qkd_study.analysis.claims.progress import needed_after, wanted_replicates
from qkd_study.analysis.claims.table import as_json
from qkd_study.analysis.report.prose import statement
from qkd_study.analysis.statistics.sequential import levels, repeated_p
from qkd_study.results.manifest import check_manifest
from qkd_study.study.replicates import FIRST_CONFIRM_REPLICATE
from tests.analysis.made import CLAIM, made_results, made_study

LOOKS = (8, 16, 24, 40)
FRACTIONS = [n / LOOKS[-1] for n in LOOKS]


def run(gains: dict[str, float], noise: float = 0.01, seed: int = 0, **changes: Any) -> Results:
    given: dict[str, Any] = {
        "factors": {"samples": (50,)},
        "trials": 1,
        "replicates": Replicates(1, LOOKS[-1], looks=LOOKS),
        "claims": (replace(CLAIM, controls=()),),
        **changes,
    }
    return made_results(gains, study=made_study(**given), noise=noise, seed=seed, epochs=2)


def without(results: Results, arm: str, replicates: range) -> Results:
    """The run before some confirm replicates of an arm."""

    def rest(table: Any) -> Any:
        gone = (table["arm"] == arm) & table["replicate"].isin(replicates)
        return table[~(gone & (table["phase"] == "confirm"))]

    return replace(results, runs=rest(results.runs), curves=rest(results.curves))


def after(count: int) -> range:
    first = FIRST_CONFIRM_REPLICATE
    return range(first + count, first + LOOKS[-1])


@pytest.mark.parametrize(
    ("gains", "noise", "verdict", "look", "reason"),
    [
        ({"soft": -0.03}, 0.01, "contradicted", 2, "contradicted"),
        pytest.param(
            {"soft": 0.0, "classical-teacher": 0.1},
            0.005,
            "equivalent",
            3,
            "equivalent",
            marks=pytest.mark.slow,
        ),
        ({"soft": 0.0, "classical-teacher": 0.1}, 0.03, "undecided", 3, "futile"),
        pytest.param({"soft": 0.005}, 0.02, "undecided", 4, "last look", marks=pytest.mark.slow),
    ],
)
def test_a_claim_stops_when_it_is_decided_or_hopeless(
    gains: dict[str, float], noise: float, verdict: str, look: int, reason: str
) -> None:
    results = run(gains, noise)
    (found,) = judge(results)
    assert found.look is not None
    assert (found.status, found.look.number, found.look.reason) == (verdict, look, reason)
    count = LOOKS[look - 1]
    assert (found.look.of, found.look.replicates) == (4, count)
    # The numbers are those of the rows until this look.
    scores = results.scores().loc["samples=50"].iloc[:count]
    values = (scores["soft"] - scores["scratch"]).to_numpy()
    p_values = [float(stats.ttest_1samp(values[:n], 0).pvalue) for n in LOOKS[:look]]
    paired = found.overall.paired
    assert paired is not None
    assert found.overall.verdict is not None
    assert found.overall.verdict.p == pytest.approx(repeated_p(p_values, FRACTIONS))
    half = stats.t.isf(levels(FRACTIONS)[look - 1] / 2, count - 1) * paired.sd / count**0.5
    assert paired.n == count
    interval = (paired.mean, paired.t_low, paired.t_high)
    assert interval == pytest.approx((values.mean(), paired.mean - half, paired.mean + half))
    # Rows of later looks change nothing, and nothing but the claim's arms was needed for it.
    before = judge(without(without(results, "soft", after(count)), "scratch", after(count)))
    assert before[0].look == found.look
    assert before[0].overall.verdict == found.overall.verdict
    needed = [needed_after(results, n) for n in LOOKS[:3]]
    both = {("samples=50", "soft"), ("samples=50", "scratch")}
    assert needed == [both] * (look - 1) + [set()] * (4 - look)
    assert wanted_replicates(results) == dict.fromkeys(both, count)
    shown = as_json([found])[0]["look"]
    assert (shown["number"], shown["reason"]) == (look, reason)
    at = f"look {look} of 4, at {count} replicates"
    assert any(at in line for line in statement(found).lines)


def test_a_look_counts_when_it_is_complete() -> None:
    results = run({"soft": 0.006})
    (none,) = judge(without(results, "soft", after(7)))
    assert none.look == Look(0, 4, 8, "open", 1.0)
    first_line = statement(none).lines[0]
    assert first_line == "Not judged yet: the first of 4 looks, at 8 replicates, is not complete."
    (first,) = judge(without(results, "soft", after(15)))
    assert first.look is not None
    assert (first.look.number, first.look.reason) == (1, "open")
    assert first.overall.paired is not None
    assert first.overall.paired.n == 8
    assert statement(first).lines[1].startswith("Goes on after look 1 of 4, at 8 replicates.")
    assert wanted_replicates(without(results, "soft", after(15))) == {
        ("samples=50", "soft"): 16,
        ("samples=50", "scratch"): 16,
    }
    assert "Not judged" not in str(results.problems)
    assert without(results, "soft", after(15)).problems == ()


def test_controls_of_a_supported_claim_go_on_without_its_other_side() -> None:
    controls = ("scaled-ce", "classical-teacher")
    claims = (replace(CLAIM, controls=controls),)
    gains = {"soft": 0.03, "classical-teacher": 0.024}
    results = run(gains, noise=0.006, claims=claims)
    (found,) = judge(results)
    assert found.look is not None
    assert (found.look.replicates, found.look.reason) == (16, "supported")
    shown = [(c.arm, c.outcome, c.contrast.paired and c.contrast.paired.n) for c in found.controls]
    assert shown == [("scaled-ce", "beaten", 16), ("classical-teacher", "beaten", 24)]
    cell = "samples=50"
    assert len(needed_after(results, 8)) == 4
    assert needed_after(results, 16) == {(cell, "soft"), (cell, "classical-teacher")}
    assert wanted_replicates(results) == {
        (cell, "soft"): 24,
        (cell, "scratch"): 16,
        (cell, "scaled-ce"): 16,
        (cell, "classical-teacher"): 24,
    }


def test_a_claim_without_scores_ends_at_the_first_look() -> None:
    results = run({"soft": 0.0})
    runs = results.runs
    failed = (runs["arm"] == "soft") & (runs["phase"] == "search")
    runs = runs.assign(status=runs["status"].mask(failed, "failed"))
    runs = runs[~((runs["arm"] == "soft") & (runs["phase"] == "confirm"))]
    (found,) = judge(replace(results, runs=runs))
    assert found.look is not None
    assert (found.status, found.look.reason) == ("undecided", "futile")
    assert needed_after(replace(results, runs=runs), 8) == set()


def test_looks_of_an_edited_run_are_checked() -> None:
    manifest = run({}).manifest | {"arms": {}}
    manifest["declaration"]["replicates"]["looks"] = [16, 8, 40]
    with pytest.raises(InputError, match=r"Replicates\(looks\) must be 2 to 10 integers"):
        check_manifest(manifest)
