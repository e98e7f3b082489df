"""Nothing that a user hands over may end in a traceback: written by Hypothesis, with a seed.

Every run of this file tries the same. To try more, and others:

    QKD_STUDY_FUZZ=20 QKD_STUDY_FUZZ_SEED=7 python -m pytest tests/faults/test_fuzz.py -m slow

tries twenty times as many with seed 7.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from qkd_study import InputError
from qkd_study.analysis import load
from qkd_study.analysis.report.build import section
from tests.faults.damage import damage, data_file, right_files, write_run
from tests.faults.driving import Outcome, Tally, drive, unforeseen
from tests.faults.lines import command_line, write_places
from tests.faults.sources import PREAMBLE, RIGHT, failing_file, own_arrays, own_parts, study_file

pytestmark = pytest.mark.slow

TIMES = int(os.environ.get("QKD_STUDY_FUZZ", "1"))
SEED = int(os.environ.get("QKD_STUDY_FUZZ_SEED", "20261121"))
#: Examples of each part. Those of the last are whole processes.
PARTS = {
    "studies": 400,
    "failing studies": 90,
    "own parts": 120,
    "own arrays": 80,
    "data files": 120,
    "command lines": 250,
    "damaged runs": 120,
    "processes": 20,
}
REPLAY = ["replay", "made", "--replicate", "1000", "--arm", "scratch"]
SHIPPED = sorted((Path(__file__).parents[2] / "studies").glob("*.py"))


def fuzzed(part: str, *strategies: Any, **named: Any) -> Any:
    """Hypothesis with this part's number of examples and the seed."""
    settled = settings(
        max_examples=PARTS[part] * TIMES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: seed(SEED)(settled(given(*strategies, **named)(test)))


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    counted = Tally()
    yield counted
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{counted}")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without any data beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QKD_STUDY_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def counted(
    tally: Tally, part: str, outcome: Outcome, allowed: tuple[int, ...] = (0, 2)
) -> Outcome:
    """The outcome, if nothing is wrong with it."""
    problem = outcome.complaint(allowed)
    assert problem is None, f"{problem}\n{outcome.argv}\n{outcome.err[-3000:]}"
    tally.add(part, outcome)
    return outcome


def planned(tally: Tally, part: str, text: str) -> Outcome:
    """The outcome of `plan`; `run` must refuse what `plan` refuses, and write nothing."""
    Path("study.py").write_text(text, encoding="utf-8")
    outcome = counted(tally, part, drive("plan", "study.py", "--no-forecast"), (0, 2, 3))
    assert outcome.code != 3 or "KeyboardInterrupt" in text
    if outcome.code:
        refused = counted(tally, part, drive("run", "study.py"), (outcome.code,))
        # How deep a recursion gets, and so the line it ends in, differs by some calls.
        at = re.compile(r":\d+: ") if "Recursion" in outcome.message else re.compile("$^")
        assert at.sub("", refused.message) == at.sub("", outcome.message)
        assert not Path("results").exists()
        assert "study.py" in outcome.message or outcome.code == 3
    return outcome


def right(place: Path) -> None:
    """The data that right studies name."""
    Path("own.npz").write_bytes(right_files()[".npz"])


@pytest.mark.parametrize("text", RIGHT)
def test_the_studies_that_are_spoilt_are_right(place: Path, text: str) -> None:
    right(place)
    Path("study.py").write_text(f"{PREAMBLE}\n{text}")
    outcome = drive("plan", "study.py")
    assert (outcome.code, outcome.complaint()) == (0, None), outcome.err


def test_studies(place: Path, tally: Tally) -> None:
    right(place)
    shipped = [path.read_text() for path in SHIPPED]

    @fuzzed("studies", study_file(RIGHT) | study_file(shipped))
    def test(text: str) -> None:
        if planned(tally, "studies", text.replace('"fashion-mnist"', '"checkerboard"')).code == 2:
            assert unforeseen(Path("study.py")) is None

    test()
    assert tally.of("studies") >= PARTS["studies"]
    assert tally.of("studies", 0) > 0


def test_studies_whose_own_code_fails(place: Path, tally: Tally) -> None:
    right(place)

    @fuzzed("failing studies", failing_file())
    def test(text: str) -> None:
        planned(tally, "failing studies", text)

    test()
    assert tally.of("failing studies", 2) > PARTS["failing studies"] / 2


def test_parts_of_ones_own(place: Path, tally: Tally) -> None:
    @fuzzed("own parts", own_parts())
    def test(text: str) -> None:
        planned(tally, "own parts", text)

    test()
    assert tally.of("own parts", 2) > PARTS["own parts"] / 2


def test_arrays_of_ones_own(place: Path, tally: Tally) -> None:
    @fuzzed("own arrays", own_arrays())
    def test(text: str) -> None:
        if planned(tally, "own arrays", text).code == 2:
            assert unforeseen(Path("study.py")) is None

    test()
    assert tally.of("own arrays", 2) > PARTS["own arrays"] / 2


def test_data_files(place: Path, tally: Tally) -> None:
    kinds = right_files()
    text = (
        "from qkd_study import *\n"
        "study = Study(question='?', setting=ClassicalToClassical(), arms=('scratch',),\n"
        "              datasets=(DataFile('own{}', label='{}'),),\n"
        "              fixed=dict(samples=9, validation_samples=10))\n"
    )

    @fuzzed("data files", data_file(kinds), st.sampled_from(("label", "label", "f", "f0", "é")))
    def test(drawn: tuple[str, bytes], label: str) -> None:
        ending, content = drawn
        Path(f"own{ending}").write_bytes(content)
        outcome = planned(tally, "data files", text.format(ending, label))
        assert outcome.code == 0 or f"own{ending}" in outcome.message or "own" in outcome.message

    test()
    assert tally.of("data files", 2) > PARTS["data files"] / 2
    assert tally.of("data files", 0) > 0


def test_command_lines(place: Path, tally: Tally) -> None:
    write_places(place)

    @fuzzed("command lines", command_line())
    @example(["status", "/no/such/run"])
    @example(["status", "x" * 5000])
    @example(["list", "--out", "x" * 5000])
    def test(argv: list[str]) -> None:
        counted(tally, "command lines", drive(*argv))

    test()
    assert tally.of("command lines", 2) > PARTS["command lines"] / 2
    assert tally.of("command lines", 0) > PARTS["command lines"] / 20


def test_damaged_runs(place: Path, tally: Tally) -> None:
    run = write_run(place / "right")
    numbers = itertools.count()

    @fuzzed(
        "damaged runs",
        st.lists(damage(run), min_size=1, max_size=2),
        st.sampled_from((["status", "made"], ["status", "made", "--json"], ["list"], REPLAY)),
    )
    def test(spoils: list[Any], argv: list[str]) -> None:
        out = place / str(next(numbers))
        shutil.copytree(run.parents[1], out, symlinks=True)
        for spoil in spoils:
            try:
                spoil(out / "made" / "1")
            except (
                OSError,
                ValueError,
                KeyError,
            ):  # by the first damage, what the second needs is gone
                break
        counted(tally, "damaged runs", drive(*argv, "--out", out))
        if not _reported(out):
            counted(tally, "damaged runs", drive("report", "made", "--out", out), (2,))
        shutil.rmtree(out)

    test()
    assert tally.of("damaged runs", 2) > PARTS["damaged runs"] / 4
    assert tally.of("damaged runs", 0) > PARTS["damaged runs"] / 4


def _reported(out: Path) -> bool:
    """Whether there is a report, without its figures, which take seconds to draw."""
    try:
        section(load("made", out))
    except InputError:
        return False
    return True


def test_in_processes_of_their_own(place: Path, tally: Tally) -> None:
    write_places(place)
    right(place)

    @fuzzed("processes", study_file() | failing_file() | command_line().filter(_typable))
    def test(drawn: str | list[str]) -> None:
        argv = ["plan", "study.py", "--no-forecast"] if isinstance(drawn, str) else drawn
        if isinstance(drawn, str):
            Path("study.py").write_text(drawn, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "qkd_study", *argv],
            capture_output=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        said = (done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        counted(tally, "processes", Outcome(tuple(argv), done.returncode, *said))

    test()
    assert tally.of("processes") >= PARTS["processes"]


def _typable(argv: list[str]) -> bool:
    """Whether a shell can hand these arguments over."""
    text = "".join(argv)
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def test_they_were_a_thousand(tally: Tally) -> None:
    assert sum(PARTS.values()) >= 1000
    if {part for part, _ in tally.codes} != set(PARTS):
        pytest.skip("counts what the other tests of this file ran")
    assert tally.codes.total() >= sum(PARTS.values())
