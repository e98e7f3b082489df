"""All that `qkd_study/compat` uses of others beyond their public interfaces, and how to see it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from importlib import import_module
from typing import Any

#: Raises, or answers False, where the installed version lacks it.
Look = Callable[[], bool]


def _has(path: str) -> Look:
    """Whether `module:attribute.attribute` is there."""
    module, _, attributes = path.partition(":")

    def look() -> bool:
        found: Any = import_module(module)
        for name in attributes.split("."):
            found = getattr(found, name)
        return True

    return look


def _sets(path: str) -> Look:
    """Whether the class in `module:Class.attribute` sets the attribute of `self`."""
    module, _, rest = path.partition(":")
    kind, name = rest.split(".")

    def look() -> bool:
        source = inspect.getsource(getattr(import_module(module), kind))
        nodes = ast.walk(ast.parse(textwrap.dedent(source)))
        stored = (n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))
        return f"self.{name}" in map(ast.unparse, stored)

    return look


def _takes(path: str, *names: str) -> Look:
    """Whether the function `module:function` has parameters of these names."""
    module, _, function = path.partition(":")

    def look() -> bool:
        known = inspect.signature(getattr(import_module(module), function)).parameters
        return set(names) <= known.keys()

    return look


def _files_of_agents() -> bool:
    """Whether Ray's agents write their ports to the files that `idle_agent` writes."""
    raylet = import_module("ray._raylet")
    written = [
        name
        for names in import_module("qkd_study.compat.idle_agent").FILES.values()
        for name in names
    ]
    known = ("METRICS_AGENT", "METRICS_EXPORT", "DASHBOARD_AGENT_LISTEN", "RUNTIME_ENV_AGENT")
    return written == [getattr(raylet, f"{name}_PORT_NAME") for name in known]


def _ray_takes_temp_dir() -> bool:
    return '"_temp_dir"' in inspect.getsource(inspect.unwrap(import_module("ray").init))


def _device_has_rng() -> bool:
    return hasattr(import_module("pennylane").device("default.qubit", wires=1), "_rng")


_TRIAL = "ray.tune.experiment.trial:"
_OPS = "pennylane_lightning.lightning_qubit_ops:"
_STEP = ("params", "lr", "weight_decay", "maximize", "fused")
_MOMENTS = ("exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs", "state_steps")
_ADAM = (*_STEP, *_MOMENTS, "grads", "amsgrad", "beta1", "beta2", "eps")

#: By package and module of `compat`: what it uses, and how to see that it is there.
USED: dict[tuple[str, str], dict[str, Look]] = {
    ("ray", "ray.py"): {
        "ActorHandle._actor_id": _has("ray.actor:ActorHandle._actor_id"),
        "TuneController._trial_to_actor": _sets(
            "ray.tune.execution.tune_controller:TuneController._trial_to_actor"
        ),
        "TuneController._actor_manager": _sets(
            "ray.tune.execution.tune_controller:TuneController._actor_manager"
        ),
        "RayActorManager._live_actors_to_ray_actors_resources": _sets(
            "ray.air.execution._internal.actor_manager:"
            "RayActorManager._live_actors_to_ray_actors_resources"
        ),
        "Trial.temporary_state": _sets(_TRIAL + "Trial.temporary_state"),
        "Trial.temporary_state.ray_actor": _sets(_TRIAL + "_TemporaryTrialState.ray_actor"),
        "Trial.run_metadata": _sets(_TRIAL + "Trial.run_metadata"),
        "Trial.run_metadata.last_result": _sets(
            "ray.tune.experiment.trial:_TrainingRunMetadata.last_result"
        ),
        "init(_temp_dir=)": _ray_takes_temp_dir,
        "_private.state.actors": _has("ray:_private.state.actors"),
        "_private.services.canonicalize_bootstrap_address": _has(
            "ray._private.services:canonicalize_bootstrap_address"
        ),
        "_private.services.find_node_ids": _has("ray._private.services:find_node_ids"),
        "_private.services.start_ray_process": _has("ray._private.services:start_ray_process"),
        **{
            f"_private.node.Node.{name}": _has(f"ray._private.node:Node.{name}")
            for name in ("start_api_server", "start_monitor", "start_log_monitor")
        },
        **{
            f"tune.execution.class_cache.{name}": _has(f"ray.tune.execution.class_cache:{name}")
            for name in ("DEFAULT_ENV_VARS", "ENV_VARS_TO_PROPAGATE")
        },
        "_raylet.GcsClient": _has("ray._raylet:GcsClient"),
        # What GcsClient lacks itself, it takes from this one.
        "_raylet.GcsClient.get_all_node_info": _has("ray._raylet:InnerGcsClient.get_all_node_info"),
    },
    ("ray", "idle_agent.py"): {"_raylet.METRICS_AGENT_PORT_NAME": _files_of_agents},
    ("pennylane", "pennylane.py"): {"Device._rng": _device_has_rng},
    ("pennylane-lightning", "lightning.py"): {
        f"lightning_qubit_ops.{name}": _has(_OPS + name)
        for bits in ("C64", "C128")
        for name in (
            f"StateVector{bits}.updateData",
            f"StateVector{bits}.getState",
            f"StateVector{bits}.RX",
            f"algorithms.create_ops_list{bits}",
            f"algorithms.VectorJacobianProduct{bits}",
        )
    },
    ("torch", "torch.py"): {
        "optim.adam.adam": _takes("torch.optim.adam:adam", *_ADAM),
        "optim.adamw.adamw": _takes("torch.optim.adamw:adamw", *_ADAM),
        "optim.sgd.sgd": _takes(
            "torch.optim.sgd:sgd", *_STEP, "momentum_buffer_list", "momentum", "nesterov"
        ),
    },
}

#: Names and modules among them that have no underscore.
UNDOCUMENTED = {"class_cache", "temporary_state", "run_metadata", "lightning_qubit_ops"}
UNDOCUMENTED_MODULES = {"torch.optim.adam", "torch.optim.adamw", "torch.optim.sgd"}
