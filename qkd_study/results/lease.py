"""Who drives a run whose folder is in an object store, which has no locks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qkd_study.common.errors import InputError, StorageError
from qkd_study.results.object_store import ObjectStore

#: How old the heartbeat of a driver may be before another may take its run over.
FRESH_SECONDS = 60.0
#: How often a driver renews its lease.
HEARTBEAT_SECONDS = 10.0
#: How long after writing a lease its writer looks whether another wrote at the same moment.
SETTLE_SECONDS = 1.0
#: How long after a driver saw that it has the lease it writes without looking again. With the time
#: that a write is tried for, it stays below `FRESH_SECONDS`.
TRUST_SECONDS = 20.0
LEASE = ".lease.json"


class _Moment:
    """A moment that may move, and the seconds since, those included in which the machine slept."""

    def __init__(self) -> None:
        self.times = time.monotonic(), time.time()

    def seconds(self) -> float:
        monotonic, clock = self.times
        return max(time.monotonic() - monotonic, time.time() - clock)


@dataclass(frozen=True)
class Lease:
    """An object in a run's folder: owner, place, and whether it was given back.

    Its age is the store's, by the store's clock.

    Attributes:
        store: at the run's folder.
        place: of the driver's own copy of the run, the same in the next process that has it.
        owner: in words.
    """

    store: ObjectStore
    place: str
    owner: str
    _seen: _Moment = field(default_factory=_Moment, compare=False, repr=False)

    def take(self) -> bool:
        """Take the lease; returns whether this place was the last to write to the run.

        Raises:
            InputError: another driver has it; the message names it.
        """
        said = self.said()
        last = said.get("place")
        if last not in (None, self.place) and not said.get("released"):
            age = self._age()
            if age < FRESH_SECONDS:
                raise InputError(
                    f"{self.store} is being written by {said.get('owner')}, which was there "
                    f"{max(age, 0):.0f} s ago. Wait for it, or stop it; if it is dead, try again "
                    f"in {FRESH_SECONDS - age:.0f} s."
                )
        self._write(released=False)
        time.sleep(SETTLE_SECONDS)
        self._seen.times = _Moment().times
        said = self.said()
        if said.get("place") != self.place:
            raise InputError(f"{self.store} was just taken by {said.get('owner')}.")
        return last == self.place

    def renew(self) -> None:
        """Say that this driver lives.

        Raises:
            StorageError: another took the run over, or the store fails.
        """
        self._write(released=False, before=self._look)

    def check(self) -> None:
        """As `renew`, where it is so long ago that another may have taken the run over.

        A driver that was suspended calls it before it sends anything.
        """
        if self._seen.seconds() > TRUST_SECONDS:
            self.renew()

    def release(self) -> None:
        """Give it back; it goes on to say which place wrote last."""
        if self.said().get("place") == self.place:
            self._write(released=True, before=self._look)

    def _look(self) -> None:
        asked = None
        while asked is None or asked.seconds() > TRUST_SECONDS:  # suspended before the answer
            asked = _Moment()
            said = self.said()
            if said.get("place") != self.place:
                raise StorageError(
                    f"{self.store} cannot be written any more: {said.get('owner', 'somebody')} "
                    f"took it over"
                )
        self._seen.times = asked.times

    def said(self) -> dict[str, Any]:
        """What the object says; nothing if there is none."""
        try:
            said = json.loads(self.store.read(LEASE) or b"{}")
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}

    def _write(self, *, released: bool, before: Callable[[], None] | None = None) -> None:
        said = {"owner": self.owner, "place": self.place, "released": released}
        self.store.write(LEASE, json.dumps(said).encode(), before)

    def _age(self) -> float:
        """Seconds since the lease was written: the store's times of it and of a fresh object."""
        now = f".now.{self.place}"
        self.store.write(now, b"")
        fresh, lease = self.store.stamp(now), self.store.stamp(LEASE)
        self.store.delete(now)
        if fresh is None or lease is None:
            return 0.0
        return (fresh.modified - lease.modified) / 1e9


def holder(store: ObjectStore) -> str | None:
    """Who has the lease of the run in a store, as far as a reader's clock can tell."""
    said, stamp = Lease(store, "", "").said(), store.stamp(LEASE)
    if said.get("released", True) or stamp is None:
        return None
    return str(said["owner"]) if time.time() - stamp.modified / 1e9 < FRESH_SECONDS else None
