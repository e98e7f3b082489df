"""What tests of files share: folders of their own, and a server on loopback."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with `given` (QKD_STUDY_DATA), `cache` and `served`, all empty."""
    monkeypatch.setenv("QKD_STUDY_DATA", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("given", "cache", "served"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def file_server(folders: Path) -> Iterator[str]:
    """The address at which the files in `served` are."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    serve = functools.partial(Handler, directory=str(folders / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
