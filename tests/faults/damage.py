"""A small run on disk, and ways to damage it; files of data, and ways to break those."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from qkd_study import Replicates
from qkd_study.results.schema import schema
from tests.analysis.made import made_results, made_study

#: What may stand in the place of a value in study.json.
_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, -1, 10**30, 0.5, 1e308, "", "x", "samples", "\ud800", [], {}, [1], {"x": 1}]
    ),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    ),
)
#: Whole contents that no writer of ours leaves.
_CONTENTS = (b"", b"{}", b"[]", b"null", b"\xff\xfe", b"PAR1", b"PAR1PAR1", b"[" * 100_000, b"NaN")


def write_run(folder: Path) -> Path:
    """A complete run of four arms, in `folder`/made/1; returns its folder."""
    study = made_study(
        trials=2, replicates=Replicates(search=1, confirm=3), factors={"samples": (50,)}
    )
    made = made_results(study=study, epochs=2)
    run = folder / "made" / "1"
    for name, frame in (("runs", made.runs), ("curves", made.curves)):
        (run / name).mkdir(parents=True)
        for phase, rows in (("none", frame.iloc[:0]), *frame.groupby("phase")):
            at = run / name / ("columns.parquet" if phase == "none" else f"{phase}.parquet")
            pq.write_table(pa.Table.from_pandas(rows, schema(name), preserve_index=False), at)
    manifest = {**made.manifest, "run_id": "1", "arms": made.declaration["arms"]}
    plan = {"runs": 32, "cell_keys": list(made.cells), "arm_names": made.arms}
    (run / "study.json").write_text(json.dumps({**manifest, "plan": plan}))
    (run.parent / "latest").symlink_to("1")
    return run


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    for key, part in inner.items() if isinstance(inner, dict) else ():
        found += _places(part, (*path, key))
    return found


@st.composite
def damaged_json(draw: st.DrawFn, text: str) -> bytes:
    """study.json with one to three of its values changed, added or left out; or broken."""
    if draw(st.integers(0, 4)) == 0:
        whole = text.encode()
        return draw(st.sampled_from(_CONTENTS) | broken(whole))
    said = json.loads(text)
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        places = _places(said)
        path = draw(st.sampled_from(places)) if places else ()
        if not path:
            break
        holder = said
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()):
            del holder[path[-1]]
        else:
            holder[path[-1]] = draw(_JSON)
    return json.dumps(said).encode()


def broken(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file cut short, or with some bytes others."""

    def cut(at: float) -> bytes:
        return whole[: int(at * len(whole))]

    def changed(bytes_at: list[tuple[float, int]]) -> bytes:
        found = bytearray(whole)
        for at, byte in bytes_at:
            found[int(at * (len(found) - 1))] = byte
        return bytes(found)

    share = st.floats(0, 1, exclude_max=True)
    pairs = st.lists(st.tuples(share, st.integers(0, 255)), min_size=1, max_size=8)
    return share.map(cut) | pairs.map(changed)


def _column(change: Callable[[pd.DataFrame, str], pd.DataFrame]) -> Callable[[Path, str], None]:
    def spoil(path: Path, column: str) -> None:
        table = pq.read_table(path)
        frame = change(table.to_pandas(), column)
        made = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(made.replace_schema_metadata(table.schema.metadata), path)

    return spoil


#: Changes of a column of a Parquet file, which stays one.
_CHANGES: tuple[Callable[[Path, str], None], ...] = (
    _column(lambda frame, name: frame.drop(columns=name)),
    _column(lambda frame, name: frame.assign(**{name: None})),
    _column(lambda frame, name: frame.assign(**{name: "text"})),
    _column(lambda frame, name: frame.assign(**{name: float("nan")})),
    _column(lambda frame, name: frame.assign(**{name: 7})),
    _column(lambda frame, name: frame.assign(**{name: frame[name].where(frame.index % 2 == 0)})),
    _column(lambda frame, name: pd.concat([frame, frame])),
    _column(lambda frame, name: frame.iloc[:1]),
)


def _version(path: Path, version: bytes | None) -> None:
    table = pq.read_table(path)
    meta = {} if version is None else {b"qkd_study.version": version}
    pq.write_table(table.replace_schema_metadata(meta), path)


@st.composite
def damage(draw: st.DrawFn, run: Path) -> Callable[[Path], None]:
    """Something that spoils a copy of `run`."""
    files = sorted(str(p.relative_to(run)) for p in run.glob("*/*.parquet"))
    file = draw(st.sampled_from(files))
    kind = draw(st.integers(0, 9))
    if kind < 4:
        content = draw(damaged_json((run / "study.json").read_text()))
        return lambda copy: _write(copy / "study.json", content)
    if kind == 4:
        content = draw(st.sampled_from(_CONTENTS) | broken((run / file).read_bytes()))
        return lambda copy: _write(copy / file, content)
    if kind < 8:
        change = draw(st.sampled_from(_CHANGES))
        column = draw(st.sampled_from(schema(file.split("/")[0]).names))
        return lambda copy: change(copy / file, column)
    if kind == 8:
        version = draw(st.sampled_from([None, b"0", b"2", b"", b"\xff"]))
        return lambda copy: _version(copy / file, version)
    target = draw(st.sampled_from([file, "runs", "curves", "study.json", "../latest"]))
    how = draw(st.sampled_from([_remove, _folder, _loop]))
    return lambda copy: how(copy / target)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _folder(path: Path) -> None:
    _remove(path)
    path.mkdir()


def _loop(path: Path) -> None:
    _remove(path)
    path.symlink_to(path.name)


def right_files() -> dict[str, bytes]:
    """A data file of each kind, by ending."""
    x, y = np.arange(60 * 16.0).reshape(60, 4, 4) % 7, np.arange(60) % 3
    frame = pd.DataFrame(x.reshape(60, 16), columns=[f"f{i}" for i in range(16)]).assign(label=y)
    packed, table = io.BytesIO(), io.BytesIO()
    np.savez(packed, x=x, y=y)
    frame.to_parquet(table, index=False)
    text = frame.to_csv(index=False).encode()
    return {".npz": packed.getvalue(), ".csv": text, ".parquet": table.getvalue()}


_CELLS = (
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 400,
    "x",
    "1,2",
    '"',
    "1;2",
    "\x00",
    "\ufeff",
    "0x1",
    "True",
)
_ARRAYS = (
    *("np.zeros((60, 4))", "np.zeros((60, 4), complex)", "np.array(['a'] * 60)", "np.zeros(0)"),
    *("np.zeros((60, 0))", "np.array(3)", "np.full((60, 4), np.nan)", "np.full((60, 4), 1e300)"),
    *("np.array([object()] * 60)", "np.zeros(60, 'datetime64[s]')", "np.arange(60)", "[]", "{}"),
    *(
        "np.zeros(60, [('a', 'i4')])",
        "np.zeros((60, 2, 2, 2, 2))",
        "np.arange(60) % 2 == 0",
        "None",
    ),
    *(
        "np.arange(60) % 3",
        "np.arange(60.0) / 2",
        "np.zeros(60, 'V8')",
        "[[1, 2], [3]] * 30",
        "'xy'",
    ),
    *(
        "[1, 'a', None] * 20",
        "np.zeros((60, 4), np.float16)",
        "np.ma.array(np.ones((60, 4)), mask=True)",
        "loop",
    ),
    *(
        "pandas.Series(range(60)) % 3",
        "pandas.DataFrame({'a': range(60)})",
        "np.matrix(np.eye(60))",
    ),
    *(
        "pandas.Categorical(['a', 'b', 'c'] * 20)",
        "torch.zeros(60, 4, requires_grad=True)",
        "Liar()",
    ),
    *("torch.zeros(60, 4).to_sparse()", "np.arange(60) - 10**18", "np.full(60, 2**64 - 1, 'u8')"),
    *(
        "[10**30, 1] * 30",
        "[True, 2] * 30",
        "['1', 1] * 30",
        "Everything()",
        "iter([1, 2])",
        "b'ab'",
    ),
    *(
        "np.zeros((60, 4)).T",
        "np.zeros((60, 4), np.longdouble)",
        "np.array([[1, 'a']] * 60, object)",
    ),
    *(
        "failing('__array__')()",
        "failing('__len__', base=list)([1] * 60)",
        "np.broadcast_to(1, (60, 2))",
    ),
)
ARRAYS = st.sampled_from(_ARRAYS)


@st.composite
def data_file(draw: st.DrawFn, right: dict[str, bytes]) -> tuple[str, bytes]:
    """The ending and content of a file of data, broken or odd."""
    ending = draw(st.sampled_from(sorted(right)))
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return ending, draw(st.binary(max_size=40) | st.sampled_from(sorted(right.values())))
    if kind < 4 and ending == ".csv":
        lines = right[".csv"].decode().splitlines()
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, 5))
            cells = lines[at].split(",")
            cells[draw(st.integers(0, len(cells) - 1))] = draw(st.sampled_from(_CELLS))
            lines[at] = ",".join(cells[: draw(st.sampled_from((17, 17, 17, 16, 1, 0)))])
        return ending, "\n".join(lines[: draw(st.sampled_from((61, 61, 3, 2, 1)))]).encode()
    if kind < 4 and ending == ".npz":
        names = draw(
            st.sampled_from((("x", "y"), ("x",), ("x", "y", "test_x"), ("y", "x", "test_y")))
        )
        space = {"np": np}
        plain = [text for text in _ARRAYS if text.startswith("np.")]
        out = io.BytesIO()
        arrays = {name: eval(draw(st.sampled_from(plain)), space) for name in names}
        np.savez(out, **arrays)
        return ending, out.getvalue()
    if kind < 4:
        column = draw(st.sampled_from(_COLUMNS))
        where = draw(st.sampled_from(("label", "f", "f")))
        parts = {"f": pa.array(range(6)), "label": pa.array([0, 1, 2] * 2), where: column}
        sink = io.BytesIO()
        pq.write_table(pa.table(parts), sink)
        return ending, sink.getvalue()
    return ending, draw(broken(right[ending]))


_COLUMNS = (
    pa.array([[1], [2], [], None, [1], [1]]),
    pa.array([None] * 6),
    pa.array(["a", "b"] * 3),
    pa.array(["a", "b"] * 3).dictionary_encode(),
    pa.array([{"a": 1}] * 6),
    pa.array([1, None] * 3),
    pa.array([b"a", b"b"] * 3),
    pa.array([True, False] * 3),
    pa.array([0, 1, 2] * 2, pa.timestamp("s")),
    pa.array([0.5, float("nan"), 1.0] * 2),
    pa.array([2**63, 1, 2] * 2, pa.uint64()),
)


def as_root() -> bool:
    """Whether files that nobody may read can be read all the same."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
