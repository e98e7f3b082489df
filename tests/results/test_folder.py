"""Which runs are the same, and who may write them."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from qkd_study import Arm, Float, InputError, Replicates, Study
from qkd_study.cli.main import main
from qkd_study.results import RunFolder, find_run, new_run, runs_of, same_run, write_manifest

PLAN: dict[str, Any] = {"runs": 3, "cell_keys": [], "arm_names": []}


def study(**changes: Any) -> Study:
    base: dict[str, Any] = {
        "question": "?",
        "name": "made",
        "factors": {"samples": (20, 50)},
        "search": {"temperature": Float(1, 9)},
    }
    return Study(**{**base, **changes})


def make(out: Path, of: Study, digest: str = "d") -> RunFolder:
    source = out.parent / "source.py"
    source.write_text("study")
    run = new_run(of, out)
    session = {"started_at": "now"}
    write_manifest(run, of, source, dataset="digits", digest=digest, plan=PLAN, session=session)
    return run


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"trials": 50},
        {"replicates": Replicates(search=3, confirm=40)},
        {"factors": {"samples": (20, 50, 100)}},
        {"arms": ("scratch", "soft")},
        {"question": "other words?"},
    ],
)
def test_more_of_the_same_goes_on(tmp_path: Path, more: dict[str, Any]) -> None:
    run = make(tmp_path / "out", study())
    assert same_run(study(**more), "d", runs_of(tmp_path / "out")) == run


@pytest.mark.filterwarnings("ignore::qkd_study.StudyWarning")
@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"fixed": {"epochs": 7}},
        {"search": {"temperature": Float(1, 8)}},
        {"factors": {"depth": (1, 2)}},
        {"replicates": Replicates(search=4, confirm=20)},
        {"arms": ("scratch", Arm("soft", ("features",)))},
        {"factors": {"depth": (1, 2), "samples": (20, 50)}},
    ],
)
def test_another_question_does_not(tmp_path: Path, other: dict[str, Any]) -> None:
    make(tmp_path / "out", study())
    assert same_run(study(**other), "d", runs_of(tmp_path / "out")) is None


def test_other_data_do_not(tmp_path: Path) -> None:
    make(tmp_path / "out", study())
    assert same_run(study(), "e", runs_of(tmp_path / "out")) is None


def test_runs_are_found_by_path_name_and_study(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = make(out, study()), make(out, study())
    assert runs_of(out) == [first, second]
    assert find_run("made", out).path == second.path.resolve()
    assert find_run(f"made/{first.run_id}", out).path == first.path.resolve()
    assert find_run(str(first.path), out).path == first.path.resolve()
    assert (out / "made" / "latest").resolve() == second.path.resolve()
    with pytest.raises(InputError, match=f"'nothing' is no run. Runs in .*made/{first.run_id}"):
        find_run("nothing", out)


def test_study_json_and_a_copy_of_the_file(tmp_path: Path) -> None:
    run = make(tmp_path / "out", study())
    said = json.loads((run.path / "study.json").read_text())
    assert said["declaration"]["factors"] == {"samples": [20, 50]}
    assert said["declaration"]["fixed"]["learning_rate"] == 3e-3
    assert (said["dataset"], said["dataset_sha256"]) == ("digits", "d")
    assert said["sessions"] == [{"started_at": "now"}]
    assert (run.path / "study.py").read_text() == "study"


def _try(path: Path, queue: Any) -> None:
    try:
        with RunFolder(path).locked():
            queue.put("held")
    except InputError as error:
        queue.put(str(error))


def test_a_second_driver_is_refused_at_once(tmp_path: Path) -> None:
    run = make(tmp_path / "out", study())
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with run.locked():
        other = context.Process(target=_try, args=(run.path, queue))
        other.start()
        said = queue.get(timeout=60)
        other.join()
    assert "is being written by process" in said
    with run.locked():
        pass


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written: .*Choose another folder with --out"):
        new_run(study(), tmp_path / "file")


DAMAGED = {
    "empty": b"",
    "cut": b'{"run_id": "2',
    "a list": b"[]",
    "no text": b"\xff\x00",
    "lost": None,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_study_json_stops_the_run(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the newest, but that which was worked on last: to start over would leave its rows."""
    out = tmp_path / "out"
    run, other = make(out, study()), make(out, study(seed=1))
    (out / "made" / "latest").unlink()
    (out / "made" / "latest").symlink_to(run.run_id)
    (run.path / "runs" / "search-all.parquet").touch()
    path = run.path / "study.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    said = r"study.json( is broken: .*)?\. Restore it from a copy, or move .* `qkd-study run --new`"
    with pytest.raises(InputError, match=said):
        same_run(study(), "d", runs_of(out))
    for name in ("made", "made/latest", f"made/{run.run_id}", str(run.path)):
        with pytest.raises(InputError, match=said):
            find_run(name, out).manifest()
    assert main(["list", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert other.run_id in printed.out
    assert run.run_id not in printed.out
    assert run.run_id in printed.err


def test_a_damaged_run_that_another_comes_before_is_no_hindrance(tmp_path: Path) -> None:
    out = tmp_path / "out"
    damaged, run = make(out, study()), make(out, study())
    (damaged.path / "study.json").write_text("")
    assert same_run(study(), "d", runs_of(out)) == run


def test_a_folder_of_a_run_that_never_began_is_none(tmp_path: Path) -> None:
    new_run(study(), tmp_path / "out")
    assert runs_of(tmp_path / "out") == []


def test_an_arm_keeps_its_meaning_while_it_is_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with_arm = study(arms=("scratch", Arm("x", ("soft",))))
    run = make(out, with_arm)
    without = study(arms=("scratch", "soft"))
    source = tmp_path / "source.py"
    write_manifest(run, without, source, dataset="digits", digest="d", plan=PLAN, session={})
    assert same_run(with_arm, "d", runs_of(out)) == run
    assert (
        same_run(study(arms=("scratch", Arm("x", ("soft", "features")))), "d", runs_of(out)) is None
    )
    assert len(run.manifest()["sessions"]) == 2


def test_a_run_can_be_started_from_its_own_copy(tmp_path: Path) -> None:
    run = make(tmp_path / "out", study())
    copy = run.path / "study.py"
    write_manifest(run, study(), copy, dataset="digits", digest="d", plan=PLAN, session={})
    assert copy.read_text() == "study"


@pytest.mark.parametrize("name", ["/no/such", "**", "[", "..", "", "x" * 5000, "a\0b", "\ud800"])
def test_names_that_no_run_can_have(tmp_path: Path, name: str) -> None:
    make(tmp_path / "out", study())
    with pytest.raises(InputError, match=r"is no run. Runs in .*: made/"):
        find_run(name, tmp_path / "out")
    assert runs_of(Path(name)) == [] or name == ""
