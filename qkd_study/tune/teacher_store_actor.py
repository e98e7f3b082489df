"""Teachers in a cluster without a shared folder: an actor on the driver's node stores them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from qkd_study.common.artifact_store import WAIT_SECONDS, ArtifactStore, FolderArtifactStore
from qkd_study.common.errors import StorageError
from qkd_study.tune.waiting import Waiting

#: Calls at once: every worker of the cluster may wait for a lock.
_CALLS = 10_000


class TeacherStoreActor:
    """A Ray actor that serves a `FolderArtifactStore`, whose locks belong to workers.

    Args:
        folder: on the node of this actor.
        waits: records which workers wait for a lock.
    """

    def __init__(self, folder: Path, waits: Waiting) -> None:
        self._artifacts, self._waits = FolderArtifactStore(folder), waits
        self._holders: dict[str, str] = {}
        self._dead: set[str] = set()
        self._released = asyncio.Condition()

    async def read(self, name: str) -> bytes | None:
        """See `ArtifactStore`."""
        return self._artifacts.read(name)

    async def write(self, name: str, body: bytes, about: Mapping[str, Any]) -> None:
        """See `ArtifactStore`."""
        self._artifacts.write(name, body, about)

    async def acquire(self, name: str, worker: str) -> bool:
        """Wait up to `WAIT_SECONDS` for a lock; returns whether the worker has it.

        Raises:
            StorageError: the worker is registered as dead.
        """

        def free() -> bool:
            return name not in self._holders or worker in self._dead

        async with self._released:
            if not free():
                self._waits.mark(worker)
            try:
                await asyncio.wait_for(self._released.wait_for(free), WAIT_SECONDS)
            except TimeoutError:
                return False
            if worker in self._dead:  # it died while it waited, or was suspended until now
                raise StorageError("teachers cannot be had: this worker was given up")
            self._holders[name] = worker
            return True

    async def release(self, name: str, worker: str) -> None:
        """Release a lock of a worker."""
        async with self._released:
            if self._holders.get(name) == worker:
                del self._holders[name]
                self._released.notify_all()

    async def release_dead(self, worker: str) -> None:
        """Release all locks of a worker that died, and give it no more."""
        async with self._released:
            self._dead.add(worker)
            self._holders = {n: w for n, w in self._holders.items() if w != worker}
            self._released.notify_all()


@dataclass(frozen=True)
class RemoteArtifactStore:
    """A worker's client of a `TeacherStoreActor`.

    Attributes:
        actor: the handle of the actor.
    """

    actor: Any

    def read(self, name: str) -> bytes | None:
        body: bytes | None = _answer(self.actor.read.remote(name))
        return body

    def write(self, name: str, body: bytes, about: Mapping[str, Any]) -> None:
        _answer(self.actor.write.remote(name, body, dict(about)))

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        worker = ray.get_runtime_context().get_actor_id()
        while not _answer(self.actor.acquire.remote(name, worker)):
            waiting()
        try:
            yield
        finally:
            _answer(self.actor.release.remote(name, worker))


def _answer(reply: Any) -> Any:
    try:
        return ray.get(reply)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, StorageError) else error from None
    except RayActorError as error:
        raise StorageError(f"teachers cannot be had from the driver's node: {error}") from None


def open_teacher_store(
    folder: Path, waits: Waiting, *, cluster: bool
) -> tuple[ArtifactStore, Callable[[str], None]]:
    """Open the store of teachers.

    Args:
        folder: on this node.
        waits: in a cluster, the actor records in it which workers wait; otherwise they do.
        cluster: whether there are workers on other nodes.

    Returns:
        The store for workers, and a function to call with the actor id of a worker that died.
    """
    if not cluster:  # the system releases the locks of a process that died
        return FolderArtifactStore(folder), lambda worker: None
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_concurrency": _CALLS, "scheduling_strategy": here}
    actor = ray.remote(TeacherStoreActor).options(**options).remote(folder, waits)
    return RemoteArtifactStore(actor), lambda worker: actor.release_dead.remote(worker)
