"""What a Ray of our own starts, and when it starts all that Ray would."""

from __future__ import annotations

import pytest
from ray._private import services
from ray._private.node import Node

from qkd_study.compat.ray import RUNTIME_ENVIRONMENT, _without_services


@pytest.mark.parametrize("variable", [None, *RUNTIME_ENVIRONMENT])
def test_services_are_left_out_where_no_runtime_environment_needs_them(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RUNTIME_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, "{}")
    before = services.start_ray_process, Node.start_monitor
    with _without_services():
        changed = services.start_ray_process, Node.start_monitor
    assert (changed == before) is (variable is not None)
    assert (services.start_ray_process, Node.start_monitor) == before
