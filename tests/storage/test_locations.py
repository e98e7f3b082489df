"""Copies of a run on two machines, here two cache folders."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from qkd_study.common.errors import InputError, StudyWarning
from qkd_study.results import (
    ResultsLocation,
    RunFolder,
    find_run,
    read_table,
    start_tables,
    write_records,
)
from qkd_study.results import lease as leases
from qkd_study.results.lease import LEASE
from qkd_study.results.object_store import ObjectStore
from qkd_study.results.remote_sync import INDEX
from tests.results.test_folder import make as make_run
from tests.results.test_folder import study
from tests.results.test_tables import record, trial
from tests.storage.conftest import Server
from tests.storage.test_remote_sync import files, make

pytestmark = pytest.mark.slow


@pytest.fixture
def out(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.0)
    return f"s3://{bucket}/results"


def drive(out: str, **written: str) -> dict[str, str]:
    """A driver that goes on with a run and writes to it; what its copy has when it goes on."""
    place = ResultsLocation.of(out, "write", "study")
    run = RunFolder(place.path / "study" / "1")
    make(run.path, {"study.json": "{}"})
    with place.held(run) as held:
        before = files(run.path)
        make(run.path, {f"runs/{name}.parquet": content for name, content in written.items()})
        held.push()
    return before


def test_what_was_not_sent_is_sent_unless_another_wrote_since(
    server: Server, bucket: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(out, first="1")
    here = ResultsLocation.of(out, "write", "study").path / "study" / "1"
    make(here, {"runs/unsent.parquet": "1"})
    assert "runs/unsent.parquet" in drive(out)
    assert "results/study/1/runs/unsent.parquet" in server.names(bucket)

    make(here, {"runs/late.parquet": "1"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    brought = {"study.json": "{}", "runs/first.parquet": "1", "runs/unsent.parquet": "1"}
    assert drive(out, theirs="2") == brought
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert drive(out) == {**brought, "runs/theirs.parquet": "2"}
    assert "results/study/1/runs/late.parquet" not in server.names(bucket)


def test_a_run_that_is_removed_from_the_store_is_gone_here(
    server: Server, bucket: str, out: str
) -> None:
    drive(out, first="1")
    for name in server.names(bucket):
        server.client().delete_object(Bucket=bucket, Key=name)
    path = ResultsLocation.of(out, "write", "study").path
    assert files(path) == {}


def test_readers_have_a_copy_of_their_own(out: str) -> None:
    drive(out, first="1")
    reader, writer = ResultsLocation.of(out, "read").path, ResultsLocation.of(out, "write").path
    assert files(reader) == {"study/1/study.json": "{}"}
    shutil.rmtree(reader)
    assert "study/1/runs/first.parquet" in files(writer)


def test_readers_are_told_who_writes(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = ResultsLocation.of(out, "write", "study")
    run = RunFolder(place.path / "study" / "1")
    make(run.path, {"study.json": "{}", "logs/events": "of a logger"})
    with place.held(run) as held:
        held.push()
        assert find_run("study", out).owner.read_text().startswith(f"process {os.getpid()} on ")
        with monkeypatch.context() as later:
            later.setattr(leases, "FRESH_SECONDS", 0.0)
            assert not find_run("study", out).owner.exists()
    assert not find_run("study", out).owner.exists()
    assert held.remote_sync is not None
    assert set(held.remote_sync.store.stamps()) == {"study.json", leases.LEASE}


def test_a_run_whose_start_never_arrived_is_kept(
    server: Server, bucket: str, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails after the first tables, before study.json."""
    drive(out, first="1")
    path = ResultsLocation.of(out, "write", "study").path / "study" / "1"
    index = (path / INDEX).read_text().splitlines()
    (path / INDEX).write_text("\n".join(line for line in index if "study.json" not in line))
    for name in server.names(bucket):  # but for the lease, which comes first
        if "/runs/" in name or "study.json" in name:
            server.client().delete_object(Bucket=bucket, Key=name)
    assert "runs/first.parquet" in drive(out)
    assert "results/study/1/runs/first.parquet" in server.names(bucket)


def test_a_run_that_a_driver_holds_is_kept(server: Server, bucket: str, out: str) -> None:
    drive(out, first="1")
    run = RunFolder(ResultsLocation.of(out, "write", "study").path / "study" / "1")
    for name in server.names(bucket):
        server.client().delete_object(Bucket=bucket, Key=name)
    with run.locked():
        ResultsLocation.of(out, "write", "study")
        assert (run.path / "runs").exists()


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/study"])
def test_an_address_that_is_too_short_for_a_run(address: str) -> None:
    with pytest.raises(InputError, match=re.escape("is no run. A run is at s3://BUCKET/")):
        find_run(address, "results")


def test_an_address_with_brackets() -> None:
    with pytest.raises(InputError, match=re.escape("but got s3://[x.")):
        ObjectStore.parsed("s3://[x")


#: Ways to lose or spoil what is in a copy: the files concerned, and what is in them then.
SPOILED: dict[str, tuple[str, bytes | None]] = {
    "a table is lost": ("runs/search-*.parquet", None),
    "all tables are lost": ("*/*.parquet", None),
    "tables are cut": ("runs/*.parquet", b"PAR1"),
    "tables are something else": ("*/*.parquet", b"\xff\x00 garbage"),
    "study.json is cut": ("study.json", b'{"run_id": '),
    "study.json is lost": ("study.json", None),
    "the index is lost": (INDEX, None),
    "the index is something else": (INDEX, b"\xff[1, 2]\n[[], 1, 2, 3]\n"),
    "the name of the copy is something else": (".place", b"\xff"),
    "all is something else": ("**/*", b"\xff"),
}


@pytest.mark.parametrize("what", SPOILED)
@pytest.mark.parametrize("use", ["write", "read"])
def test_what_happens_to_a_copy_changes_no_result(
    use: Literal["read", "write"], what: str, server: Server, bucket: str, out: str
) -> None:
    place = ResultsLocation.of(out, "write", "study")
    run = RunFolder(place.path / "study" / "1")
    run.path.mkdir(parents=True)
    with place.held(run) as held:
        manifest = fill(run.path)
        held.push()
    before = read_table(find_run("study", out).path, "runs")
    there = {n: s.size for n, s in ObjectStore.of(out).stamps().items() if not n.endswith(LEASE)}

    pattern, content = SPOILED[what]
    copy = ResultsLocation.of(out, use, "study").path / "study" / "1"
    for path in [path for path in copy.glob(pattern) if path.is_file()]:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    time.sleep(1)  # the server's times are in seconds

    place = ResultsLocation.of(out, "write", "study")
    (found,) = place.runs("study")
    with place.held(found) as held:
        start_tables(held.path)
        assert held.manifest() == manifest
        pd.testing.assert_frame_equal(read_table(held.path, "runs"), before)
        held.push()
    pd.testing.assert_frame_equal(read_table(find_run("study", out).path, "runs"), before)
    assert {
        n: s.size for n, s in ObjectStore.of(out).stamps().items() if not n.endswith(LEASE)
    } == there


def fill(folder: Path) -> dict[str, Any]:
    """Make a folder a run of two trials; returns what its study.json says."""
    made = make_run(folder.parent.parent.parent / "made", study())
    shutil.copytree(made.path, folder, dirs_exist_ok=True)
    for number in range(2):
        write_records(folder, [trial(number)], [record(trial(number), r) for r in (0, 1)])
    return RunFolder(folder).manifest()


def test_without_a_cache_folder_copies_are_temporary(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(out, first="1")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(StudyWarning, match="file/qkd-study cannot be used"):
        before = drive(out, second="2")
    assert before == {"study.json": "{}", "runs/first.parquet": "1"}
    with pytest.warns(StudyWarning, match="file/qkd-study cannot be used"):
        found = find_run("study", out)
    assert set(files(found.path)) > {"runs/second.parquet"}
