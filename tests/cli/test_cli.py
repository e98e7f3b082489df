"""Bad input: one clear message, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from qkd_study import DataFile
from qkd_study.cli.commands import COMMANDS
from qkd_study.cli.continuation import continue_command
from qkd_study.cli.main import main
from qkd_study.common.exit_codes import DONE, INCOMPLETE
from tests.conftest import TINY, Cli


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("samples", "sample"), "tiny.py:4: unknown parameter 'sample'. Did you mean 'samples'?"),
        (("LogFloat(0.1, 10.0)", "LogFloat(-1, 10.0)"), "`low > 0` must hold for a logarithm"),
        (('"epochs": 3', '"temperature": 0'), "temperature must be a number > 0"),
        (('"epochs": 3', '"weight_features": -1'), "weight_features must be a number >= 0"),
        (("(20, 30)", "(20, 30_000)"), "tiny.py: samples=30000 is larger than the dataset: digits"),
        (("(20, 30)", "()"), "factors['samples'] must be a tuple with at least one entry"),
        (("LogFloat(0.1, 10.0)", "Choice()"), "the study file failed: NameError"),
        (('"epochs": 3', '"qubits": 60'), "tiny.py: qubits=60 needs"),
        (('"digits"', '"mnits"'), "tiny.py: unknown dataset 'mnits'. Did you mean 'mnist'"),
        (('"epochs": 3', '"device": "lightning.qbit"'), "device 'lightning.qbit' is unknown or"),
        (('"epochs": 3', '"device": "default.mixed"'), "'default.mixed' has no adjoint"),
        (('"epochs": 3', '"plan": "choi"'), "plan must be one of 'auto', 'register', 'matrix'"),
        (("study = ", "question = "), "tiny.py binds no `study`"),
    ],
)
def test_bad_studies(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.py").write_text(TINY.replace(*change))
    for command in (["plan"], ["run"]):
        assert main([*command, "tiny.py"]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("qkd-study: ")
        assert message in said.err
        assert "Traceback" not in said.err
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.py"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "epochs"], "--set takes NAME=VALUE, but got 'epochs'"),
        (["--set", "epochs=many"], "epochs must be an integer >= 1, but got --set epochs=many"),
        (["--set", "epoch=3"], "unknown parameter 'epoch'. Did you mean 'epochs'?\n"),
        (["--set", "lr=0.1"], "unknown parameter 'lr'. Did you mean 'learning_rate'?\n"),
        (
            ["--set", "zz=0.1"],
            "unknown parameter 'zz'. Known parameters: dataset, samples, teacher_samples",
        ),
        (["--set", "temperature=0"], "tiny.py: temperature must be a number > 0"),
        (["--dataset", "fmnist"], "unknown dataset 'fmnist'. Did you mean 'fashion-mnist'?\n"),
        (["--seed", "-1"], "seed must be an integer from 0"),
        (["--trials", "0"], "trials must be an integer from 1"),
        (["--replicates", "1"], "Replicates(confirm) must be an integer from 2"),
    ],
)
def test_bad_options(
    tiny_study: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["plan", str(tiny_study), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_declared_dataset_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.arange(600 * 16, dtype=np.uint16).reshape(600, 4, 4) % 256
    np.savez("pictures.npz", x=pixels.astype(np.uint8), y=np.arange(600) % 7 % 2)
    own = "DataFile('pictures.npz'), Subset(DataFile('pictures.npz'), (1, 0)), 'digits'"
    Path("tiny.py").write_text(
        TINY.replace('"digits",', own).replace("import", "import DataFile, Subset,")
    )
    for name in ("pictures", "pictures:1,0"):
        assert main(["plan", "tiny.py", "--no-forecast", "--dataset", name]) == 0
        assert f"dataset: {name}, its samples divided by 255\n" in capsys.readouterr().out
    assert main(["plan", "tiny.py", "--dataset", "picture"]) == 2
    assert (
        "unknown dataset 'picture'. Did you mean 'pictures' or 'pictures:1,0'?"
        in capsys.readouterr().err
    )
    assert main(["plan", "tiny.py", "--no-forecast", "--dataset", "digits"]) == 0
    assert "dataset: digits\n" in capsys.readouterr().out


def test_bad_cpus_and_folder(
    tiny_study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_study.parent)
    assert main(["run", str(tiny_study), "--cpus", "0"]) == 2
    assert "--cpus must be an integer from 1" in capsys.readouterr().err
    assert main(["run", str(tiny_study), "--out", str(tiny_study)]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main(["run", str(tiny_study), "--out", "/proc/qkd"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [p.name for p in tiny_study.parent.iterdir()] == ["tiny.py"]


def test_a_broken_dataset_file(
    tiny_study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from qkd_study.data.datasets import load
    from qkd_study.data.fashion_mnist import FILES

    folder = tiny_study.parent / "data" / "fashion-mnist"
    folder.mkdir(parents=True)
    for file in FILES:
        (folder / f"{file.name}.gz").write_bytes(b"broken")
    monkeypatch.setenv("QKD_STUDY_DATA", str(folder.parent))
    load.cache_clear()
    assert main(["plan", str(tiny_study), "--dataset", "fashion-mnist"]) == 2
    said = capsys.readouterr().err
    assert f"{folder}/train-images-idx3-ubyte.gz is broken: Not a gzipped file" in said
    assert "or point QKD_STUDY_DATA elsewhere" in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"qkd-study {metadata.version('qkd-study')}\n"


def test_plan_counts(tiny_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(tiny_study), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {k: said[k] for k in ("cells", "arms", "trials", "runs_search", "runs_confirm")} == {
        "cells": 2,
        "arms": 2,
        "trials": 8,
        "runs_search": 16,
        "runs_confirm": 12,
    }
    assert (said["runs"], said["teachers"]) == (28, 10)
    assert main(["plan", str(tiny_study)]) == 0
    assert "28 runs and at most 10 teachers in all" in capsys.readouterr().out


def test_options_change_the_plan(tiny_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "samples=40", "--trials", "3", "--replicates", "4", "--json"]
    assert main(["plan", str(tiny_study), *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["cells"], said["runs_search"], said["runs_confirm"]) == (1, 12, 8)


def test_warnings_are_one_line(tiny_study: Path, cli: Cli) -> None:
    tiny_study.write_text(
        TINY.replace('factors={"samples": (20, 30)},', "")
        .replace('search={"learning', 'search={"samples": Int(20, 90), "learning')
        .replace("import LogFloat", "import Int, LogFloat")
    )
    said = cli("plan", tiny_study)
    assert said.returncode == 0
    assert re.fullmatch(r"warning: samples is searched on accuracy alone[^\n]*\n", said.stderr)


def test_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    assert "digits: 8x8 handwritten digits" in capsys.readouterr().out
    assert main(["data", "check", "digits"]) == 0
    assert "digits is here and whole: 1,200 samples" in capsys.readouterr().out
    assert main(["data", "check"]) == 2
    assert main(["data", "fetch", "mnits"]) == 2


def test_data_check_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.arange(60 * 6 * 5 * 3, dtype=np.uint64).reshape(60, 6, 5, 3) % 256
    np.savez("images.npz", x=pixels.astype(np.uint8), y=np.arange(60) % 7 % 2)
    assert main(["data", "check", "images.npz"]) == 0
    said = capsys.readouterr()
    digest = DataFile("images.npz").load().digest
    assert said.out.splitlines() == [
        "images.npz can be used: DataFile('images.npz')",
        "samples: 46 to draw from, 14 for the test",
        "each: 3 channels of 6x5 pixels, between 0 and 1, divided by 255",
        "classes: 2 (0, 1), of 26 to 34 samples",
        f"sha256: {digest}",
    ]
    assert said.err == ""
    table = "kind,a,b\n" + "yes,200,-1\nno,100,2\n" * 9
    Path("table.csv").write_text(table)
    assert main(["data", "check", "table.csv", "--label", "kind"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("table.csv can be used: DataFile('table.csv', label='kind')\n")
    assert (
        "each: 2 features, between -1 and 200\nclasses: 2 (no, yes), of 9 to 9 samples\n"
        in said.out
    )
    assert said.err.startswith("warning: table: features lie between -1 and 200, the largest with")
    for name, wrong in (
        ("gone.csv", f"{tmp_path}/gone.csv is no file"),
        ("table.csv", "table.csv has no column 'label' for the classes. Its columns: kind, a, b"),
        (".", "must end in one of .npz, .csv, .parquet"),
        ("tble", "unknown dataset 'tble'"),
    ):
        assert main(["data", "check", name]) == 2
        assert wrong in capsys.readouterr().err


def test_help_imports_nothing_heavy(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(
        "import sys\n"
        "from qkd_study.cli.main import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'torch', 'ray', 'pennylane', 'optuna', 'pandas', 'pyarrow', 'numpy'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    import subprocess
    import sys

    said = subprocess.run(
        [sys.executable, "probe.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "heavy: []" in said.stdout
    assert cli("--help").returncode == 0
    assert cli("run").returncode == 2


def test_a_terminal_that_knows_ascii_only(
    tiny_study: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_study.write_text(TINY.replace("Does it run?", "Does µ run?"), encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    said = cli("plan", tiny_study)
    assert (said.returncode, said.stderr) == (0, "")
    assert "tiny: Does u run?" in said.stdout


def test_an_error_that_nobody_foresaw_is_one_line_and_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(options: object) -> int:
        raise ZeroDivisionError("foreseen by nobody")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(COMMANDS, "list", fail)
    assert main(["list"]) == 1
    said = capsys.readouterr().err
    (file,) = tmp_path.rglob("internal-error.txt")
    assert said.startswith("qkd-study: internal error, a defect of qkd-study: ZeroDivisionError: ")
    assert str(file) in said
    assert said.count("\n") == 1
    assert "Traceback" in file.read_text()
    file.unlink()
    file.mkdir()
    assert main(["list"]) == 1
    assert re.search(r"It is in \S+test_cli.py:\d+: please report it", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            "self.head(inputs) * (float('nan') if len(inputs) > 16 else 1)",
            "a short training to forecast from diverged: the loss",
        ),
        ("fail(self, inputs)", r"own\.py:\d+: the study file failed: RuntimeError: later"),
    ],
)
def test_a_model_that_fails_when_it_is_timed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    message: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = f"""
import torch
from qkd_study import ClassicalToClassical, Own, Study
from qkd_study.models import Model, Outputs

def fail(model, inputs):
    if len(inputs) > 16:  # more than are tried beforehand
        raise RuntimeError("later")
    return model.head(inputs)

class Odd(Model):
    def __init__(self, config, shape, classes):
        super().__init__()
        self.head = torch.nn.Linear(64, classes)

    def prepare(self, samples):
        return samples.flatten(1)

    def forward(self, inputs):
        return Outputs({answer}, inputs)

    def head_parameters(self):
        return list(self.head.parameters())

study = Study(question="?", setting=ClassicalToClassical(student=Own(Odd)), arms=("scratch",),
              datasets=("digits",), fixed={{"samples": 30}})
"""
    (tmp_path / "own.py").write_text(source)
    assert main(["plan", str(tmp_path / "own.py")]) == 2
    said = capsys.readouterr()
    assert "runs and at most" in said.out
    assert re.search(message, said.err)


@pytest.fixture
def as_ray_does() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("as_ray_does")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_something_is_deleted_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """Python prints what is raised there, and goes on as if nobody had sent a signal.

    The signal ends a system call that blocks; a forked child does not raise it again.
    """

    class Deleted:
        def __del__(self) -> None:
            signal.raise_signal(number)

    class Failing:
        def __del__(self) -> None:
            raise ValueError("of its own")

    def command(options: object) -> int:
        Failing()
        if (child := os.fork()) == 0:
            Deleted()
            os._exit(threading.active_count() - 1)
        codes.append(os.waitpid(child, 0)[1])
        Deleted()
        os.read(waiting, 1)
        return DONE

    def give_up() -> None:
        if not ended.wait(10):
            late.append("the signal did not end the read")
            os.write(written, b".")

    codes: list[int] = []
    late: list[str] = []
    ended = threading.Event()
    waiting, written = os.pipe()
    rescue = threading.Thread(target=give_up)
    rescue.start()
    said: list[str] = []
    monkeypatch.setitem(COMMANDS, "list", command)
    monkeypatch.setattr(sys, "unraisablehook", lambda it: said.append(str(it.exc_value)))
    before = sys.unraisablehook
    assert main(["list"]) == INCOMPLETE
    ended.set()
    rescue.join()
    os.close(waiting)
    os.close(written)
    assert (codes, late) == ([0], [])
    assert sys.unraisablehook is before
    assert said == ["of its own"]
    assert capsys.readouterr().err == "qkd-study: interrupted. The same command goes on.\n"


GIVEN = ["my study.py", "--set", "lr 1=2", "--set=b=3", "--quick", "--time-limit=60", "--out=a b"]
GIVEN += ["--time-budget=30m"]


@pytest.mark.parametrize("begun", [False, True])
def test_the_command_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], begun: bool
) -> None:
    """A command that starts over does not go on: what goes on is printed as a shell takes it."""
    seen = []

    def cut_short(options: argparse.Namespace) -> int:
        seen.append(options)
        options.begun = begun
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "run", cut_short)
    monkeypatch.setattr(sys, "argv", ["qkd-study"])
    assert main(["run", *GIVEN]) == INCOMPLETE
    assert capsys.readouterr().err == "qkd-study: interrupted. The same command goes on.\n"
    assert main(["run", "--new", *GIVEN]) == INCOMPLETE
    said = capsys.readouterr().err
    if not begun:
        assert said == "qkd-study: interrupted. Nothing was begun.\n"
        return
    start, _, command = said.partition(": qkd-study run ")
    assert "the same command would start over" in start
    assert main(shlex.split(f"run {command}")) == INCOMPLETE
    assert vars(seen[2]) == {**vars(seen[1]), "new": False}
    assert continue_command(seen[1], retry_failed=True).endswith("'--out=a b' --retry-failed")
