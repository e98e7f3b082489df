"""The numbers on a study's page are those of the run that it names."""

import json
from pathlib import Path

import pytest

from tests.analysis.made import made_results, with_predictions
from tools.study_header import header
from tools.study_page import PAGES, STUDIES, numbers, rendered, unknown_numbers, with_numbers

NUMBERED = sorted((PAGES / "numbers").glob("*.json"))


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_a_page_has_the_numbers_of_its_run(path: Path) -> None:
    page = (PAGES / f"{path.stem}.md").read_text()
    assert rendered(json.loads(path.read_text())) in page
    assert unknown_numbers(page) == []


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.py")), ids=lambda path: path.stem)
def test_a_page_begins_with_what_its_study_declares(path: Path) -> None:
    assert (PAGES / f"{path.stem}.md").read_text().startswith(header(path))


def test_a_page_is_written_from_a_run(tmp_path: Path) -> None:
    results = with_predictions(made_results(), tmp_path)
    found = json.loads(json.dumps(numbers(results), allow_nan=False))
    part = rendered(found)
    soft = results.scores()["soft"].xs("samples=50", level="cell").mean()
    assert f"| 50 | `soft` | 12 | {100 * soft:.1f} |" in part
    (claim,) = results.judge()
    paired = claim.overall.paired
    assert paired is not None
    says = f"{100 * paired.mean:+.1f} ({100 * paired.t_low:+.1f} to {100 * paired.t_high:+.1f})"
    both = claim.overall.both
    assert both is not None
    wider = f"with new test samples {100 * both.mean:+.1f} ({100 * both.low:+.1f} to "
    assert f"{says}, {wider}" in part
    assert "- the verdict is for new replicates and test items" in part
    assert part.count("against a control") == 2

    gain = f"{100 * paired.mean:.1f}"
    prose = f"## What it says\n\nA gain of {gain}.\n"
    old = f"# made\n\n## One run\n\nold\n\n## Claims\n\n- old\n\n{prose}"
    page = with_numbers(old, "# made\n", part)
    assert "old" not in page
    assert page.startswith("# made\n")
    assert page.endswith(prose)
    assert unknown_numbers(page) == []
    assert unknown_numbers(page.replace(f"gain of {gain}", "gain of 99.9")) == ["99.9"]
    assert with_numbers(page, "# made\n", part) == page
