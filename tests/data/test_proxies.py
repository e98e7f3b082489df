"""Downloads where servers are reached through a proxy only, as HTTP_PROXY and HTTPS_PROXY say."""

from __future__ import annotations

import datetime
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import create_connection

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from qkd_study import InputError
from qkd_study.cli.main import main
from qkd_study.data import choose
from qkd_study.data.download import proxy_of, reachable
from qkd_study.data.sources import SOURCES, Source
from tests.conftest import TINY
from tests.data.test_mnist import ARRAYS, idx, mnist

HOST = "files.invalid"  # no look-up finds it: only the proxy knows where it is


class Proxy(http.server.BaseHTTPRequestHandler):
    """Knows one host: answers for it in clear, and leads to `tls_port` for it."""

    folder: Path
    tls_port = 0
    refuses: int | None = None
    seen: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        self.seen.append(f"{self.command} {self.path}")
        if self.refuses or not self.path.startswith(f"http://{HOST}/"):
            self.send_error(self.refuses or 502)
            return
        path = self.folder / self.path.rsplit("/", 1)[1]
        content = path.read_bytes() if path.is_file() else None
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body:
            self.wfile.write(content or b"")

    def do_CONNECT(self) -> None:
        self.seen.append(f"CONNECT {self.path}")
        if self.refuses or self.path != f"{HOST}:443":
            self.send_error(self.refuses or 502)
            return
        with create_connection(("127.0.0.1", self.tls_port)) as there:
            self.send_response(200)
            self.end_headers()

            def back() -> None:
                while block := there.recv(1 << 16):
                    self.connection.sendall(block)

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            while block := self.connection.recv(1 << 16):
                there.sendall(block)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A proxy's address, for what is in `served`."""
    Proxy.folder, Proxy.seen, Proxy.refuses = folders / "served", [], None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        address = f"http://user:secret@127.0.0.1:{httpd.server_port}"
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("HTTPS_PROXY", address)
        yield address
        httpd.shutdown()


@pytest.fixture
def tls(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The host with TLS, where the proxy leads to; its certificate is trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    both = folders / "certificate.pem"
    both.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(both))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folders / "served"))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setattr(Proxy, "tls_port", httpd.server_port)
        yield
        httpd.shutdown()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.usefixtures("tls")
def test_a_dataset_is_downloaded_through_the_proxy(folders: Path, proxy: str, scheme: str) -> None:
    source = replace(
        mnist(folders / "served", [idx(a) for a in ARRAYS]), servers=(f"{scheme}://{HOST}/",)
    )
    assert source.available()
    source.fetch()
    np.testing.assert_array_equal(source.load().pool_raw, ARRAYS[0])
    asked = f"GET http://{HOST}/{source.files[0].name}.gz"
    assert (asked if scheme == "http" else f"CONNECT {HOST}:443") in Proxy.seen


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("refuses", [407, 502, 503, 504])
def test_a_proxy_that_refuses_is_out_of_reach(proxy: str, scheme: str, refuses: int) -> None:
    Proxy.refuses = refuses
    assert not reachable(f"{scheme}://{HOST}/")
    assert len(Proxy.seen) == 1


@pytest.mark.parametrize("bad", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "a:b:c", "%", "//"])
def test_proxies_that_are_none(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", bad)
    assert not reachable(f"http://{HOST}/")


def test_hosts_without_proxy(file_server: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of(file_server) == proxy
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert proxy_of(file_server) is None
    assert reachable(file_server)
    assert Proxy.seen == []


def unavailable(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fashion-mnist be at a host that the proxy does not know."""
    made = replace(mnist(folders / "x", [idx(a) for a in ARRAYS]), servers=("http://no.invalid/",))
    source = Source("", 10, made.available, made.fetch, made.load, made.servers)
    monkeypatch.setattr("qkd_study.data.sources.SOURCES", {**SOURCES, "fashion-mnist": source})


def test_another_dataset_is_not_taken_in_silence(
    folders: Path,
    proxy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    unavailable(folders, monkeypatch)
    port = proxy.rsplit(":", 1)[1]
    why = (
        f"dataset: digits (fashion-mnist is not here and cannot be downloaded now "
        f"through the proxy 127.0.0.1:{port})"
    )
    assert choose(("fashion-mnist", "digits")) == ("digits", why)
    path = tmp_path / "tiny.py"
    path.write_text(TINY.replace('("digits",)', '("fashion-mnist", "digits")'))
    assert main(["plan", str(path), "--no-forecast"]) == 0
    assert why in capsys.readouterr().out
    assert main(["plan", str(path), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["dataset"] == "digits"
    assert said.err == f"{why}\n"


def test_a_failed_download_names_the_proxy_without_its_password(folders: Path, proxy: str) -> None:
    source = replace(
        mnist(folders / "elsewhere", [idx(a) for a in ARRAYS]), servers=(f"http://{HOST}/",)
    )
    assert source.available()  # it answers, but does not have it
    with pytest.raises(InputError, match=r"failed through the proxy 127\.0\.0\.1:\d+: .*404"):
        source.fetch()
