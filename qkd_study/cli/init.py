"""`qkd-study init`."""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from qkd_study import data as datasets
from qkd_study.common.errors import InputError
from qkd_study.common.exit_codes import DONE
from qkd_study.common.names import unknown
from qkd_study.data import DataFile, DataSource, within
from qkd_study.data.data_file import ENDINGS
from qkd_study.planning.plan import make_plan
from qkd_study.study.load import load_study
from qkd_study.study.templates import TEMPLATES, study_text

#: The dataset that a terminal offers first: it needs no download.
OFFERED = "digits"


def init(options: Namespace) -> int:
    """`qkd-study init`: write a commented study file that passes `plan`."""
    path = Path(options.file)
    if path.suffix != ".py":
        raise InputError(f"{path} must end in .py: a study file is Python.")
    if os.path.lexists(path):
        raise InputError(f"{path} exists already, and is not overwritten. Name another file.")
    setting = options.setting or _ask_for_setting()
    if setting not in TEMPLATES:
        raise InputError(unknown("setting", setting, TEMPLATES))
    given = options.dataset or _ask("dataset, or a file of your own", OFFERED)
    source, entry = _dataset(given, options.label)
    dataset = datasets.load(datasets.choose([within(source, Path.cwd())])[0])
    names = ("DataFile",) if isinstance(source, DataFile) else ()
    text = study_text(setting, dataset, entry, names)
    folder = path.absolute().parent
    with tempfile.TemporaryDirectory(prefix="qkd-study-") as scratch:
        copy = Path(scratch) / path.name
        copy.write_text(text, encoding="utf-8")
        try:
            make_plan(load_study(copy, original=str(folder / path.name)), dataset)
        except InputError as error:
            raise InputError(
                f"no study of {setting} can be written for {given}: {error}".replace(
                    f"{copy}: ", ""
                )
            ) from None
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    print(f"{path}: {TEMPLATES[setting].about}. Next: qkd-study plan {path}")
    return DONE


def _dataset(given: str, label: str) -> tuple[DataSource, str]:
    """The dataset that is meant, and its entry in the study file."""
    if not given.lower().endswith(ENDINGS):
        datasets.source(given)  # raises if there is none
        return given, f'"{given}"'
    place = repr(given)
    if Path(given).suffix.lower() == ".npz":
        return DataFile(given), f"DataFile({place})"
    of = "" if label == "label" else f", label={label!r}"
    return DataFile(given, label=label, standardise=True), (
        f"DataFile({place}{of}, standardise=True)"
    )


def _ask_for_setting() -> str:
    """Ask a terminal which setting is meant, by number or name."""
    names = list(TEMPLATES)
    if not sys.stdin.isatty():
        raise InputError(f"say who teaches whom with --setting: {', '.join(names)}.")
    for number, name in enumerate(names, 1):
        print(f"{number}  {name}: {TEMPLATES[name].about}")
    answer = _ask("setting", names[0])
    return dict(zip(map(str, range(1, len(names) + 1)), names, strict=True)).get(answer, answer)


def _ask(what: str, default: str) -> str:
    """Ask a terminal; elsewhere, and for an empty answer, the default."""
    if not sys.stdin.isatty():
        return default
    try:
        return input(f"{what} [{default}]: ").strip() or default
    except EOFError:
        raise InputError(f"no {what} was given. Name it with an option; see --help.") from None
