"""`qkd-study completion`: a script that completes commands, options and their values in a shell."""

from __future__ import annotations

import argparse
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from qkd_study.common.exit_codes import DONE


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes:
        flags: its names.
        about: its help, without what argparse puts in.
        takes_value: whether a value follows.
        choices: the values it may have; empty if it may be any, such as a file.
    """

    flags: tuple[str, ...]
    about: str
    takes_value: bool
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name, about: itself and its help.
        options: those it takes.
        words: what its arguments may be, where they are not files or names.
    """

    name: str
    about: str
    options: tuple[Option, ...]
    words: tuple[str, ...]


def completion(options: Namespace) -> int:
    """`qkd-study completion`: print the script of a shell."""
    from qkd_study.cli.parser import build_parser

    print(SCRIPTS[options.shell](commands_of(build_parser())), end="")
    return DONE


def commands_of(parser: argparse.ArgumentParser) -> list[Command]:
    """The commands of a parser with subparsers."""
    return list(_commands(parser))


def _commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    for action in parser._actions:
        if isinstance(action.choices, Mapping):
            action_helps: Any = action
            helps = {one.dest: one.help or "" for one in action_helps._choices_actions}
            for name, sub in action.choices.items():
                yield _command(name, helps[name], sub)


def _command(name: str, about: str, parser: argparse.ArgumentParser) -> Command:
    options: list[Option] = []
    words: list[str] = []
    for action in parser._actions:
        choices = tuple(map(str, action.choices or ()))
        if not action.option_strings:
            words += choices
            continue
        about_it = "" if action.help is None else action.help.replace("%%", "%")
        options.append(Option(tuple(action.option_strings), about_it, action.nargs != 0, choices))
    return Command(name, about, tuple(options), tuple(words))


def bash(commands: list[Command]) -> str:
    """A script for bash: `eval "$(qkd-study completion bash)"`.

    Where it has no words, such as for studies and runs, bash completes names of files.
    """
    names = " ".join(command.name for command in commands)
    lines = [
        "_qkd_study() {",
        '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local command="${COMP_WORDS[1]}" options="" words=""',
        "    COMPREPLY=()",
        '    if [ "$COMP_CWORD" -eq 1 ]; then',
        f'        COMPREPLY=($(compgen -W "{names} --help --version" -- "$current"))',
        "        return",
        "    fi",
        '    case "$command $previous" in',
    ]
    for command in commands:
        for option in command.options:
            if option.takes_value:
                pattern = " | ".join(f'"{command.name} {flag}"' for flag in option.flags)
                words = " ".join(option.choices)
                found = f'COMPREPLY=($(compgen -W "{words}" -- "$current"))' if words else ":"
                lines.append(f"        {pattern}) {found}; return ;;")
    lines += ["    esac", '    case "$command" in']
    for command in commands:
        flags = " ".join(flag for option in command.options for flag in option.flags)
        lines.append(
            f'        {command.name}) options="{flags}" words="{" ".join(command.words)}" ;;'
        )
    lines += [
        "    esac",
        '    case "$current" in',
        '        -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;',
        '        *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;',
        "    esac",
        "}",
        "complete -o default -F _qkd_study qkd-study",
        "",
    ]
    return "\n".join(lines)


def zsh(commands: list[Command]) -> str:
    """A script for zsh, which completes as bash does: `eval "$(qkd-study completion zsh)"`."""
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash(commands)}"


def fish(commands: list[Command]) -> str:
    """A script for fish: `qkd-study completion fish | source`."""
    lines = []
    for command in commands:
        about = shlex.quote(command.about)
        lines.append(
            f"complete -c qkd-study -f -n __fish_use_subcommand -a {command.name} -d {about}"
        )
    for command in commands:
        start = f"complete -c qkd-study -n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"{start} -a {shlex.quote(' '.join(command.words))}"] if command.words else []
        for option in command.options:
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in option.flags
            )
            value = " -r" if option.takes_value else ""
            if option.choices:
                value = f" -x -a {shlex.quote(' '.join(option.choices))}"
            lines.append(f"{start} {flags}{value} -d {shlex.quote(option.about)}")
    return "\n".join([*lines, ""])


SCRIPTS: Mapping[str, Callable[[list[Command]], str]] = MappingProxyType(
    {"bash": bash, "zsh": zsh, "fish": fish}
)
