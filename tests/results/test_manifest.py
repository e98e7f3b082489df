"""A study.json that is not as we write it: the message names what is wrong."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qkd_study import InputError
from qkd_study.results import RunFolder
from qkd_study.results.manifest import check_manifest
from tests.analysis.made import made_results


def manifest() -> dict[str, Any]:
    plan = {"runs": 3, "cell_keys": ["samples=50"], "arm_names": ["soft"]}
    return {**copy.deepcopy(made_results(epochs=1).manifest), "arms": {}, "plan": plan}


def test_what_we_write_is_right() -> None:
    check_manifest(manifest())
    check_manifest(json.loads(json.dumps(manifest())))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("declaration"), "it has no 'declaration'"),
        (lambda s: s["declaration"].pop("factors"), "it has no 'declaration.factors'"),
        (lambda s: s.update(dataset=3), "dataset is 3, not str"),
        (lambda s: s["plan"].update(runs=True), "plan.runs is True, not int"),
        (lambda s: s.update(plan={"runs": 3}), "it has no 'plan.cell_keys'"),
        (
            lambda s: s["plan"].update(arm_trials={"soft": None}),
            "plan.arm_trials.soft is None",
        ),
        (lambda s: s.update(sessions=[]), "sessions is empty"),
        (lambda s: s.update(sessions=[1]), "sessions is 1, not dict"),
        (lambda s: s["sessions"][0].update(command=[0]), "command is 0, not str"),
        (lambda s: s["sessions"][0].update(packages={"x": None}), "packages.x is None, not str"),
        (lambda s: s["declaration"]["factors"].update(x=[1]), "unknown parameter 'x'"),
        (
            lambda s: s["declaration"]["factors"].update(samples=[[]]),
            "declaration.factors.samples is [], not int or float or str",
        ),
        (
            lambda s: s["declaration"]["search"]["learning_rate"].pop("low"),
            "search.learning_rate is {'kind': 'LogFloat', 'high': 0.1}, no range",
        ),
        (
            lambda s: s["declaration"]["search"]["learning_rate"].update(kind="Cube"),
            "search.learning_rate is {'kind': 'Cube', 'low': 0.001, 'high': 0.1}, no range",
        ),
        (lambda s: s["declaration"]["arms"].update(soft=[]), "declaration.arms.soft is [], not"),
        (lambda s: s["claims"][0]["claim"].pop("margin"), "is no claim"),
        (lambda s: s["claims"][0]["claim"].update(better="none"), "is about arm 'none', but the"),
        (lambda s: s["claims"].append(3), "claims is 3, not dict"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[Any], object], message: str) -> None:
    said = manifest()
    change(said)
    with pytest.raises(InputError, match=re.escape(message)):
        check_manifest(said)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"\xff", b"[" * 100_000, b'{"a": 1}'])
def test_files_that_are_no_study_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(InputError, match=r"study\.json is broken: "):
        RunFolder(tmp_path).manifest()
