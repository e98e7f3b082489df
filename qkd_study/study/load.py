"""Loading a study file: a Python file that binds `study = Study(...)`. It is code, and is run."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

from qkd_study.errors import InputError
from qkd_study.study.study import Study

#: What the module of a study file is called; workers get what it defines by value.
MODULE = "qkd_study_file"

_EXAMPLE = 'It must bind one, as in: study = Study(question="...", factors={"samples": (20, 50)})'


def load_study(path: str | Path) -> Study:
    """Run the file at `path` and return its `study`, named after the file.

    Raises:
        InputError: there is no such file, it is not Python, it fails, or it binds no `Study`.
    """
    path = Path(path)
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such study file.{_others(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder. Name a study file in it.{_others(path)}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno or 1}: not Python: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: not Python: {error}.") from None

    module = ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickles of the file's classes look here
    try:
        exec(code, module.__dict__)
    except InputError as error:
        raise InputError(f"{_place(path, error)}: {error}") from None
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{_place(path, error)}: the study file failed: {said}") from None

    study = module.__dict__.get("study")
    if study is None:
        raise InputError(f"{path} binds no `study`. {_EXAMPLE}")
    if not isinstance(study, Study):
        raise InputError(f"{path}: `study` is {type(study).__name__}, not a Study. {_EXAMPLE}")
    return study if study.name else study.replaced(name=_name(path))


def _name(path: Path) -> str:
    return "".join(c if c.isalnum() or c in "_.+-" else "-" for c in path.stem)


def _others(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    names = sorted(p.name for p in folder.glob("*.py")) if folder.is_dir() else []
    return f" {folder} holds: {', '.join(names)}." if names else ""


def _place(path: Path, error: BaseException) -> str:
    """The file, with the line in it where the error arose."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)
