"""Completion scripts run in their shells, and complete every command and option that there is."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from qkd_study.cli.commands import COMMANDS
from qkd_study.cli.completion import SCRIPTS, commands_of
from qkd_study.cli.main import main
from qkd_study.cli.parser import build_parser

Captured = pytest.CaptureFixture[str]

IN_BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _qkd_study; printf '%s\\n' "${COMPREPLY[@]}"
"""
#: Words up to the one that is completed -> what it may become.
COMPLETED = {
    ("rep",): {"replay", "report"},
    ("run", "x.py", "--lo"): {"--log"},
    ("run", "--log", ""): {"tensorboard", "mlflow"},
    ("replay", "x", "--phase", "se"): {"search"},
    ("cache", "c"): {"clear"},
    ("completion", ""): {"bash", "zsh", "fish"},
}


def completed(shell: str, script: Path, words: tuple[str, ...]) -> set[str]:
    if shell == "fish":
        line = " ".join(("qkd-study", *words))
        command = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
    else:
        command = ["bash", "-c", IN_BASH, "bash", str(script), "qkd-study", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=script.parent, timeout=60
    )
    assert done.stderr == ""
    found = {line.split("\t")[0] for line in done.stdout.splitlines()}
    return {word for word in found if word.startswith(words[-1])} - {script.name, ""}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_words_are_completed(shell: str, tmp_path: Path, capsys: Captured) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert main(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    for words, expected in COMPLETED.items():
        assert completed(shell, script, words) == expected
    everything = {*COMMANDS, "--help", "--version"} if shell == "bash" else {*COMMANDS}
    assert completed(shell, script, ("",)) == everything


def test_zsh_reads_its_script(tmp_path: Path, capsys: Captured) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    assert main(["completion", "zsh"]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    used = f"autoload -U compinit; compinit -D; source {script}; print $_comps[qkd-study]"
    done = subprocess.run(
        ["zsh", "-f", "-c", used], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stderr, "_qkd_study" in done.stdout) == ("", True)


def test_every_option_is_in_every_script() -> None:
    commands = commands_of(build_parser())
    assert {command.name for command in commands} == {*COMMANDS}
    for command in commands:
        flags = [flag for option in command.options for flag in option.flags]
        sub = next(
            action.choices[command.name]
            for action in build_parser()._actions
            if isinstance(action, argparse._SubParsersAction)
        )
        assert all(flag in sub.format_help() for flag in flags)
        for name, script in SCRIPTS.items():
            text = script(commands)
            shown = [f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in flags]
            assert all(flag in text for flag in (shown if name == "fish" else flags))


def test_another_shell(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as left:
        main(["completion", "tcsh"])
    assert left.value.code == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
