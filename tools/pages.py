"""Pages of the site that do not lie in docs/: files of the top folder, and the table of parameters.

Links between all pages are those that work on GitHub; here they are turned to the site's pages.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from qkd_study import PARAMETERS
from qkd_study.study.config import TERMS

ROOT = Path(__file__).parent.parent
#: Pages of the site by the files that they show.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "results/README.md": "tables.md",
}


def parameters() -> str:
    """Every parameter of a run, as a page."""
    lines = ["# Parameters", "", "What `fixed`, `factors` and `search` of a study may name.", ""]
    lines += ["| parameter | default | meaning | allowed |", "| --- | --- | --- | --- |"]
    for p in PARAMETERS.values():
        cells = (f"`{p.name}`", f"`{p.default!r}`", p.meaning, p.allowed)
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "## Terms of the loss",
        "",
        "What the terms of an `Arm` may name; `own` is a function of the study file.",
        "",
    ]
    lines += ["| term | meaning | parameters |", "| --- | --- | --- |"]
    for term in TERMS.values():
        reads = [p.name for p in PARAMETERS.values() if term.name in p.terms]
        meaning = term.meaning or "; ".join(PARAMETERS[name].meaning for name in reads)
        lines.append(f"| `{term.name}` | {meaning} | {', '.join(f'`{name}`' for name in reads)} |")
    return "\n".join(lines) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    files.append(File.generated(config, "parameters.md", content=parameters()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links that are relative to the page's file into links to pages of the site."""
    here = page.file.src_uri
    sources = {shown: source for source, shown in ELSEWHERE.items()}
    folder = posixpath.dirname(sources.get(here, f"docs/{here}"))

    def turned(match: re.Match[str]) -> str:
        path, hash_, anchor = match[1].partition("#")
        if not path or re.match(r"\w+:", path):
            return match[0]
        target = posixpath.normpath(posixpath.join(folder, path))
        shown = ELSEWHERE.get(target, target.removeprefix("docs/"))
        return f"]({posixpath.relpath(shown, posixpath.dirname(here) or '.')}{hash_}{anchor})"

    return re.sub(r"\]\(([^()\s]+)\)", turned, markdown)
