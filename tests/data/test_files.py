"""Fashion-MNIST from files, and downloads from a real server on loopback."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qkd_study import InputError
from qkd_study.data import Subset, choose
from qkd_study.data.download import download, reachable
from qkd_study.data.fashion_mnist import FASHION_MNIST, FILES
from qkd_study.data.idx import parse_idx

CONTENT = bytes(range(256)) * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; `/cut` closes half-way, `/wrong` sends something else."""

    seen: list[str | None]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.seen.append(asked)
        start = int(re.findall(r"\d+", asked)[0]) if asked else 0
        body = b"wrong" if self.path == "/wrong" else CONTENT[start:]
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == "/slow":
            time.sleep(0.5)
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_a_cut_download_goes_on_where_it_stopped(server: str, tmp_path: Path) -> None:
    target = tmp_path / "sub" / "file"
    with pytest.raises(InputError, match="the connection closed after 128000 of 256000 bytes"):
        download([f"{server}/cut"], target, MD5)
    assert not target.exists()
    progress: list[tuple[int, int]] = []
    download([f"{server}/file"], target, MD5, lambda *seen: progress.append(seen))
    assert target.read_bytes() == CONTENT
    assert Handler.seen == [None, "bytes=128000-"]
    assert progress[0][0] > 128000
    assert progress[-1] == (256000, 256000)
    assert [p.name for p in target.parent.glob("[!.]*")] == ["file"]


def test_a_whole_part_needs_only_its_checksum(server: str, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    download([f"{server}/file"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_the_next_server_is_tried(server: str, tmp_path: Path) -> None:
    download([f"{server}/wrong", f"{server}/file"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_wrong_bytes_are_thrown_away(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"sent a file with md5 .*, expected {MD5}"):
        download([f"{server}/wrong"], tmp_path / "file", MD5)
    assert list(tmp_path.glob("[!.]*")) == []


def test_nobody_there_is_found_out_fast(tmp_path: Path) -> None:
    start = time.monotonic()
    assert not reachable("http://127.0.0.1:9/")
    assert not reachable("http://no-such-host.invalid/")
    with pytest.raises(InputError, match="is out of reach"):
        download(["http://127.0.0.1:9/file"], tmp_path / "file", MD5)
    assert time.monotonic() - start < 15


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty data folder and cache, and no way to look up a server."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setenv("QKD_STUDY_DATA", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "create_connection", refuse)
    return tmp_path


def test_the_first_dataset_that_can_be_had(no_network: Path) -> None:
    name, said = choose(("fashion-mnist", "digits"))
    assert name == "digits"
    assert said == "dataset: digits (fashion-mnist is not here and cannot be downloaded now)"
    with pytest.raises(InputError, match=r"no dataset can be had.*QKD_STUDY_DATA"):
        choose(("fashion-mnist", "mnist", "cifar-10"))
    part = Subset("fashion-mnist", (0, 6))
    chosen, said = choose((part, "xor4"))
    assert chosen == "xor4"
    assert "(fashion-mnist:0,6 is not here and cannot be downloaded now)" in said
    with pytest.raises(InputError, match=r"unknown dataset 'mnits'\. Did you mean 'mnist'"):
        choose(("mnits", "digits"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip at all", "is broken: Not a gzipped file"),
        (gzip.compress(b"other bytes"), "its unpacked bytes have sha256"),
        (gzip.compress(b"0" * 1000)[:20], "is broken"),
    ],
)
def test_broken_files_are_named(no_network: Path, content: bytes, message: str) -> None:
    path = no_network / "given" / "fashion-mnist" / "train-labels-idx1-ubyte.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path)) + ".*" + re.escape(message)):
        FASHION_MNIST.read(FILES[1])


def test_missing_files_say_where_they_were_looked_for(no_network: Path) -> None:
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz is in none of .*given"):
        FASHION_MNIST.load()


@pytest.mark.parametrize("packed", [True, False])
def test_real_fashion_mnist(
    fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    if not packed:  # unpacked files, in the folder itself
        for path in (fashion_mnist / "fashion-mnist").glob("*.gz"):
            with gzip.open(path) as source, (tmp_path / path.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
        monkeypatch.setenv("QKD_STUDY_DATA", str(tmp_path))
    dataset = FASHION_MNIST.load()
    assert dataset.pool_raw.shape == (60_000, 28, 28)
    assert dataset.test_raw.shape == (10_000, 28, 28)
    assert set(np.bincount(dataset.pool_labels)) == {6000}
    assert dataset.test_inputs().max() == 1
    assert dataset.digest == "8f54aaf503bc0212a72629990c0e4d87368c8b579f0d293c1f924f1a568b372b"


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"\0\0\x09\1\0\0\0\1x", b"\0\0\x08\1\0\0\0\2x", b"\0\0\x08\3\0\0\0\2"],
)
def test_idx_with_a_wrong_header(content: bytes) -> None:
    with pytest.raises(ValueError, match="it"):
        parse_idx(content)


def test_idx() -> None:
    content = b"\0\0\x08\2\0\0\0\2\0\0\0\3" + bytes(range(6))
    np.testing.assert_array_equal(parse_idx(content), np.arange(6).reshape(2, 3))


def test_two_that_want_a_file_at_once_both_get_it(server: str, tmp_path: Path) -> None:
    target, got = tmp_path / "cache" / "file", []

    def get() -> None:
        got.append(download([f"{server}/slow"], target, MD5))

    both = [threading.Thread(target=get) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert got == [target, target]
    assert target.read_bytes() == CONTENT
    assert Handler.seen == [None]  # it was sent once


@pytest.mark.parametrize("full", [False, True])
def test_a_download_that_the_cache_does_not_take_is_used_all_the_same(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """A cache folder that is a file; and one whose disk, here a limit of a file, is full."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = f"""
import resource, signal, warnings
from qkd_study.data import files
from qkd_study.common.paths import cache_folder, temporary_folder
if {full}:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    real = files.download
    def limited(urls, target, md5, progress):
        most = 100_000 if target.is_relative_to(cache_folder()) else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        return real(urls, target, md5, progress)
    files.download = limited
for _ in range(2):
    found = [f / "file" for f in files.places("made") if (f / "file").exists()]
    if not found:
        files.fetch("made", "file", ["{server}/"], "{MD5}", lambda done, total: None)
(path,) = found
assert path.is_relative_to(temporary_folder()) and path.stat().st_size == {len(CONTENT)}
"""
    if not full:
        cache.write_text("a file")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    (line,) = [line for line in said.stderr.splitlines() if "cannot be used" in line]
    assert ("File too large" if full else "Not a directory") in line
    assert not list(tmp_path.glob("qkd-study-*"))  # removed at the end
