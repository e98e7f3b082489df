"""`qkd_study.run` and `qkd_study.plan`: what the commands do, from a script or a notebook."""

from __future__ import annotations

import argparse
import os
import re
import signal
import threading
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

import qkd_study
from qkd_study import (
    Arm,
    Arrays,
    Choice,
    Claim,
    ClassicalToQuantum,
    DataFile,
    FullyQuantum,
    InputError,
    LogFloat,
    Mlp,
    Replicates,
    Study,
    Subset,
)
from qkd_study.cli.continuation import command, continue_command
from qkd_study.cli.parser import build_parser
from qkd_study.common.errors import InterruptedStart
from qkd_study.results import RunFolder
from qkd_study.results.replay import Replayer
from qkd_study.study.canonical import canonical
from qkd_study.study.identity import declaration, fingerprint
from qkd_study.study.load import load_study
from qkd_study.study.source_text import source_text
from qkd_study.tune.process_state import restored

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.py"))
BASE: dict[str, Any] = {
    "question": "Does it run?",
    "name": "tiny",
    "datasets": ("digits",),
    "fixed": {"epochs": 3, "teacher_epochs": 2, "validation_samples": 50},
    "arms": ("scratch", "soft"),
}


def tiny(**changes: Any) -> Study:
    return Study(**{**BASE, **changes})


def own_loss(student: Any, teacher: Any, labels: Any) -> Any:
    return student.logits.square().mean()


@pytest.mark.parametrize(
    ("study", "options", "said"),
    [
        (tiny(), {"cpu": 2}, "run has no option 'cpu'. It has: address, cpus, "),
        (tiny(), {"cpus": "x"}, "--cpus: invalid int value: 'x'"),
        (tiny(), {"cpus": 0}, "--cpus must be an integer from 1 to 4096, but got 0"),
        (tiny(), {"new": 1}, "new must be True or False, but got 1"),
        (tiny(), {"set": "epochs"}, "--set takes NAME=VALUE, but got 'epochs'"),
        (tiny(), {"log": ["paper"]}, "invalid choice: 'paper'"),
        (tiny(), {"trials": 0}, "trials must be an integer from 1 to 1000000, but got 0"),
        (tiny(), {"time_limit": -1}, "--time-limit must be seconds from above 0"),
        (tiny(), {"address": "http://head:8265"}, "call run on a node of the cluster"),
        (tiny(name=""), {}, r"needs a name, .*Study\(name='my_study', ...\)"),
        (tiny(fixed={"samples": 10**6}), {}, "samples"),
        (tiny(datasets=(DataFile("no.csv"),)), {}, "no.csv is no file"),
        (3, {}, r"study must be a Study\(...\) or the path of a study file, but got 3"),
        ("no.py", {}, "no.py: there is no such study file"),
    ],
)
def test_what_is_invalid_is_said_before_anything_runs(
    study: Any, options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(os.environ)
    with pytest.raises(InputError, match=said):
        qkd_study.run(study, **options)
    assert {name for name in set(os.environ) - before if not name.startswith("KMP_")} == set()
    assert not (tmp_path / "results").exists()


def test_only_the_main_thread_runs() -> None:
    found: list[BaseException] = []

    def call() -> None:
        try:
            qkd_study.run(tiny())
        except InputError as error:
            found.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert "the main thread" in str(found[0])


def test_what_a_drive_changes_is_put_back() -> None:
    def of_process() -> tuple[Any, ...]:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)]
        return {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH_")}, handlers

    before = of_process()

    def drive() -> None:
        with restored(local=True):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            os.environ["PATH"] = ""
            assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
            raise InterruptedStart

    with pytest.raises(KeyboardInterrupt) as raised:
        drive()
    assert type(raised.value) is KeyboardInterrupt  # the process need not end
    assert of_process() == before


def test_a_plan_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = qkd_study.plan(tiny(), forecast=False)
    assert found.forecast is None
    assert found.counts.runs == 2 * (3 + 20)
    assert repr(found).splitlines()[0] == "tiny: Does it run?"
    assert "46 runs and at most 23 teachers in all" in repr(found)
    with pytest.raises(InputError, match=r"cpus must be integers from 1 to .* got 0"):
        qkd_study.plan(tiny(), cpus=0)


def test_a_file_that_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = tiny(
        setting=qkd_study.ClassicalToClassical(), datasets=(DataFile("mine.csv", name="mine"),),
        fixed={"samples": 10, "validation_samples": 10}, arms=("scratch",),
    )  # fmt: skip
    rows = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 20, "b": 1.0, "label": [0, 1] * 40})
    rows.to_csv("mine.csv", index=False)
    assert qkd_study.plan(study, forecast=False).counts.runs
    rows.iloc[:16].to_csv("mine.csv", index=False)
    with pytest.raises(InputError, match="samples"):
        qkd_study.plan(study, forecast=False)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_of_declared_parts_has_a_text(path: Path, tmp_path: Path) -> None:
    study = load_study(path)
    text = source_text(study)
    assert text is not None
    (tmp_path / "other.py").write_text(text)
    again = load_study(tmp_path / "other.py")
    assert declaration(again) == declaration(study)
    assert fingerprint(again, "d") == fingerprint(study, "d")
    assert again.datasets == study.datasets


def test_everything_declared_is_in_the_text(tmp_path: Path) -> None:
    study = tiny(
        setting=ClassicalToQuantum(Mlp((3, 4)), FullyQuantum(scale=True)),
        datasets=(Subset(DataFile(tmp_path / "a b.csv", label='"'), (1, 0)), "xor4"),
        factors={"samples": (20, 50)},
        fixed={"qubits": 6},
        search={"learning_rate": LogFloat(1e-3, 3e-2), "batch_size": Choice(4, 8)},
        arms=("scratch", Arm("x", ("soft",), spoiled="shuffled labels", question="Why?\n'")),
        claims=(Claim(says="It “helps”.", better="x", than="scratch", margin=0.01),),
        replicates=Replicates(search=2, confirm=(4, 8)),
    )
    text = source_text(study)
    assert text is not None
    assert "trial_cpus" not in text  # it is as by default


@pytest.mark.parametrize(
    "changes",
    [
        {"arms": ("scratch", Arm("own", (own_loss,)))},
        {"datasets": (Arrays("mine", np.ones((8, 1)), np.arange(8) % 2),)},
    ],
)
def test_parts_of_ones_own_have_no_text(changes: dict[str, Any]) -> None:
    assert source_text(tiny(**changes)) is None


def test_a_call_goes_on_as_a_command_does() -> None:
    parsed = build_parser().parse_args(["run", "x.py", "--new", "--cpus=2", "--set=epochs=3"])
    assert command(parsed) is None
    parsed = argparse.Namespace(**{**vars(parsed), "study": None})
    given = "set=['epochs=3'], new=True, cpus=2"
    assert command(parsed) == [f"qkd_study.run(study, {given})"]
    again = "set=['epochs=3'], cpus=2, retry_failed=True"
    assert continue_command(parsed, retry_failed=True) == f"qkd_study.run(study, {again})"


def test_a_class_without_a_file_is_known_by_what_it_does() -> None:
    def said(width: str) -> Any:  # as in a notebook, where no file holds the source of a class
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(f"class Net:\n    def width(self):\n        return {width}", names)
        return canonical(names["Net"])

    assert said("8") == said("8")
    assert said("8") != said("9")
    assert said("self in {1, 2}") != said("self in {1, 3}")


PAGE = (Path(__file__).parents[2] / "docs" / "from_python.md").read_text()
BEFORE = """
import os, signal, threading, time
from pathlib import Path

signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1
def environment():  # Ray reads its token once per process, and torch sets KMP's variables
    mine = os.environ.items()
    return {name: value for name, value in mine if not name.startswith(("RAY_A", "KMP"))}

before = environment(), [signal.getsignal(number) for number in signals]
"""
INTERRUPTED = """
def interrupt():
    while not list(Path("results").glob("closer/*/runs/search-*")):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    qkd_study.run(study, cpus=1, replicates=100)
except KeyboardInterrupt:
    print("It was interrupted.")
"""
AFTER = """
import ray

assert environment() == before[0], set(environment().items()) ^ set(before[0].items())
assert [signal.getsignal(number) for number in signals] == before[1]
assert not ray.is_initialized()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_the_page_runs_as_a_notebook_and_goes_on_after_an_interrupt(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    declared, planned, run, more = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    codes = [BEFORE, declared, planned, INTERRUPTED, run, more, AFTER]
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    book = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(book, timeout=500, resources={"metadata": {"path": tmp_path}})
    client.execute()
    text = ["".join(o.get("text", "") for o in cell.outputs) for cell in book.cells]
    assert "at most" in text[2]
    assert "This goes on where it stopped: qkd_study.run(study, replicates=100, cpus=1)" in text[3]
    assert text[3].endswith("It was interrupted.\n")
    assert "gain over scratch, paired" in text[4]
    live = [o for o in book.cells[5].outputs if o.output_type == "display_data"]
    assert len(live) == 1  # one output, whose text is replaced
    (run_folder,) = {path.resolve() for path in tmp_path.glob("results/closer/*")}
    assert not (run_folder / "study.py").exists()
    with pytest.raises(InputError, match="run from Python, with parts of its own"):
        Replayer.of(RunFolder(run_folder))
