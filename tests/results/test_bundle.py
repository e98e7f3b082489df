"""Bundles: a run in a file, whose rows come out again without the dataset."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qkd_study import ClassicalToClassical, Study
from qkd_study import data as datasets
from qkd_study.cli.main import main
from qkd_study.common.errors import InputError
from qkd_study.data import Dataset
from qkd_study.results import RunFolder, find_run, read_table
from qkd_study.results.bundle import _datasets, write_bundle
from qkd_study.results.bundle_reading import CONTENTS, opened_run, unpack
from qkd_study.results.replay import Replayer
from qkd_study.study.files import digest_of

Captured = pytest.CaptureFixture[str]


def found(run: Path) -> RunFolder:
    return find_run(str(run / "results" / "tiny" / "latest"), run)


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny.zip"
    made = write_bundle(found(run), path)
    assert made.size == path.stat().st_size
    assert (made.licences, made.left_out) == ({"digits": "CC BY 4.0 (UCI)"}, ())
    return path


def test_rows_come_out_again_without_the_dataset(
    run: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_dataset(entry: object) -> None:
        raise InputError(f"{entry} is not on this machine.")

    monkeypatch.setattr(datasets, "load", no_dataset)
    with opened_run(str(bundle), "results") as folder:
        rows = read_table(folder.path, "runs")
        assert rows.equals(read_table(found(run).path, "runs"))
        replayer = Replayer.of(folder)
        for row in rows[rows["status"] == "ok"].iloc[::9].to_dict("records"):
            assert replayer.replay({str(key): value for key, value in row.items()}) == []
        place = folder.path
    assert not place.exists()
    with pytest.raises(InputError, match="is not on this machine"):
        Replayer.of(found(run))


def test_the_commands(run: Path, tmp_path: Path, capsys: Captured) -> None:
    place = str(run / "results" / "tiny" / "latest")
    assert main(["bundle", place, "--to", str(tmp_path / "b.zip")]) == 0
    said = capsys.readouterr().out
    assert "data of digits: CC BY 4.0 (UCI)" in said
    bad = {
        "b.zip": "exists already",
        "b.tar": "must be a file that ends in .zip",
        "none/b.zip": "is no folder",
    }
    for name, message in bad.items():
        assert main(["bundle", place, "--to", str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


def test_the_same_run_makes_the_same_bytes(run: Path, bundle: Path, tmp_path: Path) -> None:
    write_bundle(found(run), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


Entries = dict[str, bytes]


def contents(entries: Entries, change: Callable[[dict[str, Any]], None]) -> None:
    name = next(name for name in entries if name.endswith(CONTENTS))
    about = json.loads(entries[name])
    change(about)
    entries[name] = json.dumps(about).encode()


def flipped(entries: Entries) -> None:
    name = next(name for name in entries if name.endswith("study.py"))
    entries[name] = entries[name].replace(b"Does it run?", b"Does it walk")


def without(entries: Entries) -> None:
    del entries[next(name for name in entries if name.endswith("study.py"))]


def nested(entries: Entries) -> None:
    name = next(name for name in entries if name.endswith(CONTENTS))
    entries[name] = b"[" * 10**6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flipped, "study.py has SHA-256 .* It is damaged"),
        (without, "lacks 'tiny/.*/study.py'. Nothing was unpacked"),
        (lambda e: e.update({"tiny/x": b""}), "has, beside its contents, 'tiny/x'"),
        (lambda e: e.update({"../x": b""}), r"could write elsewhere: '\.\./x'"),
        (lambda e: e.update({"tiny/../../x": b""}), "could write elsewhere"),
        (lambda e: e.update({"/tmp/x": b""}), "could write elsewhere: '/tmp/x'"),
        (lambda e: e.update({"C:/x": b""}), "could write elsewhere: 'C:/x'"),
        (lambda e: e.update({"tiny\\x": b""}), "could write elsewhere"),
        (lambda e: e.update({"tiny/x/": b""}), "could write elsewhere"),
        (lambda e: e.clear(), "is no bundle: it has 0 entries STUDY/RUN_ID/bundle/bundle.json"),
        (nested, "cannot be read as a bundle"),
        (lambda e: contents(e, lambda a: a.update(version=2)), "is of version 2, but this"),
        (lambda e: contents(e, lambda a: a.update(files=[])), "does not list files"),
        (lambda e: contents(e, lambda a: a["files"].update(x=3)), "lacks 'tiny/.*/x'"),
    ],
)
def test_what_is_no_bundle_is_refused(
    bundle: Path, tmp_path: Path, change: Callable[[Entries], None], message: str
) -> None:
    with zipfile.ZipFile(bundle) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    path, folder = tmp_path / "bad.zip", tmp_path / "folder"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    folder.mkdir()
    with pytest.raises(InputError, match=message):
        unpack(path, folder)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bad.zip", "folder"]


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "link.zip"
    entry = zipfile.ZipInfo("tiny/link")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match="could write elsewhere: 'tiny/link'"):
        unpack(path, tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", bytes(100)])
def test_other_files_are_refused(tmp_path: Path, capsys: Captured, content: bytes) -> None:
    path = tmp_path / "other.zip"
    path.write_bytes(content)
    assert main(["replay", str(path), "--phase", "confirm"]) == 2
    assert "cannot be read as a bundle" in capsys.readouterr().err


def test_data_are_read_without_pickle(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path)  # as a person would
    folder = RunFolder(next(tmp_path.glob("tiny/*")))
    assert Replayer.of(folder).dataset.digest == datasets.load("digits").digest
    arrays = io.BytesIO()
    np.savez(arrays, allow_pickle=True, pool_raw=np.array([print], dtype=object))
    (folder.path / "bundle" / "data" / "0.npz").write_bytes(arrays.getvalue())
    with pytest.raises(InputError, match=r"the data of 'digits' are damaged: .*allow_pickle=False"):
        Replayer.of(folder)


def test_the_page_has_the_licences() -> None:
    page = (Path(__file__).parents[2] / "docs" / "bundles.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")][2:]
    listed = {name: row[2].strip() for row in rows for name in row[1].strip().split(", ")}
    assert listed.keys() == datasets.SOURCES.keys()
    for name, source in datasets.SOURCES.items():
        assert source.licence.split(" ")[0].rstrip(",") in listed[name]
        assert bool(source.licence) == ("none is stated" not in listed[name])


def test_data_without_a_licence_stay_out() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8), np.arange(20) % 10
    study = Study(question="?", setting=ClassicalToClassical(), datasets=("cifar-10",))
    replayer = Replayer(study, Dataset("cifar-10", x, y, x, y, 10, 255), same_machine=True)
    assert _datasets(replayer)["cifar-10"]["file"] is None


def test_files_of_the_study_are_in_it(run: Path, tmp_path: Path) -> None:
    """And an absolute path, which is no path elsewhere, is refused."""
    own = tmp_path / "own"
    shutil.copytree(found(run).path, own / "results" / "tiny" / "1")
    folder = RunFolder(own / "results" / "tiny" / "1")
    (own / "note.txt").write_text("temperature")
    places = ("__file__).with_name('note.txt'", repr(str(own / "note.txt")))
    for number, where in enumerate(places):
        source = (found(run).path / "study.py").read_text()
        reading = f"from pathlib import Path\nPath({where}).read_text()\n"
        (folder.path / "study.py").write_text(reading + source)
        manifest = json.loads((found(run).path / "study.json").read_text())
        manifest["sessions"][-1]["study_file"] = str(own / "tiny.py")
        digest = str(digest_of(own / "note.txt"))
        manifest["files"] = {"note.txt": digest}
        (folder.path / "study.json").write_text(json.dumps(manifest))
        path = tmp_path / f"{number}.zip"
        if number:
            with pytest.raises(InputError, match=r"note\.txt by an absolute path"):
                write_bundle(folder, path)
            assert not path.exists()
        else:
            write_bundle(folder, path)
            with zipfile.ZipFile(path) as archive:
                assert archive.read("tiny/1/bundle/files/note.txt") == b"temperature"
    manifest["files"] = {"../note.txt": digest}
    (folder.path / "study.json").write_text(json.dumps(manifest))
    (tmp_path / "note.txt").write_text("temperature")
    with pytest.raises(InputError, match=r"reads '\.\./note.txt', outside of its folder"):
        write_bundle(folder, tmp_path / "2.zip")
