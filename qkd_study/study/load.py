"""Loads a study file: a Python file with `study = Study(...)`, which is executed."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from qkd_study.common.errors import InputError, StudyWarning, format_error
from qkd_study.common.seeds import seeded_globals
from qkd_study.data import within
from qkd_study.study.canonical import MODULE
from qkd_study.study.study import Study
from qkd_study.study.study_folder import study_folder

_EXAMPLE = 'It must bind one, as in: study = Study(question="...", factors={"samples": (20, 50)})'


def load_study(path: str | Path, original: str | None = None) -> Study:
    """Run the file at `path` and return its `study`, named after the file.

    Relative paths of its data files are resolved from its folder.

    Args:
        path: of the file.
        original: the file that it is a copy of, if so: relative paths are resolved from there.

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
    except (OSError, ValueError) as error:  # ValueError: an impossible file name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}.") from None
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno or 1}: not Python: {error.msg}.") from None
    except (RecursionError, MemoryError):
        raise InputError(f"{path}: not Python: an expression in it is nested too deeply.") from None
    except ValueError as error:
        raise InputError(f"{path}: not Python: {error}.") from None

    module = ModuleType(MODULE)
    module.__file__ = original or str(path)
    folder = Path(os.path.abspath(module.__file__)).parent
    sys.modules[module.__name__] = module  # dataclasses and pickle look here
    limit = sys.getrecursionlimit()
    try:
        try:
            with _seeded(source), study_folder(folder):
                exec(code, module.__dict__)
        finally:  # a lower limit could break the error handling
            sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))
    except (InputError, StudyWarning) as error:  # warnings, if the file made them errors
        raise InputError(f"{_place(path, error)}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too
        raise _failed(path, error) from None

    study = module.__dict__.get("study")
    if study is None:
        raise InputError(f"{path} binds no `study`. {_EXAMPLE}")
    if not isinstance(study, Study):
        raise InputError(f"{path}: `study` is {type(study).__name__}, not a Study. {_EXAMPLE}")
    located = tuple(within(entry, folder) for entry in study.datasets)
    with running(path):
        return study.replaced(name=study.name or _name(path), datasets=located)


@contextmanager
def _seeded(source: bytes) -> Iterator[None]:
    """Seed the generators while the study file runs: its data are the same at every load."""
    with ExitStack() as seeds:
        seeds.enter_context(seeded_globals(0))
        if b"torch" in source:  # importing torch takes long
            from qkd_study.common.randomness import seeded

            seeds.enter_context(seeded(0))
        yield


@contextmanager
def running(path: str | Path) -> Iterator[None]:
    """Name the study file at `path` in errors of a `with` block that may call its code.

    Raises:
        InputError: one was raised inside, or the file's own code failed.
    """
    path = Path(path)
    try:
        yield
    except (InputError, StudyWarning) as error:
        raise InputError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        if not _lines(path, error):
            raise
        raise _failed(path, error) from None


def _failed(path: Path, error: BaseException) -> InputError:
    return InputError(f"{_place(path, error)}: the study file failed: {format_error(error)}")


def _name(path: Path) -> str:
    """The file's name without `.py`, with characters that are valid in a folder's name."""
    name = "".join(c if c.isalnum() or c in "_.+-" else "-" for c in path.stem)
    return name.lstrip(".")[:100] or "study"


def _others(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    names = sorted(p.name for p in folder.glob("*.py")) if folder.is_dir() else []
    return f" {folder} holds: {', '.join(names)}." if names else ""


def _place(path: Path, error: BaseException) -> str:
    """The file, with the line in it where the error arose."""
    lines = _lines(path, error)
    return f"{path}:{lines[-1]}" if lines else str(path)


def _lines(path: Path, error: BaseException) -> list[int]:
    """The lines of the file in the error's traceback, the innermost last."""
    walked = traceback.walk_tb(error.__traceback__)
    return [line for frame, line in walked if frame.f_code.co_filename == str(path)]
