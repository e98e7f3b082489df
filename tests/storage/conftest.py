"""A server that speaks S3, in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest


@dataclass(frozen=True)
class Server:
    """An S3 server on loopback, with a key that may do anything."""

    process: subprocess.Popen[bytes]
    address: str

    def client(self, name: str = "s3") -> Any:
        """boto3's client of a service: not what is tested."""
        keys = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        return boto3.client(name, endpoint_url=self.address, region_name="us-east-1", **keys)

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        """The objects in a bucket."""
        pages = (
            self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def ask_keys(self, asks: bool) -> None:
        """Whether requests need the right key from now on."""
        request = urllib.request.Request(
            f"{self.address}/moto-api/reset-auth",
            data=b"0" if asks else b"inf",
            headers={"Content-Type": "text/plain"},
        )
        urllib.request.urlopen(request).close()

    def freeze(self) -> None:
        """Say nothing any more."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server; buckets are made by tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = shutil.which("moto_server", path=Path(sys.executable).parent)
    assert command is not None
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    process = subprocess.Popen(
        [command, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=env,
    )
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
    yield Server(process, f"http://127.0.0.1:{port}")
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait()


@pytest.fixture
def bucket(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """An empty bucket; this process and its children find it, with copies below `tmp_path`."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "root")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "root")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = f"test-{abs(hash(request.node.name))}"
    server.client().create_bucket(Bucket=name)
    return name
