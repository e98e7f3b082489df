"""The files in deploy/ against the tools and schemas of those who read them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from qkd_study import __version__
from qkd_study.cli.parser import build_parser

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.32"


def _tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    there = shutil.which(name, path=str(Path(sys.executable).parent))
    assert there is not None, f"{name} belongs to the extra dev"
    return subprocess.run(
        [there, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_PARAMS = {"type": "object", "additionalProperties": {"type": "string"}}
_COUNT = {"type": "integer", "minimum": 0}
#: The fields of KubeRay's ray.io/v1 that the file uses, as its API reference has them; its own
#: schema repeats all of a pod's and is a megabyte. Pods are checked against Kubernetes' schema.
RAYJOB = _closed(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": _closed({"name": {"type": "string", "pattern": "^[a-z0-9-]{1,47}$"}}, "name"),
        "spec": _closed(
            {
                "entrypoint": {"type": "string"},
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": _COUNT,
                "backoffLimit": _COUNT,
                "rayClusterSpec": _closed(
                    {
                        "rayVersion": {"type": "string"},
                        "authOptions": _closed({"mode": {"enum": ["token", "disabled"]}}, "mode"),
                        "headGroupSpec": _closed(
                            {"rayStartParams": _PARAMS, "template": {"type": "object"}}, "template"
                        ),
                        "workerGroupSpecs": {
                            "type": "array",
                            "items": _closed(
                                {
                                    "groupName": {"type": "string"},
                                    "replicas": _COUNT,
                                    "minReplicas": _COUNT,
                                    "maxReplicas": _COUNT,
                                    "rayStartParams": _PARAMS,
                                    "template": {"type": "object"},
                                },
                                "groupName",
                                "minReplicas",
                                "maxReplicas",
                                "template",
                            ),
                        },
                    },
                    "headGroupSpec",
                ),
            },
            "entrypoint",
        ),
    },
    "apiVersion",
    "kind",
    "metadata",
    "spec",
)


def rayjob() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())
    return read


def _pods(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [
        {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": "pod"},
            "template": group["template"],
        }
        for group in groups
    ]


@pytest.mark.parametrize("script", [DEPLOY / "slurm.sh", Path(__file__).parent / "two_nodes.sh"])
def test_shell_scripts(script: Path) -> None:
    said = _tool("shellcheck", script)
    assert said.returncode == 0, said.stdout


def test_dockerfile() -> None:
    said = _tool("hadolint", DEPLOY / "Dockerfile")
    assert said.returncode == 0, said.stdout
    copied = re.findall(r"^COPY (.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for names in copied for name in names.split())


def test_cluster_launcher() -> None:
    config = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())
    validate_config(prepare_config(config))
    with pytest.raises(jsonschema.ValidationError, match="head_commands"):
        validate_config(prepare_config(config | {"head_commands": []}))


def test_rayjob() -> None:
    job = rayjob()
    jsonschema.validate(job, RAYJOB)
    for pod in _pods(job):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_a_misspelt_field_of_a_pod_is_found() -> None:
    pod = _pods(rayjob())[1]
    pod["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_versions_agree() -> None:
    cluster = rayjob()["spec"]["rayClusterSpec"]
    locked = (ROOT / "requirements.lock").read_text()
    assert f"ray=={cluster['rayVersion']} " in locked
    assert metadata.version("ray") == ray.__version__ == cluster["rayVersion"]
    setup = (DEPLOY / "cluster.yaml").read_text()
    assert f"dist/qkd_study-{__version__}-py3-none-any.whl" in setup
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == __version__
    assert {"cff-version", "message", "title", "authors", "license"} <= cited.keys()


def test_commands_in_the_files_parse() -> None:
    command = rayjob()["spec"]["entrypoint"].split()
    assert command[:3] == ["python", "-m", "qkd_study"]
    options = build_parser().parse_args(command[3:])
    assert (options.address, options.out) == ("auto", "/results")
