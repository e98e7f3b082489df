"""Teachers and data in a cluster: real Ray workers that share no folder."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import qkd_study.data as datasets
from qkd_study.common.artifact_store import ArtifactStore
from qkd_study.common.errors import StorageError
from qkd_study.study.study import Study
from qkd_study.tune.environment import prepare_driver
from qkd_study.tune.waiting import Waiting

pytestmark = pytest.mark.slow

STUDY = Study(
    question="Who trains the teacher?",
    datasets=("digits",),
    fixed={"epochs": 2, "teacher_epochs": 20, "validation_samples": 50, "samples": 50},
    arms=("scratch", "soft"),
)
Pair = tuple[ArtifactStore, Callable[[str], None]]


@pytest.fixture(scope="module")
def ray_() -> Iterator[Any]:
    # Ray may have been imported by an earlier test, and has then read that there are no tokens.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        prepare_driver()
        import ray

        ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.fixture
def kept(ray_: Any, tmp_path: Path) -> Pair:
    from qkd_study.tune.teacher_store_actor import open_teacher_store

    return open_teacher_store(tmp_path / "teachers", Waiting(tmp_path), cluster=True)


def worker(ray: Any, artifacts: ArtifactStore) -> Any:
    """A worker that takes and leaves locks as it is told, and trains teachers."""

    class Worker:
        def __init__(self, artifacts: ArtifactStore) -> None:
            self.artifacts = artifacts
            self.held: dict[str, AbstractContextManager[None]] = {}

        def who(self) -> tuple[str, int]:
            return ray.get_runtime_context().get_actor_id(), os.getpid()

        def take(self, name: str) -> float:
            self.held[name] = self.artifacts.lock(name)
            self.held[name].__enter__()
            return time.time()

        def leave(self, name: str) -> None:
            self.held.pop(name).__exit__(None, None, None)

        def write(self) -> str:
            """What the error says that this worker gets."""
            try:
                self.artifacts.write("x", b"1", {})
            except StorageError as error:
                return str(error)
            return "written"

        def teacher(self) -> tuple[float, list[list[float]], float]:
            from qkd_study.distill import TeacherSpec, TeacherStore

            store = TeacherStore(self.artifacts)
            arm = STUDY.arm("soft")
            (cell,) = STUDY.cells()
            config = STUDY.config(cell, arm, {}, "digits")
            order = TeacherSpec.of(STUDY.setting, arm, config, datasets.load("digits"), 0)
            return store.seconds, store.get(order).train.logits.tolist(), store.seconds

    return ray.remote(Worker).remote(artifacts)


def test_a_lock_is_for_one_and_a_dead_worker_leaves_it(
    ray_: Any, kept: Pair, tmp_path: Path
) -> None:
    artifacts, release_dead = kept
    first, second, third = (worker(ray_, artifacts) for _ in range(3))
    (first_id, process), (second_id, _), _ = ray_.get(
        [w.who.remote() for w in (first, second, third)]
    )
    ray_.get(first.take.remote("a"))
    ray_.get(second.take.remote("b"))  # another name
    waiting = second.take.remote("a")
    assert not ray_.wait([waiting], timeout=1)[0]
    waits = Waiting(tmp_path)
    assert (waits.waited_recently(first_id), waits.waited_recently(second_id)) == (False, True)
    left = time.time()
    ray_.get(first.leave.remote("a"))
    assert ray_.get(waiting, timeout=10) >= left

    # The one that holds it dies, and so does one that waits: the third gets it.
    waiting = first.take.remote("a")
    late = third.take.remote("a")
    time.sleep(1)
    os.kill(process, signal.SIGKILL)
    release_dead(first_id)
    with pytest.raises(ray_.exceptions.RayActorError):
        ray_.get(waiting, timeout=20)
    assert not ray_.wait([late], timeout=1)[0]  # the second still has it
    ray_.kill(second)
    release_dead(second_id)
    ray_.get(late, timeout=10)


def test_a_teacher_is_trained_by_one_worker(ray_: Any, kept: Pair, tmp_path: Path) -> None:
    workers = [worker(ray_, kept[0]) for _ in range(3)]
    found = ray_.get([w.teacher.remote() for w in workers], timeout=120)
    assert sum(seconds > 0 for _, _, seconds in found) == 1
    assert found[0][1] == found[1][1] == found[2][1]
    kinds = sorted(path.suffix for path in (tmp_path / "teachers").iterdir())
    assert kinds == [".json", ".safetensors"]  # written by the actor, without locks of files


def test_a_folder_that_fails_is_said_in_the_worker(ray_: Any, tmp_path: Path) -> None:
    from qkd_study.tune.teacher_store_actor import open_teacher_store

    (tmp_path / "file").write_text("")
    artifacts, _ = open_teacher_store(tmp_path / "file", Waiting(tmp_path), cluster=True)
    said = ray_.get(worker(ray_, artifacts).write.remote())
    assert said == f"{tmp_path}/file/x.safetensors cannot be written: File exists"


def test_all_workers_of_a_node_read_one_copy_of_the_data(ray_: Any, tmp_path: Path) -> None:
    from ray import tune

    from qkd_study.common.artifact_store import FolderArtifactStore
    from qkd_study.tune.worker import TrialRunner

    class Probe(TrialRunner):
        def memory(self) -> list[tuple[bool, str]]:
            """Of each array: whether it is the worker's own, and the file it lies in."""
            spans = []
            for line in Path("/proc/self/maps").read_text().splitlines():
                span, _, _, _, _, *path = line.split(maxsplit=5)
                low, high = (int(end, 16) for end in span.split("-"))
                spans.append((low, high, path[0] if path else ""))
            found = []
            for array in (self._dataset.parts[0].pool_raw, self._dataset.parts[0].test_raw):
                at = array.__array_interface__["data"][0]
                name = next(name for low, high, name in spans if low <= at < high)
                found.append((array.flags.writeable, name))
            return found

    given = tune.with_parameters(
        Probe,
        study=STUDY,
        dataset=datasets.load("digits"),
        teachers=FolderArtifactStore(tmp_path),
        teacher_cache=None,
        run_id="x",
        scratch=str(tmp_path),
    )
    actors = [ray_.remote(given).remote({"requests": [], "limit": 9.0}) for _ in range(2)]
    for found in ray_.get([actor.memory.remote() for actor in actors], timeout=120):
        for writeable, name in found:
            assert not writeable
            assert "plasma" in name  # Ray's memory, which the processes of a node share
