"""Submits a command as a job to a Ray cluster, from a machine outside of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from qkd_study.common.errors import InputError
from qkd_study.tune.probe import check_listens, token_error

#: How long to wait for an answer of the job server.
ANSWER_SECONDS = 15.0
#: How long a job may take to finish its runs after it was asked to stop.
STOP_SECONDS = 60
#: How long the job server may be unreachable before the command ends with an error.
LOST_SECONDS = 60.0
#: The shell's exit code for a missing command.
_NO_COMMAND = 127


def is_remote(address: str | None) -> bool:
    """Whether an address is that of Ray's job API, for use from outside of the cluster."""
    return address is not None and address.startswith(("http://", "https://"))


def submit(address: str, study: Path, arguments: Sequence[str], out: str) -> int | None:
    """Run `qkd-study run` as a job on a cluster, and print its output.

    SIGINT and SIGTERM stop the job: it finishes its runs in progress.

    Args:
        address: of the job API, http://HOST:8265.
        study: the only file that is uploaded.
        arguments: of `run`, without study, `--address` and `--out`.
        out: the results folder, as the cluster sees it.

    Returns:
        The exit code of the command there; `None` if the job was stopped.

    Raises:
        InputError: at once: `out` is not shared with the cluster, nothing answers, or the token is
            refused; later: the cluster has no qkd-study, or is unreachable.
    """
    if "://" not in out and not PurePosixPath(out).is_absolute():
        raise InputError(
            f"--address {address} runs the study elsewhere, where --out {out} would be lost. "
            f"Give a folder that both see, as --out /shared/results or --out s3://BUCKET/FOLDER."
        )
    logging.disable(logging.WARNING)  # Ray's client logs every step
    client = _client(address)
    command = ["python", "-m", "qkd_study", "run", study.name, *arguments]
    command += ["--address", "auto", "--out", out]
    with tempfile.TemporaryDirectory(prefix="qkd-study-") as folder:
        shutil.copy(study, folder)
        job = _accepted(client, shlex.join(command), folder, address)
    print(f"job {job} on {address}: {shlex.join(command)}", flush=True)
    printed = asyncio.run(_follow(client, job, address))
    details = client.get_job_info(job)
    code: int | None = details.driver_exit_code
    if "No module named qkd_study" in printed or code == _NO_COMMAND:
        raise InputError(
            f"--address {address}: the head node of the cluster has no qkd-study. Install "
            f"qkd-study[cluster] of this version on every node, and start the cluster in that "
            f"environment."
        )
    status = str(getattr(details.status, "value", details.status))
    if code is None and status != "STOPPED":
        raise InputError(f"--address {address}: job {job} failed: {details.message}")
    if "://" not in out and code is not None and not Path(out).is_dir():
        print(f"Results are in {out} of the cluster, which cannot be seen from here.")
    return code


def _client(address: str) -> Any:
    try:
        import requests
        from ray.exceptions import AuthenticationError
        from ray.job_submission import JobSubmissionClient

        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not parts.hostname:
            raise ValueError
    except ImportError:
        raise InputError(
            f"--address {address} needs the extra: pip install 'qkd-study[cluster]'."
        ) from None
    except ValueError:
        raise InputError(
            f"--address of the job API is http://HOST:8265, but got {address}."
        ) from None
    check_listens(parts.hostname, port, address)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        os.environ.pop(name, None)  # Ray would prefer them to the address that was given
    try:
        # Ray's client waits without limit where something listens and does not answer.
        requests.get(f"{address.rstrip('/')}/api/version", timeout=ANSWER_SECONDS)
        client = JobSubmissionClient(address)
        client.list_jobs()
    except AuthenticationError:
        raise token_error(address) from None
    except (requests.RequestException, RuntimeError, ConnectionError, ValueError) as error:
        message = " ".join(str(error).split())[:300]
        raise InputError(
            f"--address {address}: what listens there does not answer like Ray's job API, which is "
            f"part of its dashboard, at http://HOST:8265 by default: {message}"
        ) from None
    return client


def _accepted(client: Any, command: str, folder: str, address: str) -> str:
    """Submit a command; retry while the agent that starts jobs is itself starting."""
    environment = {
        "working_dir": folder,
        "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)},
    }
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            job: str = client.submit_job(entrypoint=command, runtime_env=environment)
            return job
        except RuntimeError as error:
            if time.monotonic() > end:
                raise InputError(
                    f"--address {address}: the cluster takes no job: "
                    f"{' '.join(str(error).split())[:300]} See ray status, or try again."
                ) from None
        time.sleep(1)


async def _call_with_timeout(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a daemon thread and return its result.

    Raises:
        TimeoutError: it has not returned within `ANSWER_SECONDS`.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def deliver(setter: Callable[[Any], None], value: Any) -> None:
        def in_loop() -> None:
            if not answer.done():
                setter(value)

        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(in_loop)

    def run() -> None:
        try:
            deliver(answer.set_result, call(*arguments))
        except Exception as error:
            deliver(answer.set_exception, error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wait_for(answer, ANSWER_SECONDS)


async def _follow(client: Any, job: str, address: str) -> str:
    """Print the log of a job until it ends; returns the log."""
    printed = ""
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        print(
            f"Stopping: the job finishes its runs, for at most {STOP_SECONDS} s.", file=sys.stderr
        )
        threading.Thread(target=client.stop_job, args=(job,), daemon=True).start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    last_contact = time.monotonic()
    while True:
        seen = 0
        try:
            pieces = client.tail_job_logs(job)
            with contextlib.suppress(StopAsyncIteration, TimeoutError):
                while True:  # with a timeout: a cut connection would block for ever
                    piece = await asyncio.wait_for(anext(pieces), ANSWER_SECONDS)
                    fresh = piece[max(len(printed) - seen, 0) :]  # a tail begins at the first line
                    seen += len(piece)
                    printed += fresh
                    print(fresh, end="", flush=True)
                    last_contact = time.monotonic()
            status = await _call_with_timeout(client.get_job_status, job)
            if status.is_terminal():
                return printed
            last_contact = time.monotonic()
        except Exception as error:
            if time.monotonic() - last_contact > LOST_SECONDS:
                raise InputError(
                    f"--address {address}: the cluster is out of reach for {LOST_SECONDS:g} s "
                    f"({error}). Job {job} may go on: ray job status {job} --address {address}"
                ) from None
        await asyncio.sleep(1)
