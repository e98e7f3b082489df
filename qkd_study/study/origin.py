"""Where a study comes from: a study file, or Python code that calls `qkd_study.run`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from qkd_study.study.files import FilesRead
from qkd_study.study.load import running
from qkd_study.study.source_text import source_text
from qkd_study.study.study import Study


@dataclass(frozen=True)
class Origin:
    """Where a study comes from.

    Attributes:
        file: the study file; `None` for an object of a script or notebook.
    """

    file: str | None

    def __str__(self) -> str:
        """For messages."""
        return "the study" if self.file is None else self.file

    def files(self) -> FilesRead:
        """A recorder of the files that the study's code reads, named from its folder."""
        return FilesRead(Path.cwd()) if self.file is None else FilesRead.by(self.file)

    def running(self) -> AbstractContextManager[None]:
        """Name the file in errors of a `with` block that may call the study's code.

        Raises:
            InputError: see `load.running`.
        """
        return nullcontext() if self.file is None else running(self.file)

    def text(self, study: Study) -> bytes | None:
        """The study as a study file; `None` if no file can say what it is made of."""
        if self.file is not None:
            return Path(self.file).read_bytes()
        text = source_text(study)
        return None if text is None else text.encode()
