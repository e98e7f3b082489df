"""Ray nodes as processes of this machine, each with an address of its own on loopback."""

from __future__ import annotations

import ctypes
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

import qkd_study

#: A node that does not answer is dead after about 5 s instead of a minute.
HEALTH = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1500",
    "RAY_health_check_failure_threshold": "3",
}
_PDEATHSIG, _SUBREAPER = 1, 36
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _keep() -> None:
    """In a child before it starts: orphans below it become its own, and it ends with pytest."""
    assert _prctl is not None
    _prctl(_SUBREAPER, 1)
    _prctl(_PDEATHSIG, signal.SIGTERM)


class Node:
    """A running node; all its processes are below one."""

    def __init__(self, process: psutil.Popen, host: str) -> None:
        self._process, self.host = process, host

    def processes(self) -> list[psutil.Process]:
        """All of them, the first one last."""
        with suppress(psutil.NoSuchProcess):
            return [*self._process.children(recursive=True), self._process]
        return []

    def workers(self) -> set[int]:
        """The processes that run trials."""
        found = set()
        for process in self.processes():
            with suppress(psutil.Error):
                title = " ".join(process.cmdline())
                if "TrialRunner" in title or "ResourceTrainable" in title:  # while it works
                    found.add(process.pid)
        return found

    def freeze(self) -> None:
        """Stop all processes, as a machine that hangs."""
        for process in reversed(self.processes()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Kill all processes, with no chance to say goodbye, and see that none is left."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            below = self.processes()[:-1]
            for process in below:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            if not [p for p in below if _lives(p)]:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"processes of node {self.host} are left: {below}")
        with suppress(psutil.NoSuchProcess):
            self._process.kill()
        self._process.wait()


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


class RayCluster:
    """A head and more nodes, with a token.

    Args:
        python: of the nodes; the tests' own unless told.
        cpus: of each node.
        env: more of the environment of its nodes.

    Attributes:
        address: of the head, HOST:PORT.
        dashboard: of the job API, http://HOST:PORT.
        env: what a driver needs to be let in.
    """

    def __init__(
        self, python: str = sys.executable, env: dict[str, str] | None = None, cpus: int = 1
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qr-"))
        token = self.folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        # Addresses of its own: nodes of other tests at this time may listen to the same ports.
        self._net = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
        self._count = 1
        self._python, self._more, self._cpus = python, env or {}, cpus
        self.nodes: list[Node] = []
        own = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        self.env = own | {"RAY_TMPDIR": os.environ["RAY_TMPDIR"]}
        self.env |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
        }
        ports = _free_ports(3)
        host = self._host()
        self.address = f"{host}:{ports[0]}"
        self.dashboard = f"http://{host}:{ports[1]}"
        self.head = self._start(
            host,
            "--head",
            f"--port={ports[0]}",
            f"--dashboard-host={host}",
            f"--dashboard-port={ports[1]}",
            f"--ray-client-server-port={ports[2]}",
        )

    def add(self, env: dict[str, str] | None = None, python: str | None = None) -> Node:
        """Start one more node, and wait until it is there."""
        return self._start(self._host(), f"--address={self.address}", env=env, python=python)

    def kill(self, node: Node) -> None:
        """Kill a node for good."""
        node.kill()
        if node in self.nodes:
            self.nodes.remove(node)

    def close(self) -> None:
        """Kill all nodes, and delete all of their files."""
        for node in reversed(self.nodes):
            with suppress(AssertionError):  # the others first
                node.kill()
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _host(self) -> str:
        self._count += 1
        return f"{self._net}.{self._count}"

    def _start(
        self,
        host: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        python: str | None = None,
    ) -> Node:
        folder = self.folder / host.rsplit(".", 1)[1]
        log = self.folder / f"{folder.name}.log"
        with log.open("w") as out:
            process = psutil.Popen(
                [
                    python or self._python,
                    "-m",
                    "ray.scripts.scripts",
                    "start",
                    "--block",
                    f"--node-ip-address={host}",
                    f"--num-cpus={self._cpus}",
                    "--object-store-memory=100000000",
                    f"--temp-dir={folder}",
                    # By default one number for all, on every address of this machine.
                    f"--dashboard-agent-listen-port={_free_ports(1)[0]}",
                    *arguments,
                ],
                env={**self.env, **HEALTH, **self._more, **(env or {})},
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_keep,
            )
        node = Node(process, host)
        self.nodes.append(node)
        deadline = time.monotonic() + 60
        while "Ray runtime started" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"node {host} did not start: {log.read_text()}")
            time.sleep(0.1)
        return node


def other_version(folder: Path) -> dict[str, str]:
    """The environment of a node whose qkd-study says 9.9.9."""
    copy = folder / "other" / "qkd_study"
    shutil.copytree(Path(qkd_study.__file__).parent, copy)
    init = copy / "__init__.py"
    init.write_text(re.sub('__version__ = ".*"', '__version__ = "9.9.9"', init.read_text()))
    return {"PYTHONPATH": str(copy.parent)}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
