"""Stores, leases and mirrors against a server that speaks S3."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from qkd_study.common.errors import InputError, StorageError
from qkd_study.results import lease as leases
from qkd_study.results.lease import Lease
from qkd_study.results.object_store import ObjectStore
from qkd_study.results.remote_sync import RemoteSync
from tests.storage.conftest import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def store(bucket: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.0)
    return ObjectStore.of(f"s3://{bucket}/some/where").at("study", "run")


def make(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


RUN = {
    "study.json": "{}",
    "runs/a b=1,c.parquet": "rows",
    "curves/a b=1,c.parquet": "curves",
    "teachers/t.safetensors": "t",
}


def test_objects(store: ObjectStore) -> None:
    assert store.read("x") is None
    assert store.stamps() == {}
    store.write("a/x y=1,2+.txt", b"1")
    store.write("a/x y=1,2+.txt", b"22")
    assert store.read("a/x y=1,2+.txt") == b"22"
    assert [(n, s.size) for n, s in store.stamps().items()] == [("a/x y=1,2+.txt", 2)]
    assert store.folders() == ["a"]
    store.delete("a/x y=1,2+.txt")
    store.delete("a/x y=1,2+.txt")
    assert store.stamps() == {}


def test_what_is_sent_comes_back(store: ObjectStore, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    make(here, {**RUN, ".lock": "mine", "teachers/t.lock": "mine"})
    RemoteSync(store, here).push()
    there.mkdir()
    RemoteSync(store, there).pull()
    assert files(there) == RUN
    time.sleep(1)  # the server's times are in seconds
    # Changed to the same size, made and removed: all three arrive.
    make(here, {"runs/a b=1,c.parquet": "ROWS", "runs/new.parquet": "new"})
    (here / "curves/a b=1,c.parquet").unlink()
    RemoteSync(store, here).push()
    RemoteSync(store, there).pull()
    wanted = {**RUN, "runs/a b=1,c.parquet": "ROWS", "runs/new.parquet": "new"}
    del wanted["curves/a b=1,c.parquet"]
    assert files(there) == wanted


def test_nothing_is_brought_or_sent_twice(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "here", RUN)
    RemoteSync(store, tmp_path / "here").push()
    (tmp_path / "there").mkdir()
    RemoteSync(store, tmp_path / "there").pull()

    def never(*given: object) -> None:
        raise AssertionError(given)

    monkeypatch.setattr(ObjectStore, "read", never)
    monkeypatch.setattr(ObjectStore, "write", never)
    RemoteSync(store, tmp_path / "here").push()
    RemoteSync(store, tmp_path / "there").pull()


def test_a_reader_does_not_bring_teachers(store: ObjectStore, tmp_path: Path) -> None:
    make(tmp_path / "here", RUN)
    RemoteSync(store, tmp_path / "here").push()
    (tmp_path / "there").mkdir()
    RemoteSync(store, tmp_path / "there").pull(lambda name: not name.startswith("teachers"))
    assert files(tmp_path / "there").keys() == RUN.keys() - {"teachers/t.safetensors"}


def test_a_lease_is_for_one(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Lease(store, "1", "first on a"), Lease(store, "2", "second on b")
    assert not first.take()
    with pytest.raises(InputError, match=r"written by first on a, which was there \d+ s ago"):
        second.take()
    assert first.take()  # its process died, and another has its copy
    first.renew()
    first.release()
    assert not second.take()
    with pytest.raises(StorageError, match="second on b took it over"):
        first.renew()
    first.release()
    with pytest.raises(InputError, match="second on b"):
        first.take()
    monkeypatch.setattr(leases, "FRESH_SECONDS", 2.0)
    time.sleep(3.5)
    assert not first.take()


def test_a_driver_that_lost_its_lease_stops(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qkd_study.results.remote_sync.HEARTBEAT_SECONDS", 0.1)
    make(tmp_path, RUN)
    remote_sync, lease = RemoteSync(store, tmp_path), Lease(store, "1", "first")
    lease.take()

    def steal() -> None:
        with remote_sync.in_background(lease):
            remote_sync.put([tmp_path / "study.json"])
            time.sleep(0.5)
            assert remote_sync.sync_error() is None
            end = time.monotonic() + 10
            while remote_sync.sync_error() is None and time.monotonic() < end:
                # Again, where a renewal was under way: a thief looks again, and finds it.
                Lease(store, "2", "second")._write(released=False)
                time.sleep(0.05)
            with pytest.raises(StorageError, match="second took it over"):
                remote_sync.put([tmp_path / "runs/a b=1,c.parquet"])

    with pytest.raises(StorageError, match="second took it over"):
        steal()
    assert "runs/a b=1,c.parquet" not in store.stamps()
    assert "study.json" in store.stamps()


def test_a_driver_that_slept_looks_before_it_sends(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the next renewal, and in the middle of an attempt that fails."""
    make(tmp_path, {**RUN, "runs/next.parquet": "next"})
    remote_sync, lease = RemoteSync(store, tmp_path), Lease(store, "1", "first")
    lease.take()

    def sleep() -> None:
        lease._seen.times = (0.0, 0.0)
        Lease(store, "2", "second")._write(released=False)

    real = vars(ObjectStore)["_files"].func

    class Failing:
        """A store that was out of reach meanwhile."""

        def __init__(self, files: object) -> None:
            self._there = files

        def open_output_stream(self, path: str) -> object:
            if "a b=1" in path and lease._seen.times != (0.0, 0.0):
                sleep()
                raise OSError("the connection was closed")
            return self._there.open_output_stream(path)  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self._there, name)

    monkeypatch.setattr(ObjectStore, "_files", property(lambda self: Failing(real(self))))
    with pytest.raises(StorageError, match="second took it over"), remote_sync.in_background(lease):
        remote_sync.put([tmp_path / "study.json", tmp_path / "runs/a b=1,c.parquet"])
    with pytest.raises(StorageError, match="second took it over"):
        lease.check()
    assert set(store.stamps()) == {"study.json", leases.LEASE}
    assert lease.read()["owner"] == "second"


def test_what_another_sent_after_it_lost_the_lease_is_removed(
    store: ObjectStore, tmp_path: Path
) -> None:
    make(tmp_path, RUN)
    remote_sync, lease = RemoteSync(store, tmp_path), Lease(store, "1", "first")
    lease.take()
    with remote_sync.in_background(lease):
        remote_sync.push()
        store.write("runs/late.parquet", b"rows")
        store.write("study.py", b"no table")
        (tmp_path / "curves/a b=1,c.parquet").unlink()  # gone here only: it stays there
    assert set(store.stamps()) == {*RUN, "study.py", leases.LEASE}


def test_files_that_grow_are_sent_now_and_then(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qkd_study.results.remote_sync.HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr("qkd_study.results.remote_sync.GROWING_SECONDS", 0.0)
    remote_sync, lease = RemoteSync(store, tmp_path), Lease(store, "1", "first")
    lease.take()
    with remote_sync.in_background(lease):
        make(tmp_path, {"pending.jsonl": "1\n", "optuna.journal": "1\n", "teachers/t.json": "1"})
        time.sleep(1)
        assert store.read("pending.jsonl") == b"1\n"
        assert store.read("teachers/t.json") == b"1"
        make(tmp_path, {"optuna.journal": "1\n2\n"})
        (tmp_path / "pending.jsonl").unlink()
    assert store.read("optuna.journal") == b"1\n2\n"
    assert store.read("pending.jsonl") is None


def test_a_store_that_is_away_for_a_while_is_waited_for(server: Server, store: ObjectStore) -> None:
    server.stop()
    back = threading.Timer(3, server.start)
    back.start()
    store.write("x", b"1")
    assert not back.is_alive()
    assert store.read("x") == b"1"


def test_a_store_that_stays_away_is_given_up(
    server: Server, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qkd_study.results.object_store.RETRY_SECONDS", 1.0)
    server.stop()
    try:
        with pytest.raises(StorageError, match=f"{store}/x cannot be written: NETWORK"):
            store.write("x", b"1")
    finally:
        server.start()
