"""Leases: the lock of a run in an object store, which has no locks of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qkd_study.common.errors import InputError, StorageError
from qkd_study.results.object_store import ObjectStore

#: Age of a driver's heartbeat in seconds from which another driver may take the run over.
FRESH_SECONDS = 60.0
#: Seconds between renewals of a lease.
HEARTBEAT_SECONDS = 10.0
#: Seconds after writing a lease before its writer checks whether another wrote at the same time.
SETTLE_SECONDS = 1.0
#: Seconds for which a driver writes without checking its lease again. With the time of all attempts
#: to write, this is less than `FRESH_SECONDS`.
TRUST_SECONDS = 20.0
LEASE = ".lease.json"


class _Stopwatch:
    """The seconds since a moment, including those in which the machine was suspended."""

    def __init__(self) -> None:
        self.times = time.monotonic(), time.time()

    def seconds(self) -> float:
        monotonic, clock = self.times
        return max(time.monotonic() - monotonic, time.time() - clock)


@dataclass(frozen=True)
class Lease:
    """An object in a run's folder: owner, place, and whether it was released.

    Its age is measured by the store's clock.

    Attributes:
        store: at the run's folder.
        place: the id of the driver's local copy of the run (`RemoteSync.place`).
        owner: the name of the process, for messages.
    """

    store: ObjectStore
    place: str
    owner: str
    _seen: _Stopwatch = field(default_factory=_Stopwatch, compare=False, repr=False)

    def take(self) -> bool:
        """Take the lease; returns whether the last writer to the run had the same place.

        Raises:
            InputError: another driver has it; the message names it.
        """
        content = self.read()
        last = content.get("place")
        if last not in (None, self.place) and not content.get("released"):
            age = self._age()
            if age < FRESH_SECONDS:
                raise InputError(
                    f"{self.store} is being written by {content.get('owner')}, which was there "
                    f"{max(age, 0):.0f} s ago. Wait for it, or stop it; if it is dead, try again "
                    f"in {FRESH_SECONDS - age:.0f} s."
                )
        self._write(released=False)
        time.sleep(SETTLE_SECONDS)
        self._seen.times = _Stopwatch().times
        content = self.read()
        if content.get("place") != self.place:
            raise InputError(f"{self.store} was just taken by {content.get('owner')}.")
        return last == self.place

    def renew(self) -> None:
        """Renew the heartbeat of this driver.

        Raises:
            StorageError: another took the run over, or the store fails.
        """
        self._write(released=False, before=self._verify)

    def check(self) -> None:
        """Renew the lease if it was last checked more than `TRUST_SECONDS` ago.

        Called before every write: another driver takes over from one that was suspended.
        """
        if self._seen.seconds() > TRUST_SECONDS:
            self.renew()

    def release(self) -> None:
        """Release the lease; it still names the place that wrote last."""
        if self.read().get("place") == self.place:
            self._write(released=True, before=self._verify)

    def _verify(self) -> None:
        checked = None
        while checked is None or checked.seconds() > TRUST_SECONDS:  # suspended while it waited
            checked = _Stopwatch()
            content = self.read()
            if content.get("place") != self.place:
                raise StorageError(
                    f"{self.store} cannot be written any more: {content.get('owner', 'somebody')} "
                    f"took it over"
                )
        self._seen.times = checked.times

    def read(self) -> dict[str, Any]:
        """The content of the lease; empty if there is none."""
        try:
            content = json.loads(self.store.read(LEASE) or b"{}")
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, *, released: bool, before: Callable[[], None] | None = None) -> None:
        content = {"owner": self.owner, "place": self.place, "released": released}
        self.store.write(LEASE, json.dumps(content).encode(), before)

    def _age(self) -> float:
        """Seconds since the lease was written, by the store's times of it and of a new object."""
        now = f".now.{self.place}"
        self.store.write(now, b"")
        fresh, lease = self.store.stamp(now), self.store.stamp(LEASE)
        self.store.delete(now)
        if fresh is None or lease is None:
            return 0.0
        return (fresh.modified - lease.modified) / 1e9


def holder(store: ObjectStore) -> str | None:
    """The owner of the lease of a run in a store, by the clock of this machine."""
    content, stamp = Lease(store, "", "").read(), store.stamp(LEASE)
    if content.get("released", True) or stamp is None:
        return None
    return str(content["owner"]) if time.time() - stamp.modified / 1e9 < FRESH_SECONDS else None
