"""The numbers on a study's page are those of the run that it names."""

import json
from pathlib import Path

import pytest

from tests.analysis.made import made_results
from tools.study_page import PAGES, numbers, rendered, unknown_numbers, with_numbers

NUMBERED = sorted((PAGES / "numbers").glob("*.json"))


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_a_page_has_the_numbers_of_its_run(path: Path) -> None:
    page = (PAGES / f"{path.stem}.md").read_text()
    assert rendered(json.loads(path.read_text())) in page
    assert unknown_numbers(page) == []


def test_a_page_is_written_from_a_run() -> None:
    results = made_results()
    found = json.loads(json.dumps(numbers(results), allow_nan=False))
    part = rendered(found)
    soft = results.scores()["soft"].xs("samples=50", level="cell").mean()
    assert f"| 50 | `soft` | 12 | {100 * soft:.1f} |" in part
    (claim,) = results.judge()
    paired = claim.overall.paired
    assert paired is not None
    says = f"{100 * paired.mean:+.1f} ({100 * paired.t_low:+.1f} to {100 * paired.t_high:+.1f})"
    assert f"soft - scratch: {says}, 12 pairs, p < 0.001, supported." in part
    assert part.count("against a control") == 2

    old = "# made\n\n## One run\n\nold\n\n## Claims\n\n- old\n\n## What it says\n\nA gain of 4.8.\n"
    page = with_numbers(old, part)
    assert "old" not in page
    assert page.endswith("## What it says\n\nA gain of 4.8.\n")
    assert unknown_numbers(page) == []
    assert unknown_numbers(page.replace("gain of 4.8", "gain of 9.9")) == ["9.9"]
    assert with_numbers(page, part) == page
