"""Downloads a file: resumes interrupted downloads, and checks the file before it is renamed."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from qkd_study.common.errors import InputError, StorageError
from qkd_study.common.progress import Progress, no_progress

#: Seconds after which a server that does not answer is regarded as unreachable.
CONNECT_SECONDS = 2.0
#: The same behind a proxy, which has to connect to the server.
PROXY_SECONDS = 8.0
#: Seconds without a byte after which a download ends; it can be resumed.
READ_SECONDS = 20.0
_BLOCK = 1 << 16
#: The status codes of a proxy that cannot or will not connect to the server.
_OF_PROXIES = (407, 502, 503, 504)


def proxy_of(url: str) -> str | None:
    """The proxy of an address, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in capitals or not."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    return None if proxy is None or urllib.request.proxy_bypass(parts.netloc) else proxy


def through(*urls: str) -> str:
    """The first proxy of some addresses as text, without password; empty if there is none."""
    proxy = next(filter(None, map(proxy_of, urls)), None)
    return f" through the proxy {proxy.rpartition('@')[2]}" if proxy else ""


def reachable(*urls: str) -> bool:
    """Whether the server of any of `urls` answers; all are tried at once.

    Without a proxy it must accept a connection within `CONNECT_SECONDS`, name look-up included;
    through a proxy, it must answer a request within `PROXY_SECONDS`.
    """
    answered = threading.Event()
    seconds = PROXY_SECONDS if any(map(proxy_of, urls)) else CONNECT_SECONDS

    def connect(url: str) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            if proxy_of(url):
                _ask(url)
            else:
                parts = urllib.parse.urlsplit(url)
                port = parts.port or (443 if parts.scheme == "https" else 80)
                connection = socket.create_connection(
                    (parts.hostname or "", port), timeout=CONNECT_SECONDS
                )
                connection.close()
            answered.set()

    # In threads, because a name look-up has no time limit.
    threads = [threading.Thread(target=connect, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    while not answered.is_set() and any(thread.is_alive() for thread in threads):
        if time.monotonic() > deadline:
            break
        answered.wait(0.01)
    return answered.is_set()


def _open(request: urllib.request.Request, seconds: float) -> Any:
    """As `urlopen`, which would always use the proxies of its first call in this process."""
    return urllib.request.build_opener().open(request, timeout=seconds)


def _ask(url: str) -> None:
    """Send a request through the proxy; raises an `OSError` if the proxy refuses."""
    request = urllib.request.Request(url, headers={"User-Agent": "qkd-study"}, method="HEAD")
    try:
        _open(request, PROXY_SECONDS).close()
    except urllib.error.HTTPError as error:
        if error.code in _OF_PROXIES:
            raise


def download(urls: Sequence[str], target: Path, md5: str, progress: Progress = no_progress) -> Path:
    """Download `target` from the first of `urls` that answers; resumes a partial download.

    Args:
        urls: the same file at several servers, http or https.
        target: written when the checksum is right.
        md5: the published checksum of the file.
        progress: called with the bytes done and the total.

    Raises:
        InputError: no server could be reached, or what they sent has another checksum.
        StorageError: `target` cannot be written; the `OSError` is its cause.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):  # of other processes
            if target.exists() and md5_of(target) == md5:
                return target
            return _downloaded(urls, target, md5, progress)
    except OSError as error:
        raise StorageError.of(target.parent, error) from error


def _downloaded(urls: Sequence[str], target: Path, md5: str, progress: Progress) -> Path:
    part = target.with_name(target.name + ".part")
    problems = []
    for url in urls:
        if not reachable(url):
            problems.append(f"{url} is out of reach{through(url)}")
            continue
        try:
            _fetch(url, part, progress)
        except (OSError, ValueError, http.client.HTTPException) as error:
            problems.append(f"{url} failed{through(url)}: {error}")
            continue
        found = md5_of(part)
        if found == md5:
            os.replace(part, target)
            return target
        part.unlink()
        problems.append(f"{url} sent a file with md5 {found}, expected {md5}")
    raise InputError(f"{target.name} could not be downloaded: {'; '.join(problems)}.")


def _write(part: Path, mode: Literal["wb", "ab"], block: bytes = b"") -> None:
    """Write a block; a full disk raises another error than a closed connection."""
    try:
        with part.open(mode) as out:
            out.write(block)
    except OSError as error:
        raise StorageError.of(part.parent, error) from error


def md5_of(path: Path) -> str:
    """The MD5 of a file, read in pieces: published checksums of old datasets are MD5."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return found.hexdigest()


def _fetch(url: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "qkd-study"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        reply = _open(request, READ_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: the partial file is complete
            raise
        return
    with reply:
        resumed = have > 0 and reply.status == 206
        total = int(reply.headers.get("Content-Length") or 0) + (have if resumed else 0)
        done = have if resumed else 0
        _write(part, "ab" if resumed else "wb")
        while block := reply.read(_BLOCK):
            _write(part, "ab", block)
            done += len(block)
            progress(done, total)
        if total and done < total:
            raise OSError(
                f"the connection closed after {done} of {total} bytes; try again to go on"
            )
