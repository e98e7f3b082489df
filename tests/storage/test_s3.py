"""Whole runs whose results are in an object store; and stores that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import qkd_study
from qkd_study.common.errors import InputError
from qkd_study.results import ResultsLocation, read_table, runs_of
from qkd_study.results.object_store import ObjectStore
from tests.conftest import TINY, Cli
from tests.faults.harness import KEYS, wait_for
from tests.storage.conftest import Server

pytestmark = pytest.mark.slow

RUNS = 28
EPOCHS = 2500  # a run of about a second: the driver gives a lost store up long before the last
#: The command line, which takes runs over after a second, and gives stores up after two.
HASTY = """
import sys
from qkd_study.results import lease, object_store
lease.FRESH_SECONDS, lease.TRUST_SECONDS = 1.0, 0.5
object_store.RETRY_SECONDS = 2.0
from qkd_study.cli.main import main
sys.exit(main())
"""


#: The same, but for renewals of the lease: what a driver does before the first after it slept.
SLEEPY = HASTY.replace("lease, object_store", "lease, object_store, remote_sync").replace(
    "from qkd_study.cli.main", "remote_sync.HEARTBEAT_SECONDS = 1e3\nfrom qkd_study.cli.main"
)


def start(folder: Path, out: str, program: str = HASTY) -> subprocess.Popen[str]:
    (folder / "tiny.py").write_text(TINY.replace('"epochs": 3', f'"epochs": {EPOCHS}'))
    return subprocess.Popen(
        [sys.executable, "-c", program, "run", "tiny.py", "--cpus", "1", "--out", out],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(folder: Path, out: str) -> tuple[int, str, str]:
    driver = start(folder, out)
    printed, said = driver.communicate(timeout=200)
    return driver.returncode, printed, said


def written(server: Server, bucket: str) -> list[str]:
    return [name for name in server.names(bucket) if "/runs/search-" in name]


def test_a_killed_run_goes_on_on_another_machine(
    server: Server, bucket: str, tmp_path: Path, cli: Cli
) -> None:
    out = f"s3://{bucket}/results"
    driver = start(tmp_path, out)
    wait_for(lambda: len(written(server, bucket)) >= 2)
    os.killpg(driver.pid, signal.SIGKILL)
    killed = driver.pid
    driver.communicate()
    kept = qkd_study.load("tiny", out=out).runs
    assert 4 <= len(kept) < RUNS

    shutil.rmtree(tmp_path / "cache")
    place = ResultsLocation.of(out, "write", "tiny")
    (run,) = runs_of(place.path)
    by = f"written by process {killed} on {socket.gethostname()}"
    with pytest.raises(InputError, match=by), place.held(run):
        pass
    code, printed, said = finish(tmp_path, out)
    assert code == 0, printed + said
    assert f"{RUNS - len(kept)} to do; goes on in {out}/tiny/" in printed

    listed = json.loads(cli("list", "--out", out, "--json").stdout)
    (name,) = [f"{entry['study']}/{entry['run_id']}" for entry in listed]
    status = json.loads(cli("status", f"{out}/{name}", "--json").stdout)
    assert status["run"] == f"{out}/{name}"
    assert status["declared"] == status["done"] == RUNS
    reported = cli("report", "tiny", "--out", out)
    assert reported.returncode == 0, reported.stderr
    assert (tmp_path / "results" / name / "report.html").exists()

    after = qkd_study.load(f"{out}/tiny/latest").runs
    assert len(after) == RUNS
    assert not after.duplicated(KEYS).any()
    same = after.merge(kept[[*KEYS, "where.started_at"]], on=[*KEYS, "where.started_at"])
    assert len(same) == len(kept)
    # The tables there are what any reader of S3 sees.
    keys = [key for key in server.names(bucket) if f"{name}/runs/" in key]
    bodies = [server.client().get_object(Bucket=bucket, Key=k)["Body"].read() for k in keys]
    (tmp_path / "bare" / "runs").mkdir(parents=True)
    for number, body in enumerate(bodies):
        (tmp_path / "bare" / "runs" / f"{number}.parquet").write_bytes(body)
    pd.testing.assert_frame_equal(read_table(tmp_path / "bare", "runs"), after)
    # And whoever goes on there has what this machine has.
    (staged,) = (tmp_path / "cache").glob("qkd-study/stores/*/write/tiny/latest")
    there = ObjectStore.of(f"{out}/{name}")
    for kept_there in ("study.json", "study.py", "optuna.journal", "pending.jsonl"):
        path = staged / kept_there
        assert there.read(kept_there) == (path.read_bytes() if path.exists() else None)
    assert {p.name for p in (staged / "teachers").glob("*.*") if p.suffix != ".lock"} == {
        key.rpartition("/")[2] for key in server.names(bucket) if "/teachers/" in key
    }


def test_a_store_that_stops_in_the_middle(server: Server, bucket: str, tmp_path: Path) -> None:
    out = f"s3://{bucket}/results"
    driver = start(tmp_path, out)
    try:
        wait_for(lambda: len(written(server, bucket)) >= 1)
        server.stop()
        printed, said = driver.communicate(timeout=120)
    finally:
        server.start()
    assert driver.returncode == 3, printed + said
    assert "cannot be " in said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    (staged,) = (tmp_path / "cache").glob("qkd-study/stores/*/write/tiny/latest")
    here = read_table(staged, "runs")
    there = qkd_study.load("tiny", out=out).runs
    assert len(there) < len(here) < RUNS  # rows that the store did not take

    code, printed, said = finish(tmp_path, out)
    assert code == 0, printed + said
    after = qkd_study.load("tiny", out=out).runs
    assert len(after) == RUNS
    same = after.merge(here[[*KEYS, "where.started_at"]], on=[*KEYS, "where.started_at"])
    assert len(same) == len(here)


def test_a_driver_that_was_suspended_sends_nothing_beside_its_successor(
    server: Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = f"s3://{bucket}/results"
    first = start(tmp_path, out, SLEEPY)
    wait_for(lambda: len(written(server, bucket)) >= 4)
    os.kill(first.pid, signal.SIGSTOP)  # its workers go on, and have rows for it when it wakes
    try:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        (tmp_path / "second").mkdir()
        code, printed, said = finish(tmp_path / "second", out)
        assert code == 0, printed + said
        before = ObjectStore.of(out).stamps()
    finally:
        os.kill(first.pid, signal.SIGCONT)
    printed, said = first.communicate(timeout=100)
    assert first.returncode == 3, printed + said
    assert "took it over" in said
    assert ObjectStore.of(out).stamps() == before
    rows = qkd_study.load("tiny", out=out).runs
    assert len(rows) == RUNS


def refused(cli: Cli, *arguments: str) -> str:
    """The message of a command that fails for its input, soon and in one line."""
    start = time.monotonic()
    done = cli(*arguments)
    assert time.monotonic() - start < 30
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_stores_that_cannot_be_used(bucket: str, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    said = refused(cli, "run", "tiny.py", "--out", "s3://no-such-bucket/x")
    assert "s3://no-such-bucket/x" in said
    assert "Create the bucket first" in said
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        at = f"endpoint_override=127.0.0.1:{silent.getsockname()[1]}&scheme=http"
        said = refused(cli, "run", "tiny.py", "--out", f"s3://{bucket}/x?{at}")
        assert "is it up?" in said
    said = refused(cli, "list", "--out", f"s3://{bucket}/x?secret_key=abcdefgh")
    assert "option 'secret_key'" in said
    assert "abcdefgh" not in said
    assert "but got http://x/y" in refused(cli, "list", "--out", "http://x/y")
    assert "'tiny' is no run" in refused(cli, "status", "tiny", "--out", f"s3://{bucket}/x")


def test_keys_that_are_refused(
    server: Server, bucket: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    people = server.client("iam")
    people.create_user(UserName="reader")
    allowed = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    people.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    key = people.create_access_key(UserName="reader")["AccessKey"]
    server.ask_keys(True)
    try:
        said = refused(cli, "run", "tiny.py", "--out", f"s3://{bucket}/x")
        assert "AWS_ACCESS_KEY_ID" in said
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        assert cli("list", "--out", f"s3://{bucket}/x").returncode == 0
        said = refused(cli, "run", "tiny.py", "--out", f"s3://{bucket}/x")
        assert "cannot be written" in said
        assert "needs to list, read, write and delete" in said
    finally:
        server.ask_keys(False)
