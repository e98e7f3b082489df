"""Datasets as a factor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qkd_study import (
    Arrays,
    ClassicalToClassical,
    DataFile,
    InputError,
    LogFloat,
    Mlp,
    Replicates,
    Study,
    Subset,
)
from qkd_study.cli.main import main
from qkd_study.data import Datasets, fetch_all, load
from qkd_study.distill.teacher_spec import TeacherSpec
from qkd_study.forecast.shapes import Training, shape_of
from qkd_study.planning.plan import make_plan
from qkd_study.results import new_run, runs_of, same_run, write_manifest
from qkd_study.results.provenance import session
from qkd_study.study.branches import branches
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.quick import quick
from qkd_study.study.teacher_search import teacher_searches

SMALL = Arrays("small", np.eye(6)[np.arange(900) % 6], np.arange(900) % 3)
NAMES = ("xor4", "digits:0,1", "small")


def study(**changes: Any) -> Study:
    return Study(
        **{
            "question": "?",
            "setting": ClassicalToClassical(Mlp((8,)), Mlp((4,))),
            "factors": {"dataset": ("xor4", Subset("digits", (0, 1)), SMALL), "samples": (20, 30)},
            "fixed": {"validation_samples": 50, "epochs": 2, "teacher_epochs": 2},
            "arms": ("scratch", "soft"),
            "trials": 1,
            "replicates": Replicates(search=1, confirm=2),
            **changes,
        }
    )


def data_of(of: Study) -> Datasets:
    return Datasets(tuple(map(load, of.datasets)))


def test_every_dataset_is_run() -> None:
    made = study()
    assert made.factors["dataset"] == NAMES
    assert made.datasets == ("xor4", Subset("digits", (0, 1)), SMALL)
    assert made.replaced(trials=2).factors == made.factors  # names are found in datasets
    keys = [cell.key for cell in made.cells()]
    assert keys[:3] == [f"dataset={NAMES[0]},samples={k}" for k in (20, 30)] + [
        f"dataset={NAMES[1]},samples=20"
    ]
    assert [cell.key for cell, arm in branches(made) if arm.name == "scratch"] == keys
    plan = make_plan(made, data_of(made))
    assert (plan.dataset, len(plan.cells)) == (", ".join(NAMES), 6)
    assert plan.runs == 6 * 2 * (1 + 2)
    assert plan.teachers == 6 * (1 + 2)
    configs = [made.config(cell, made.arm("soft"), {}, "other") for cell in made.cells()]
    assert [config.dataset for config in configs[::2]] == list(NAMES)


def test_a_name_in_the_factor_is_that_of_a_declaration() -> None:
    made = study(datasets=(SMALL, "mnist"), factors={"dataset": ("small", "spirals")})
    assert made.datasets == (SMALL, "spirals")
    assert made.with_fixed("dataset", "small").datasets == (SMALL,)
    assert made.with_fixed("dataset", "small").factors == {}
    assert made.with_fixed("dataset", "digits").datasets == ("digits",)


def test_teachers_shapes_and_searches_are_of_a_dataset() -> None:
    made = study(teacher_search={"teacher_learning_rate": LogFloat(1e-3, 1e-1)})
    assert [one.cell.key for one in teacher_searches(made)][::2] == [
        f"dataset={name},samples=20" for name in NAMES
    ]
    soft, data = made.arm("soft"), data_of(made)
    configs = [made.config(cell, soft, {}, "") for cell in made.cells()[::2]]
    assert len({shape_of(made, Training(soft, config)) for config in configs}) == 3
    specs = [
        TeacherSpec.of(made.setting, soft, config, data.named(config.dataset), 0)
        for config in configs
    ]
    assert len({spec.name() for spec in specs}) == 3
    assert "dataset" not in specs[0].recipe()  # so that a factor does not train teachers again


def test_the_quick_version_has_two_datasets() -> None:
    assert quick(study()).factors == {"dataset": NAMES[:2], "samples": (20, 30)}
    assert quick(study()).datasets == study().datasets[:2]


def test_a_dataset_more_extends_a_run_and_other_data_do_not(tmp_path: Path) -> None:
    file = tmp_path / "study.py"
    file.write_text("")
    one, more = study(factors={"dataset": NAMES[:1]}, name="made"), study(name="made")
    assert fingerprint(one, "a") != fingerprint(more, "a")  # samples are a factor of one alone
    one = study(factors={"dataset": NAMES[:1], "samples": (20,)}, name="made")
    assert fingerprint(one, "a") == fingerprint(more, "b")
    run, told = (
        new_run(one, tmp_path),
        {
            "digest": "d",
            "plan": {"runs": 1, "cell_keys": [], "arm_names": []},
            "session": session(1),
        },
    )
    own = {"xor4": "1"}
    write_manifest(run, one, file, dataset="xor4", datasets=own, **told)  # type: ignore[arg-type]
    runs = runs_of(tmp_path, "made")
    assert same_run(more, "d", runs, datasets={**own, "small": "2"}) == run
    assert same_run(more, "d", runs, datasets={"xor4": "3", "small": "2"}) is None
    write_manifest(run, more, file, dataset="?", datasets={"small": "2"}, **told)  # type: ignore[arg-type]
    assert run.manifest()["datasets"] == {"xor4": "1", "small": "2"}
    assert "dataset" not in declaration(more)["fixed"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixed": {"dataset": "digits"}}, "fixed cannot have dataset, but got 'digits'. Allowed:"),
        ({"search": {"dataset": LogFloat(1, 2)}}, "search cannot have dataset"),
        ({"factors": {"dataset": ("digits", "digits")}}, "names a value twice: ('digits',"),
        ({"factors": {"dataset": ("mnits",)}}, "unknown dataset 'mnits'. Did you mean 'mnist'"),
        ({"factors": {"dataset": (3,)}}, "a dataset must be a name (fashion-mnist"),
        ({"factors": {"dataset": "digits"}}, "factors['dataset'] must be a tuple"),
        ({"factors": {"dataset": ()}}, "factors['dataset'] must be a tuple with at least one"),
    ],
)
def test_bad_factors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        study(**changes)


def test_what_does_not_fit_names_the_cell() -> None:
    made = study(fixed={"validation_samples": 300})
    with pytest.raises(InputError, match=r"digits:0,1 has 241 .*\(cell dataset=digits:0,1,samp"):
        make_plan(made, data_of(made))


def test_all_datasets_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = DataFile(str(tmp_path / "gone.npz"))
    said = r"every value of the factor dataset is run, but gone: .*, which leaves digits, xor4\."
    with pytest.raises(InputError, match=said):
        fetch_all(("digits", gone, "xor4"))
    assert fetch_all(("digits", "xor4")) == "datasets: digits, xor4"


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("several.py").write_text(
        "from qkd_study import *\n"
        "study = Study(question='?', setting=ClassicalToClassical(Mlp((8,)), Mlp((4,))),\n"
        "    factors={'dataset': ('xor4', 'spirals', 'digits')}, arms=('scratch', 'soft'),\n"
        "    claims=(Claim(says='On xor4.', better='soft', than='scratch',\n"
        "                  where={'dataset': ('xor4',)}),))\n"
    )
    assert main(["plan", "several.py", "--no-forecast"]) == 0
    said = capsys.readouterr().out
    assert "datasets: xor4, spirals, digits\n" in said
    assert "3 cells: dataset = xor4, spirals, digits\n" in said
    assert main(["plan", "several.py", "--no-forecast", "--dataset", "digits"]) == 0
    found = capsys.readouterr()
    assert "dataset: digits\n1 cell: all\n" in found.out
    assert "with --dataset digits there is no claim 'On xor4.'" in found.err
    assert main(["plan", "several.py", "--no-forecast", "--set", "dataset=nosuch"]) == 2
    assert "unknown dataset 'nosuch'" in capsys.readouterr().err


def test_the_study_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(block, names)
    made: Study = names["study"].replaced(claims=(names["claim"],))
    assert make_plan(made, data_of(made)).cells[2] == "dataset=spirals,samples=50"
