"""Command lines that nobody should type."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from qkd_study.study import PARAMETERS
from tests.faults.damage import as_root, write_run
from tests.faults.sources import PREAMBLE, RIGHT

#: Numbers that are none, too large, too small, or not of the kind asked for.
_NUMBERS = (
    "0",
    "-1",
    "1",
    "2",
    "x",
    "",
    "1e3",
    "1.5",
    "nan",
    "-inf",
    "9" * 30,
    "9" * 5000,
    "1_0",
    "٣",
)
_WORDS = (
    *(
        "",
        " ",
        "-",
        "--",
        "a b",
        "é",
        "量子",
        "x" * 300,
        "x" * 5000,
        "..",
        ".",
        "/",
        "//",
        "~",
        "*",
    ),
    *(
        "**",
        "[",
        "[a",
        "{}",
        "%s",
        "%",
        "\\",
        "'",
        '"',
        "\n",
        "\x1b[31m",
        "\ud800",
        "a\0b",
        "=",
        "a=b",
    ),
    *("made", "made/1", "made/2", "made/latest", "made/", "/made/1", "../made", "results/made/1"),
    *("none", "digits", "mnits", "right.py", "empty.py", "folder.py", "text.csv", "-x", "--nosuch"),
)
_FILES: tuple[str, ...] = (
    "right.py",
    "empty.py",
    "binary.py",
    "folder.py",
    "folder",
    "dangling.py",
    "loop.py",
    "no.py",
)
_FILES += ("unreadable.py", "text.csv", ".", "/", "", "right.py/x", "/dev/null", "x" * 300 + ".py")
_FILES += ("naïve µ.py", ".py", "a\0b.py", "-", "~", "results/made/1/runs/search.parquet")


def write_places(folder: Path) -> None:
    """The files that command lines name: one study that is right, and others."""
    (folder / "right.py").write_text(f"{PREAMBLE}\n{RIGHT[0]}")
    (folder / "naïve µ.py").write_text(f"{PREAMBLE}\n{RIGHT[2]}", encoding="utf-8")
    (folder / ".py").write_text(f"{PREAMBLE}\n{RIGHT[2]}")
    (folder / "empty.py").touch()
    (folder / "binary.py").write_bytes(bytes(range(256)))
    (folder / "text.csv").write_text("a,b\n1,2\n")
    (folder / "unreadable.py").write_text("study = 1")
    if not as_root():
        (folder / "unreadable.py").chmod(0)
    for name in ("folder.py", "folder"):
        (folder / name).mkdir()
    (folder / "dangling.py").symlink_to("nothing")
    (folder / "loop.py").symlink_to("loop.py")
    write_run(folder / "results")


_word = st.sampled_from(_WORDS) | st.text(max_size=5)
_set = st.builds(
    "{}={}".format,
    st.sampled_from([*PARAMETERS, "nosuch", ""]),
    st.sampled_from(_NUMBERS) | st.sampled_from(["adam", "angle", "lightning.qubit"]) | _word,
)
_OPTIONS: dict[str, st.SearchStrategy[str] | None] = {
    "--quick": None,
    "--json": None,
    "--new": None,
    "--dataset": st.sampled_from(["digits", "checkerboard", "three"]) | _word,
    "--seed": st.sampled_from(_NUMBERS),
    "--trials": st.sampled_from(_NUMBERS),
    "--replicates": st.sampled_from(_NUMBERS),
    "--set": _set | _set | _word,
    "--out": st.sampled_from(["results", "right.py", "/proc/x", "no/such", "folder"]) | _word,
    "--to": st.sampled_from(["right.py", "/proc/x", "right.py/x"]),
    "--cpus": st.sampled_from(_NUMBERS),
    "--address": st.sampled_from(["auto", "no", "a:b", "a:1", "/x:1", "http://", ":1"]) | _word,
    "--log": _word,
    "--recalibrate": None,
    "--time-limit": st.sampled_from(_NUMBERS),
    "--time-budget": st.sampled_from([*_NUMBERS, "30m", "1h1h", "m", "1s2h", "0s"]) | _word,
    "--retry-failed": None,
    "--phase": st.sampled_from(["search", "confirm", "x"]),
    "--cell": st.sampled_from(["samples=50", "x"]) | _word,
    "--arm": st.sampled_from(["soft", "x"]) | _word,
    "--trial": st.sampled_from(_NUMBERS),
    "--replicate": st.sampled_from(_NUMBERS),
}
_OF = {
    "plan": [
        "--quick",
        "--json",
        "--dataset",
        "--seed",
        "--trials",
        "--replicates",
        "--set",
        "--set",
    ],
    "list": ["--out", "--json"],
    "status": ["--out", "--json"],
    "report": ["--to"],
    "replay": ["--phase", "--cell", "--arm", "--trial", "--replicate", "--json", "--out"],
    "data": [],
}
_OF["run"] = [*_OF["plan"], "--new", "--out", "--cpus", "--address", "--time-limit"]
_OF["run"] += ["--retry-failed", "--log", "--time-budget"]
_OF["plan"] += ["--cpus", "--recalibrate"]
_COMMANDS = ("plan", "plan", "run", "run", "status", "list", "report", "replay", "data")


@st.composite
def command_line(draw: st.DrawFn) -> list[str]:
    """Arguments of `qkd-study`: a command with what it takes and does not take."""
    command = draw(st.sampled_from(_COMMANDS))
    argv = [command]
    if command in ("plan", "run"):
        argv.append(draw(st.sampled_from(_FILES) | st.just("right.py") | st.just("right.py")))
    if command in ("status", "replay"):
        argv.append(draw(_word))
    if command == "report":  # what there is takes seconds to draw
        names = draw(st.lists(_word.filter(lambda w: "made" not in w), min_size=1, max_size=2))
        argv += names if draw(st.booleans()) else [*names, "made"]
    if command == "data":
        argv += [draw(st.sampled_from(["check", "check", "fetch", "lost", ""]))]
        argv += [draw(st.sampled_from(["digits", "mnits", "fashion-mnist:1,2"]) | _word)]
    for option in draw(st.lists(st.sampled_from(_OF[command] or ["--json"]), max_size=3)):
        values = _OPTIONS[option]
        argv += [option] if values is None else [option, draw(values)]
    if draw(st.integers(0, 5)) == 0:
        argv.insert(draw(st.integers(0, len(argv))), draw(_word))
    if command == "plan":  # a forecast trains
        argv.append("--no-forecast")
    # Nothing here is to train: what is not refused before is refused for this.
    return [*argv, "--cpus=-1"] if argv[:1] == ["run"] or "run" in argv else argv
