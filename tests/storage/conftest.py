"""A server that speaks S3, on loopback."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer


@dataclass
class Server:
    """An S3 server; it keeps what it holds when it is stopped and started again."""

    port: int = 0

    def start(self) -> None:
        """Listen, at the same port as before."""
        self._moto = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._moto.start()
        self.port = self._moto.get_host_and_port()[1]

    def stop(self) -> None:
        """Listen no more."""
        self._moto.stop()

    @property
    def address(self) -> str:
        """As AWS_ENDPOINT_URL has it."""
        return f"http://127.0.0.1:{self.port}"

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


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server; buckets are made by tests."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request buries a failure
    server = Server()
    server.start()
    yield server
    server.stop()


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
