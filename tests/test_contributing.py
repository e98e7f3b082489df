"""The recipes of CONTRIBUTING.md can be followed: what they name is there, and their study runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
FENCED = re.findall(r"^( *)```(\w+)\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^ *```.*?^ *```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
QUOTED = re.findall(r"`([^`\n]+)`", PROSE)
PATHS = [
    name
    for name in [*QUOTED, *(word for _, _, code in FENCED for word in code.split())]
    if re.fullmatch(
        r"(qkd_study|tests|docs|deploy|studies|results)/[\w./-]*|[\w.-]+\.(lock|md)", name
    )
    and "NAME" not in name
]
#: Names in code that a recipe tells a reader to look for.
SYMBOLS = (
    *("feature_loss", "BatchedModel", "KINDS", "Style", "learning_curves", "for_report"),
    *("alt_text", "Config", "Parameter", "LOSSES", "losses", "BATCHED_TERMS"),
)


def python(start: str) -> str:
    """The block of Python that starts so."""
    blocks = [code for _, language, code in FENCED if language == "python"]
    (code,) = (str(code) for code in blocks if code.lstrip().startswith(start))
    return code


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_files_that_recipes_name_are_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_symbols_that_recipes_name_are_defined_where_they_say() -> None:
    for symbol in SYMBOLS:
        (paragraph,) = {p for p in PROSE.split("\n\n") if f"`{symbol}`" in p}
        named = re.findall(r"`(qkd_study/[\w./]+)`", paragraph)
        files = [ROOT / name for name in named if name.endswith(".py")]
        pattern = re.compile(rf"^(def|class) {symbol}\b|^{symbol}\b.*=", re.MULTILINE)
        assert any(pattern.search(file.read_text()) for file in files), symbol


def test_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)\b(?= |`|\n)", TEXT))
    assert {"lint", "test", "test-slow", "lock", "upgrade"} <= named
    commands = {n for n in named if re.search(rf"`make {n}`|^make {n}\b", TEXT, re.MULTILINE)}
    assert [n for n in commands if not re.search(rf"^{n}:", makefile, re.MULTILINE)] == []


@pytest.mark.slow
def test_the_study_of_the_recipe_runs(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "wide.py").write_text(textwrap.dedent(python("from qkd_study import")))
    done = cli("run", "wide.py", "--set", "epochs=2", "--set", "teacher_epochs=2", "--trials", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_parquet(tmp_path / "results" / "wide" / "latest" / "runs")
    assert set(rows["arm"]) == {"scratch", "scaled-ce", "soft"}
    assert set(rows["status"]) == {"ok"}


FOLLOWED = """
import json, sys
from pathlib import Path
import torch
import qkd_study
from qkd_study import Arm, ClassicalToClassical, Float, Mlp, Study
from qkd_study.data import load
from qkd_study.distill import TeacherStore, run_replicates, runs_in_batch
from qkd_study.results.schema import schema

assert Path(qkd_study.__file__).is_relative_to(Path.cwd())
study = Study(
    question="?", datasets=("xor4",), setting=ClassicalToClassical(Mlp((4,)), Mlp(())),
    arms=("soft", Arm("huber", ("logits",))), search={"huber_delta": Float(0.5, 2.0)},
    fixed={"weight_logits": 0.7, "epochs": 1, "teacher_epochs": 1, "batch_size": 100},
)
xor4, (soft, huber) = load("xor4"), study.all_arms
configs = [study.config(study.cells()[0], arm, {}, "xor4") for arm in (soft, huber)]
arguments = (study.setting, huber, configs[1], xor4)
(result,) = run_replicates(*arguments, TeacherStore(Path("teachers")), replicates=(0,), test=False)
print(json.dumps({
    "columns": [schema("runs").names, schema("curves").names],
    "searched": [sorted(study.space(arm)) for arm in (soft, huber)],
    "values": [[c.huber_delta, c.weight_logits, c.weight_soft, c.temperature] for c in configs],
    "batched": [runs_in_batch(*arguments[:1], arm, *arguments[2:]) for arm in (soft, huber)],
    "curve": [result.curve[0].cross_entropy, result.curve[0].parts, result.curve[0].total],
}))
"""


def test_a_term_and_a_parameter_are_a_record_each_and_a_function(tmp_path: Path) -> None:
    """The recipe, followed in a copy of the package."""
    shutil.copytree(ROOT / "qkd_study", tmp_path / "qkd_study")
    config, losses = (
        tmp_path / "qkd_study" / name for name in ("study/config.py", "distill/losses.py")
    )
    last = "    seed: int = field("
    records = python("huber_delta") + python("weight_logits")
    config.write_text(config.read_text().replace(last, records + last))
    table, entry = '        "soft": soft_target_loss,', '"logits": logit_loss,'
    assert f"`{entry}`" in TEXT
    text = losses.read_text().replace(table, f"{table}\n        {entry}")
    above = "#: The function of each term"
    losses.write_text(text.replace(above, f"{python('def logit_loss')}\n\n{above}"))
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    runs, curves = found["columns"]
    assert {"config.huber_delta", "config.weight_logits"} <= set(runs)
    assert "loss.logits" in curves
    assert found["searched"] == [[], ["huber_delta"]]
    assert found["values"] == [[None, 0.0, 1.0, 4.0], [1.0, 0.7, 0.0, None]]
    assert found["batched"] == [True, False]
    cross_entropy, parts, total = found["curve"]
    assert parts["logits"] > 0
    assert total == pytest.approx(cross_entropy + 0.7 * parts["logits"])
