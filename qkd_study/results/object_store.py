"""An object store: reads and writes objects below one address, with readable errors."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pyarrow import ArrowException, fs

from qkd_study.common.errors import InputError, StorageError

#: Seconds for which a failed request is repeated.
RETRY_SECONDS = 20.0
_PAUSE_SECONDS = 1.0
#: Time limits of a connection and of the first byte of an answer; each is tried twice.
_CONNECT_SECONDS, _ANSWER_SECONDS = 3.0, 5.0
_GCS_SECONDS = 10
_S3_OPTIONS = ("endpoint_override", "region", "scheme")
#: Errors that are not retried.
_FINAL = (
    "NO_SUCH_BUCKET",
    "ACCESS_DENIED",
    "ACCESS_KEY",
    "SIGNATURE",
    "TOKEN",
    "PERMISSION_DENIED",
)

_KEYS = (
    "Keys are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials or the "
    "machine's role, for gs from GOOGLE_APPLICATION_CREDENTIALS; they need the right to list, "
    "read, write and delete there."
)

_T = TypeVar("_T")


def is_address(where: str) -> bool:
    """Whether this is the address of an object store, not a folder."""
    return "://" in where


@dataclass(frozen=True)
class Stamp:
    """Size of an object in bytes, and its time in nanoseconds since 1970 by the store's clock."""

    size: int
    modified: int


@dataclass(frozen=True)
class ObjectStore:
    """Objects below an address.

    Attributes:
        scheme, path: of the address: s3 or gs; bucket/prefix.
        query: the options of the address, as given.
    """

    scheme: str
    path: str
    query: str = ""

    @classmethod
    def of(cls, address: str) -> ObjectStore:
        """Open a store and check that it answers.

        Raises:
            InputError: within 30 s: the address is not valid, or the store is unreachable, has no
                such bucket or refuses access.
        """
        store = cls.parsed(address)
        try:
            store._list("", recursive=False)
        except (OSError, ArrowException) as error:
            raise InputError(f"{address}: {_message(error)}. {_advice(error)}") from None
        return store

    @classmethod
    def parsed(cls, address: str) -> ObjectStore:
        """The store of an address, without a request.

        Raises:
            InputError: the address is not valid.
        """
        try:
            parts = urlsplit(address)
        except ValueError:  # brackets without an IPv6 address
            parts = urlsplit("")
        path = (parts.netloc + parts.path).rstrip("/")
        secret = parts.scheme == "s3" and "@" in parts.netloc
        if parts.scheme not in ("s3", "gs") or not parts.netloc or secret or "//" in path:
            raise InputError(
                f"Results are in a folder, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER, but got "
                f"{address}."
            )
        return cls(parts.scheme, path, parts.query)

    @property
    def identity(self) -> str:
        """A text that two stores have in common only if they hold the same objects."""
        return f"{self} {_endpoint()}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}" + (f"?{self.query}" if self.query else "")

    def at(self, *names: str) -> ObjectStore:
        """The store below a name."""
        return replace(self, path="/".join((self.path, *names)))

    def up(self, levels: int) -> tuple[ObjectStore, tuple[str, ...]]:
        """The store some levels up, and the names of those levels.

        Raises:
            InputError: there are not that many levels.
        """
        pieces = self.path.split("/")
        if len(pieces) <= levels:
            raise InputError(f"{self} is no run. A run is at {self.scheme}://BUCKET/.../STUDY/RUN.")
        return replace(self, path="/".join(pieces[:-levels])), tuple(pieces[-levels:])

    @cached_property
    def _files(self) -> Any:
        if self.scheme == "gs":
            query = f"retry_limit_seconds={_GCS_SECONDS}" + (f"&{self.query}" if self.query else "")
            return fs.FileSystem.from_uri(f"gs://{self.path}?{query}")[0]
        given = dict(parse_qsl(self.query))
        if unknown := sorted(given.keys() - set(_S3_OPTIONS)):
            raise InputError(
                f"s3://{self.path} has an option {unknown[0]!r}; there are "
                f"{', '.join(_S3_OPTIONS)}. {_KEYS}"
            )
        scheme, _, host = _endpoint().rpartition("://")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return fs.S3FileSystem(
            endpoint_override=given.get("endpoint_override", host) or None,
            scheme=given.get("scheme", scheme) or None,
            region=given.get("region", region),
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_ANSWER_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
            allow_delayed_open=True,  # one request for a small file
        )

    def _list(self, below: str, *, recursive: bool) -> list[Any]:
        path = f"{self.path}/{below}".rstrip("/")
        try:
            found: list[Any] = self._files.get_file_info(fs.FileSelector(path, recursive=recursive))
        except FileNotFoundError:
            return []
        return found

    def folders(self, below: str = "") -> list[str]:
        """The folders directly below a name."""
        found = self._retried(f"{self} cannot be read", lambda: self._list(below, recursive=False))
        return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

    def stamps(self, below: str = "") -> dict[str, Stamp]:
        """All objects below a name, by their names relative to the store's address."""
        found = self._retried(f"{self} cannot be read", lambda: self._list(below, recursive=True))
        return {
            info.path[len(self.path) + 1 :]: Stamp(info.size, info.mtime_ns)
            for info in found
            if info.type == fs.FileType.File
        }

    def stamp(self, name: str) -> Stamp | None:
        """Size and time of an object; `None` if there is none."""
        path = f"{self.path}/{name}"
        info = self._retried(f"{self} cannot be read", lambda: self._files.get_file_info(path))
        return Stamp(info.size, info.mtime_ns) if info.type == fs.FileType.File else None

    def read(self, name: str) -> bytes | None:
        """The content of an object; `None` if there is none."""

        def get() -> bytes | None:
            try:
                with self._files.open_input_stream(f"{self.path}/{name}") as stream:
                    content: bytes = stream.read()
                    return content
            except FileNotFoundError:
                return None

        return self._retried(f"{self.at(name)} cannot be read", get)

    def write(self, name: str, content: bytes, before: Callable[[], None] | None = None) -> None:
        """Create or replace an object, atomically.

        Args:
            name, content: of the object.
            before: called before each attempt; if it raises, the write is given up.
        """

        def put() -> None:
            if before is not None:
                before()
            with self._files.open_output_stream(f"{self.path}/{name}") as stream:
                stream.write(content)

        self._retried(f"{self.at(name)} cannot be written", put)

    def delete(self, name: str, before: Callable[[], None] | None = None) -> None:
        """Remove an object, if there is one; `before` as for `write`."""

        def remove() -> None:
            if before is not None:
                before()
            try:
                self._files.delete_file(f"{self.path}/{name}")
            except FileNotFoundError:
                return

        self._retried(f"{self.at(name)} cannot be deleted", remove)

    def _retried(self, failed: str, attempt: Callable[[], _T]) -> _T:
        """The result of an attempt, repeated for up to `RETRY_SECONDS`.

        Raises:
            StorageError: no attempt succeeded.
        """
        start = time.monotonic()
        while True:
            try:
                return attempt()
            except (OSError, ArrowException) as error:
                final = any(word in str(error) for word in _FINAL)
                if final or time.monotonic() - start > RETRY_SECONDS:
                    raise StorageError(f"{failed}: {_message(error)}") from None
            time.sleep(_PAUSE_SECONDS)


def _endpoint() -> str:
    """The S3 endpoint that the environment sets; empty: AWS."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")


def _message(error: Exception) -> str:
    """The message of an error, without request ids."""
    text = " ".join(str(error).split())
    text = re.sub(r"^When .*?: AWS Error ", "", text)
    text = re.sub(r" \(Request ID: [^)]*\)", "", text)
    return text[:300].rstrip(".")


def _advice(error: Exception) -> str:
    text = str(error)
    if "NO_SUCH_BUCKET" in text or "NOT_FOUND" in text:
        return "Create the bucket first, or correct its name."
    if any(word in text for word in _FINAL):
        return _KEYS
    return "Is the address right (AWS_ENDPOINT_URL, for a store that is not AWS), and is it up?"
