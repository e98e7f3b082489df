"""The digits, and the copy of them that is kept so that scikit-learn need not be imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qkd_study.common.errors import StudyWarning
from qkd_study.data.digits import load_digits

ARRAYS = ("pool_raw", "pool_labels", "test_raw", "test_labels")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "qkd-study"


def test_they_are_scikit_learns(cache: Path) -> None:
    from sklearn.datasets import load_digits as load

    ours, theirs = load_digits(), load()
    rows = np.concatenate((ours.pool_raw, ours.test_raw)).reshape(1797, 64)
    labels = np.concatenate((ours.pool_labels, ours.test_labels))
    both = np.c_[rows, labels], np.c_[theirs.data, theirs.target].astype(int)
    first, second = (np.unique(one, axis=0) for one in both)
    assert np.array_equal(first, second)
    assert len(ours.test_labels) == 597


def test_the_copy_is_the_same(cache: Path) -> None:
    first = load_digits()
    assert [path.suffix for path in cache.iterdir()] == [".npz"]
    again = load_digits()
    assert again.digest == first.digest
    for name in ARRAYS:
        one, other = getattr(first, name), getattr(again, name)
        assert np.array_equal(one, other)
        assert one.dtype == other.dtype


def test_a_damaged_copy_is_made_anew(cache: Path) -> None:
    first = load_digits()
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    # A bit of the archive's and arrays' headers changes shapes, or raises whatever it likes.
    flipped = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(0, 260, 8)]
    ends = whole[:-1], whole + b"x"
    for damage in (b"", b"PK\x03\x04 something else", *ends, *flipped):
        path.write_bytes(damage)
        assert load_digits().digest == first.digest
        assert path.read_bytes() == whole


def test_without_a_folder_for_it(cache: Path) -> None:
    first = load_digits()
    shutil.rmtree(cache)
    cache.write_text("a file")
    with pytest.warns(StudyWarning, match=rf"cache folder {cache} cannot be used \(File exists\);"):
        assert load_digits().digest == first.digest


def test_with_a_folder_in_the_place_of_the_copy(cache: Path) -> None:
    first = load_digits()
    (path,) = cache.iterdir()
    path.unlink()
    path.mkdir()
    with pytest.warns(StudyWarning, match=r"cannot be used \(Is a directory\); going on without"):
        assert load_digits().digest == first.digest
    assert list(cache.iterdir()) == [path]


def test_a_copy_spares_the_import(cache: Path) -> None:
    code = """
import sys
from qkd_study.data.digits import load_digits
from qkd_study.common.errors import StudyWarning
load_digits()
print("sklearn" in sys.modules)
"""
    command = [sys.executable, "-c", code]
    said = [subprocess.check_output(command, text=True) for _ in range(2)]
    assert said == ["True\n", "False\n"]
