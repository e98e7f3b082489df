"""Copies of a run on two machines, here two cache folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from qkd_study.results import Place, RunFolder, find_run
from qkd_study.results import lease as leases
from tests.storage.conftest import Server
from tests.storage.test_mirror import files, make

pytestmark = pytest.mark.slow


@pytest.fixture
def out(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.0)
    return f"s3://{bucket}/results"


def drive(out: str, **written: str) -> dict[str, str]:
    """A driver that goes on with a run and writes to it; what its copy has when it goes on."""
    place = Place.of(out, "write", "study")
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
    here = Place.of(out, "write", "study").path / "study" / "1"
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
    path = Place.of(out, "write", "study").path
    assert files(path) == {}


def test_readers_have_a_copy_of_their_own(out: str) -> None:
    drive(out, first="1")
    reader, writer = Place.of(out, "read").path, Place.of(out, "write").path
    assert files(reader) == {"study/1/study.json": "{}"}
    shutil.rmtree(reader)
    assert "study/1/runs/first.parquet" in files(writer)


def test_readers_are_told_who_writes(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place.of(out, "write", "study")
    run = RunFolder(place.path / "study" / "1")
    make(run.path, {"study.json": "{}", "logs/events": "of a logger"})
    with place.held(run) as held:
        held.push()
        assert find_run("study", out).owner.read_text().startswith(f"process {os.getpid()} on ")
        with monkeypatch.context() as later:
            later.setattr(leases, "FRESH_SECONDS", 0.0)
            assert not find_run("study", out).owner.exists()
    assert not find_run("study", out).owner.exists()
    assert held.mirror is not None
    assert set(held.mirror.store.stamps()) == {"study.json", leases.LEASE}
