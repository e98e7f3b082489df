"""What `--address` may be; no Ray is needed to read it."""

from __future__ import annotations

from qkd_study.errors import InputError


def is_remote(address: str | None) -> bool:
    """Whether an address is that of Ray's job API, to be used from outside of the cluster."""
    return address is not None and address.startswith(("http://", "https://"))


def checked(address: str) -> str:
    """An address of a cluster that this machine is a node of, as it is.

    Raises:
        InputError: it is neither `auto` nor HOST:PORT.
    """
    host, _, port = address.rpartition(":")
    if address == "auto" or (host and "/" not in host and port.isdecimal()):
        return address
    raise InputError(
        f"--address takes auto or HOST:PORT on a node of the cluster, http://HOST:8265 from "
        f"elsewhere, but got {address!r}."
    )
