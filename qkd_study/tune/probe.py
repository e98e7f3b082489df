"""Checks that a Ray cluster answers and that this machine is a node of it.

It runs in a separate process (`python -m qkd_study.tune.probe ADDRESS`): Ray waits for minutes if
nothing answers, and ends the process if it finds no token.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

from qkd_study.common.errors import InputError

#: Time limits for a connection and for the whole probe.
CONNECT_SECONDS, PROBE_SECONDS = 5.0, 20.0

#: Where Ray looks for its token, in this order.
TOKEN_PLACES = "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token"
_TOKEN = (
    f"Ray takes the token from {TOKEN_PLACES}. `ray get-auth-token` prints the cluster's on its "
    f"head node. A cluster without tokens needs RAY_AUTH_MODE=disabled here."
)


def check_listens(host: str, port: int, address: str) -> None:
    """Check that something listens.

    Raises:
        InputError: nothing does, or it cannot be reached within `CONNECT_SECONDS`.
    """
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:  # the latter: a name that no host can have
        text = "no answer" if isinstance(error, TimeoutError) else error
        text = getattr(error, "strerror", None) or text
        raise InputError(
            f"--address {address}: nothing listens at {host}:{port} ({text}). Start the cluster, "
            f"or correct the address: HOST:PORT of its head (6379 by default) on one of its nodes, "
            f"http://HOST:8265 from elsewhere."
        ) from None


def token_error(address: str) -> InputError:
    """The error for a token that the cluster does not accept, or for a missing one."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        if os.environ.get(name):
            return InputError(
                f"--address {address}: the cluster refused the token in {name}. {_TOKEN}"
            )
    return InputError(
        f"--address {address}: the cluster refused the token in ~/.ray/auth_token, or there is "
        f"none. {_TOKEN}"
    )


def probe(address: str) -> str:
    """Return the HOST:PORT of the cluster at an address.

    Args:
        address: `auto`, or HOST:PORT of the head.

    Raises:
        InputError: the address has neither form, there is no cluster, it does not answer in time,
            it refuses the token, or this machine is not one of its nodes.
    """
    _check_form(address)
    command = [sys.executable, "-m", "qkd_study.tune.probe", address]
    env = {**os.environ, "RAY_BACKEND_LOG_LEVEL": "fatal"}
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env=env
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"--address {address}: something listens there, but does not answer like a Ray cluster "
            f"within {PROBE_SECONDS:g} s. Is it the address of the head (not of its dashboard)?"
        ) from None
    try:
        found = json.loads(ran.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        if "token" in ran.stderr.lower():  # Ray ends a process that has no token
            raise token_error(address) from None
        last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"--address {address}: the cluster cannot be reached: {last}") from None
    if "refused" in found:
        raise token_error(address)
    if "error" in found:
        raise InputError(found["error"])
    return str(found["address"])


def _check_form(address: str) -> None:
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and "/" not in host and port.isdecimal()):
        raise InputError(
            f"--address takes auto or HOST:PORT on a node of the cluster, http://HOST:8265 from "
            f"elsewhere, but got {address!r}."
        )


def _find(address: str) -> str:
    from qkd_study.compat.ray import head_address, is_node_of

    there = head_address(address)
    if there is None:
        raise InputError(
            f"--address {address}: no Ray cluster was found on this machine. Start one with `ray "
            f"start --head`, or give its address."
        )
    host, port = there.rsplit(":", 1)
    check_listens(host.strip("[]"), int(port), address)
    if not is_node_of(there, PROBE_SECONDS):
        raise InputError(
            f"--address {address}: this machine is not a node of that cluster. Run the command on "
            f"one of its nodes, or submit it with --address http://HOST:8265."
        )
    return there


def _main(address: str) -> dict[str, str]:
    from ray.exceptions import AuthenticationError

    try:
        return {"address": _find(address)}
    except AuthenticationError:
        return {"refused": address}
    except InputError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    print(json.dumps(_main(sys.argv[1])))
