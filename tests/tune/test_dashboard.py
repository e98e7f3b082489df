"""optuna-dashboard on the storage of a real run."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import Cli


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("optuna_dashboard") is None, reason="optuna-dashboard is not installed"
)
def test_it_shows_every_cell_and_arm(tiny_study: Path, cli: Cli) -> None:
    assert cli("run", tiny_study).returncode == 0
    journal = tiny_study.parent / "results" / "tiny" / "latest" / "optuna.journal"
    before = journal.read_bytes()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-c", "from optuna_dashboard._cli import main; main()"),
            *(str(journal), "--host", "127.0.0.1", "--port", str(port)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                page = _get(f"http://127.0.0.1:{port}/dashboard")
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.5)
        assert b"<title>Optuna Dashboard</title>" in page
        studies = json.loads(_get(f"http://127.0.0.1:{port}/api/studies"))["study_summaries"]
        assert {study["study_name"] for study in studies} == {
            f"samples={samples} {arm}" for samples in (20, 30) for arm in ("scratch", "soft")
        }
        for study in studies:
            shown = json.loads(_get(f"http://127.0.0.1:{port}/api/studies/{study['study_id']}"))
            assert [trial["state"] for trial in shown["trials"]] == ["Complete"] * 2
    finally:
        server.terminate()
        server.wait(30)
    assert journal.read_bytes() == before
