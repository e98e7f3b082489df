"""Teachers of earlier runs: the same numbers and the same costs, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qkd_study.distill import TeacherCache, TeacherStore, teachers
from qkd_study.distill.teacher_cache import StoredTeacher, has_code
from qkd_study.study import HybridCircuit, Mlp, Own, QuantumToClassical
from qkd_study.study.canonical import canonical
from tests.distill.test_runs import order


def never(*arguments: Any, **named: Any) -> Any:
    raise AssertionError("trained again")


@pytest.mark.parametrize("alone", [False, True], ids=["in a batch", "one by one"])
def test_a_teacher_of_another_run_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    cache = TeacherCache(tmp_path / "cache")
    spec = order()
    first = TeacherStore(tmp_path / "first", cache=cache)
    if not alone:
        first.train([spec])
    trained = first.get(spec)
    tested = first.test_logits(spec)
    for name in ("train", "train_batched"):
        monkeypatch.setattr(teachers, name, never)
    for folder in ("second", "third"):  # the third finds it after the second used it
        store = TeacherStore(tmp_path / folder, cache=cache)
        if not alone:
            store.train([spec])
        kept = store.get(spec)
        assert torch.equal(kept.train.logits, trained.train.logits)
        assert torch.equal(store.test_logits(spec), tested)
        assert kept.ending == trained.ending is not None
        assert store.seconds == pytest.approx(first.seconds)
        assert store.executions == first.executions > 0
    for path in (tmp_path / "first").glob("*.safetensors"):
        assert (tmp_path / "second" / path.name).read_bytes() == path.read_bytes()
    again = TeacherStore(tmp_path / "second", cache=cache)
    again.get(spec)
    assert again.seconds == 0  # it belongs to this run already


@pytest.mark.parametrize("damage", ["cut", "a folder", "a run's file"])
def test_a_damaged_cache_is_no_cache(tmp_path: Path, damage: str) -> None:
    cache = TeacherCache(tmp_path / "cache")
    trained = TeacherStore(tmp_path / "first", cache=cache).get(order())
    (path,) = cache.folder.glob("*.safetensors")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "a folder":
        path.unlink()
        path.mkdir()
    else:  # whole, but without its cost
        for suffix in (".safetensors", ".json"):
            there = tmp_path / "first" / path.with_suffix(suffix).name
            path.with_suffix(suffix).write_bytes(there.read_bytes())
    store = TeacherStore(tmp_path / "second", cache=cache)
    assert torch.equal(store.get(order()).train.logits, trained.train.logits)
    assert store.seconds > 0


def test_code_of_a_study_is_not_kept(tmp_path: Path) -> None:
    def own(config: Any, shape: tuple[int, ...], classes: int) -> Any:
        raise NotImplementedError

    assert has_code(canonical(Own(own)))
    assert not has_code(canonical([Mlp(), HybridCircuit(), QuantumToClassical()]))
    cache = TeacherCache(tmp_path)
    found = StoredTeacher({"weight": torch.ones(2)}, 1.0, 2)
    cache.write("one", {"model": canonical(Own(own))}, found)
    assert cache.read("one") is None
    cache.write("one", {"model": canonical(Mlp())}, found)
    kept = cache.read("one")
    assert kept is not None
    assert (kept.seconds, kept.executions, kept.tensors["weight"].tolist()) == (1.0, 2, [1.0, 1.0])
