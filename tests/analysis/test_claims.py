"""Verdicts on made runs whose effects are known; and what is said about incomplete ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from qkd_study import Claim, InputError, Replicates, Study, load
from qkd_study.analysis import judge
from qkd_study.analysis.report import Written, write_report
from qkd_study.analysis.report.prose import statement, summary
from qkd_study.cli.main import main
from qkd_study.study.quick import quick
from tests.analysis.made import CLAIM, made_results, made_study


def test_a_real_effect_is_supported_and_a_control_that_matches_is_named() -> None:
    (found,) = judge(made_results())
    assert found.status == "supported"
    assert found.overall.paired is not None
    assert found.overall.paired.low < 0.05 < found.overall.paired.high
    assert found.overall.paired.n == 12
    assert [c.where for c in found.cells] == ["samples=50", "samples=100"]
    outcomes = {control.arm: control.outcome for control in found.controls}
    assert outcomes == {"scaled-ce": "beaten", "classical-teacher": "open"}
    said = statement(found)
    assert "soft beats this control" in said.lines[2]
    assert "so the quantum part of the teacher is not shown to matter" in said.lines[3]
    assert "holds, but is not shown to beat classical-teacher" in summary([found])[1]


def test_controls_are_said_to_match_only_where_that_is_shown() -> None:
    claim = replace(CLAIM, margin=0.03, controls=("classical-teacher", "scaled-ce"))
    results = made_results(study=made_study(claims=(claim,)))
    results = replace(results, runs=results.runs[results.runs["arm"] != "scaled-ce"])
    (found,) = judge(results)
    assert [control.outcome for control in found.controls] == ["matches", "untested"]
    said = statement(found)
    assert "does as well: the gain is not due to the quantum part of the teacher" in said.lines[2]
    assert said.lines[3] == "Control scaled-ce: fewer than two pairs of replicates."
    assert (
        "is matched by classical-teacher and was not tested against scaled-ce"
        in (summary([found])[1])
    )


def test_both_tests_are_corrected_over_the_claims() -> None:
    same = [replace(CLAIM, says=f"Claim {n}.", margin=0.01, controls=()) for n in range(3)]
    results = made_results({"soft": 0.001}, study=made_study(claims=same), noise=0.017)
    judged = judge(results)
    alone = results.scores()
    means = (alone["soft"] - alone["scratch"]).groupby("replicate").mean()
    n, mean, error = len(means), means.to_numpy().mean(), stats.sem(means)
    p = stats.t.sf((0.01 - abs(mean)) / error, n - 1)
    assert 0.05 / 3 < p < 0.05  # enough for one claim, not for three
    for found in judged:
        within = found.overall.verdict.equivalence if found.overall.verdict else None
        assert within is not None
        assert within.p == pytest.approx(min(3 * p, 1))
        assert not within.equivalent
        assert found.status == "undecided"
    (one,) = judge(
        replace(results, manifest={**results.manifest, "claims": results.manifest["claims"][:1]})
    )
    assert one.status == "equivalent"


def test_nats_have_decimals_that_say_something() -> None:
    claim = replace(CLAIM, metric="test_nll", margin=None, controls=())
    (found,) = judge(made_results({"soft": 0.004}, study=made_study(claims=(claim,)), noise=1e-4))
    assert found.status == "supported"
    assert re.search(r"-0\.00\d nats \(95 % interval -0\.00\d to", statement(found).lines[0])


@pytest.mark.parametrize(
    ("gain", "noise", "status"),
    [(-0.05, 0.01, "contradicted"), (0.0, 0.001, "equivalent"), (0.005, 0.05, "undecided")],
)
def test_other_verdicts(gain: float, noise: float, status: str) -> None:
    (found,) = judge(made_results({"soft": gain}, noise=noise))
    assert found.status == status
    needed = found.overall.verdict.replicates_needed if found.overall.verdict else None
    assert (needed is not None) == (status == "undecided")
    if status == "undecided":
        assert needed is not None
        assert needed > 12
        assert f"About {needed} replicates would decide" in statement(found).lines[0]


def test_the_mean_over_cells_by_hand() -> None:
    results = made_results()
    wide = results.scores()
    gains = (wide["soft"] - wide["scratch"]).unstack("cell")
    (found,) = judge(results)
    assert found.overall.paired is not None
    assert found.overall.paired.mean == pytest.approx(gains.mean(axis=1).mean(), rel=1e-12)
    assert found.overall.paired.sd == pytest.approx(gains.mean(axis=1).std(ddof=1), rel=1e-12)


def contrast(**changes: Any) -> Claim:
    return Claim(
        says="More samples are better.",
        better={"samples": 100},
        than={"samples": 50},
        arm="soft",
        **changes,
    )


def test_a_contrast_of_factor_values() -> None:
    study = made_study(claims=(contrast(),))
    results = made_results(study=study)
    (found,) = judge(results)
    assert found.status == "supported"
    wide = results.scores()["soft"].unstack("cell")
    assert found.overall.paired is not None
    expected = (wide["samples=100"] - wide["samples=50"]).mean()
    assert found.overall.paired.mean == pytest.approx(expected)


def test_epochs_to_a_target_are_restricted_means() -> None:
    claim = replace(CLAIM, metric="epochs_to_target", target=0.6, margin=None, controls=())
    results = made_results({"soft": 0.2}, study=made_study(claims=(claim,)))
    (found,) = judge(results)
    assert found.status == "supported"  # fewer epochs are better
    assert found.overall.paired is not None
    curves = results.curves[results.curves["phase"] == "confirm"]
    first = {}
    for key, rows in curves.groupby(["cell", "arm", "replicate"]):
        reached = rows.loc[rows["metric.val_accuracy"] >= 0.6, "epoch"]
        first[key] = reached.min() if len(reached) else rows["epoch"].max()
    cells = ["samples=50", "samples=100"]
    expected = np.mean(
        [first[c, "soft", r] - first[c, "scratch", r] for c in cells for r in range(1000, 1012)]
    )
    assert found.overall.paired.mean == pytest.approx(expected)


def test_epochs_to_a_target_are_cut_alike_on_both_sides() -> None:
    claim = replace(CLAIM, metric="epochs_to_target", target=0.95, margin=None, controls=())
    results = made_results(study=made_study(claims=(claim,)))  # only the last epochs get near
    short = (results.curves["arm"] == "soft") & (results.curves["epoch"] > 2)
    (found,) = judge(replace(results, curves=results.curves[~short]))
    assert found.overall.paired is not None
    assert found.overall.paired.mean == 0  # nobody was there after two epochs
    assert found.status == "undecided"


def test_pairs_are_never_made_up() -> None:
    results = made_results()
    gone = (results.runs["arm"] == "soft") & results.runs["replicate"].isin([1003, 1004])
    gone &= results.runs["cell"] == "samples=50"
    part = replace(results, runs=results.runs[~gone])
    (found,) = judge(part)
    assert found.overall.paired is not None
    assert found.overall.paired.n == 10
    assert [c.paired.n for c in found.cells if c.paired] == [10, 12]
    assert any("samples=50, soft: 10 of 12 confirm replicates" in p for p in part.problems)


def test_a_late_claim_says_so() -> None:
    results = made_results()
    results.manifest["claims"][0]["confirm_rows"] = 96
    (found,) = judge(results)
    assert "not a claim made beforehand" in statement(found).lines[-1]
    assert "1 of them were declared, changed or withdrawn" in summary([found])[-1]


def test_a_withdrawn_claim_stays_in_the_family() -> None:
    claims = (CLAIM, replace(CLAIM, says="Scaling helps.", better="scaled-ce", controls=()))
    results = made_results({"soft": 0.006}, study=made_study(claims=claims))
    both = judge(results)
    kept, gone = results.manifest["claims"]
    gone["changes"] = [{"at": None, "confirm_rows": 96, "what": "the claim was withdrawn"}]
    manifest = {**results.manifest, "claims": [kept], "withdrawn": [gone]}
    after = judge(replace(results, manifest=manifest))
    assert [j.withdrawn for j in after] == [False, True]
    assert [j.overall for j in after] == [j.overall for j in both]
    assert (
        "when 96 confirm runs were already there: the claim was withdrawn."
        in (statement(after[1]).lines[-1])
    )
    # One about values that the study no longer runs can be read, and not judged.
    lost = {**gone, "claim": {**gone["claim"], "where": {"samples": [20]}}}
    (_, found) = judge(replace(results, manifest={**manifest, "withdrawn": [lost]}))
    assert found.overall.paired is None


def test_failed_rows_and_no_confirm_rows_are_said(tmp_path: Path) -> None:
    results = made_results()
    runs = results.runs.astype({"reason": object})
    runs.loc[runs.index[0], ["status", "reason"]] = ["failed", "diverged: the loss was nan"]
    why = "failed: 1 x diverged: the loss was nan; first: search samples=50 scratch"
    assert f"{why} trial 0 replicate 0" in replace(results, runs=runs).problems
    search = replace(results, runs=results.runs[results.runs["phase"] == "search"])
    assert "nothing here was measured on the test set" in search.problems[-1]
    (found,) = judge(search)
    assert found.status == "undecided"
    written = write_report([search], tmp_path)
    assert "nothing here was measured on the test set" in written.html.read_text()


def test_a_comparison_of_runs(tmp_path: Path) -> None:
    other = replace(made_results(seed=1), manifest={**made_results().manifest, "run_id": "second"})
    written = write_report([made_results(), other], tmp_path)
    page = written.html.read_text()
    assert "made/made" in page
    assert "made/second" in page
    assert written.figures == []
    assert page.count('class="claim supported"') == 2


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_report([made_results()], tmp_path_factory.mktemp("report"))


def test_images_say_what_they_show(written: Written) -> None:
    page = written.html.read_text()
    texts, captions = (
        re.findall(pattern, page) for pattern in (r'<img alt="(.*?)"', r"<figcaption>(.*?)<")
    )
    assert len(texts) == len(captions) > 5
    assert not set(texts) & set(captions)
    assert any(text.startswith("Bars: importance of parameters per arm.") for text in texts)


def test_markdown_has_the_verdicts_and_the_tables(written: Written) -> None:
    text = written.markdown.read_text()
    assert "**Soft targets help.** *supported, undertrained.*" in text  # made curves are lines
    (claim,) = json.loads(written.verdicts.read_text())["made/made"]
    assert (claim["verdict"], claim["marks"]) == ("supported", ["undertrained"])
    header = next(line for line in text.splitlines() if line.startswith("| cell | arm |"))
    rows = [line for line in text.splitlines() if line.startswith("| samples=50 | soft |")]
    assert rows
    assert all(row.count("|") == header.count("|") for row in rows[:1])
    assert not re.search(r"\bnan\b", text)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: replace(CLAIM, says=" "), "says of a claim must be a sentence"),
        (lambda: replace(CLAIM, metric="accuracy"), "metric of claim 'Soft targets help.' must be"),
        (lambda: replace(CLAIM, margin=0), "margin of claim 'Soft targets help.' must be a number"),
        (lambda: replace(CLAIM, than="soft"), "contrasts 'soft' with itself"),
        (lambda: replace(CLAIM, target=0.5), "needs a target between 0 and 1 if"),
        (lambda: replace(CLAIM, metric="epochs_to_target"), "needs a target between 0 and 1 if"),
        (lambda: replace(CLAIM, better={"samples": 50}), "contrasts two arms by name, or two"),
        (lambda: replace(CLAIM, where={"samples": 50}), "where of claim"),  # type: ignore[dict-item]
        (lambda: contrast(controls=("soft",)), "controls are for arms"),
        (
            lambda: made_study(arms=("scratch", "soft"), search={}),
            "is about arm 'scaled-ce', but the arms",
        ),
        (
            lambda: made_study(claims=(replace(CLAIM, where={"samples": (20,)}),)),
            "is about samples=20, but the study runs samples in (50, 100)",
        ),
        (
            lambda: made_study(claims=(replace(CLAIM, where={"depth": (1,)}),)),
            "is about 'depth', but the factors are ['samples']",
        ),
        (lambda: made_study(claims="soft"), "claims must be a tuple of Claim"),
        (
            lambda: made_study(claims=(contrast(where={"samples": (50,)}),)),
            "contrasts values of samples: name it in better and than alone, not in where=",
        ),
        (
            lambda: made_study(claims=(replace(CLAIM, metric="teacher_agreement"),)),
            "is about the agreement with a teacher, but arm 'scratch' has none",
        ),
        (
            lambda: made_study(
                claims=(replace(CLAIM, metric="epochs_to_target", target=0.5, margin=None),),
                fixed={"epoch_choice": "last"},
            ),
            "with epoch_choice='last' only the last epoch is validated. Allowed: 'best'.",
        ),
    ],
)
def test_bad_claims(build: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        build()


def test_quick_keeps_what_is_left_of_a_claim() -> None:
    study = Study(
        question="?",
        factors={"samples": (20, 50, 100)},
        claims=(
            Claim(says="a", better="soft", than="scratch", where={"samples": (50, 100)}),
            Claim(says="b", better="soft", than="scratch", where={"samples": (100,)}),
        ),
        replicates=Replicates(2, 5),
    )
    assert [(c.says, c.where) for c in quick(study).claims] == [("a", {"samples": (50,)})]
    (left,) = study.with_fixed("samples", 50).claims
    assert (left.says, left.where) == ("a", {})
    assert study.with_fixed("samples", 20).claims == ()


def test_report_from_the_command_line(
    tiny_study: Path, cli: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_study.parent
    text = tiny_study.read_text().replace("Replicates, Study", "Claim, Replicates, Study")
    claim = 'claims=(Claim(says="It helps.", better="soft", than="scratch"),),\n    trials'
    tiny_study.write_text(text.replace("trials", claim, 1))
    assert cli("run", tiny_study).returncode == 0
    said = cli("report", "tiny")
    assert said.returncode == 0, said.stderr
    run = (folder / "results" / "tiny" / "latest").resolve()
    assert (run / "report.html").is_file()
    assert "It helps." in (run / "report.md").read_text()
    assert list((run / "figures").glob("*.pdf"))
    results = load(run)
    assert results.problems == ()
    assert len(judge(results)) == 1

    (run / "runs" / "search-broken.parquet").write_bytes(b"PAR1")
    assert main(["report", str(run), "--to", str(folder / "elsewhere")]) == 0
    assert "1 broken files in runs/ are left out: search-broken" in capsys.readouterr().err
    assert main(["report", "nothing", "--out", str(folder / "results")]) == 2
    assert main(["report", str(run), "--to", str(tiny_study)]) == 2
    assert "cannot be written" in capsys.readouterr().err
