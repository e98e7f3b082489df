"""MNIST from small files in its real format, and from a server on loopback."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_study import InputError
from qkd_study.data.idx_files import File, IdxFiles
from qkd_study.data.mnist import MNIST

RNG = np.random.default_rng(1)
IMAGES = RNG.integers(0, 256, (30, 28, 28)).astype(np.uint8)
CLASSES = (np.arange(30) % 10).astype(np.uint8)
ARRAYS = (IMAGES[:20], CLASSES[:20], IMAGES[20:], CLASSES[20:])


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist(folder: Path, contents: list[bytes], packed: bool = True) -> IdxFiles:
    """Write the four files, and declare them with their checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for real, content in zip(MNIST.files, contents, strict=True):
        stored = gzip.compress(content) if packed else content
        (folder / (real.name + ".gz" * packed)).write_bytes(stored)
        md5, sha256 = hashlib.md5(stored).hexdigest(), hashlib.sha256(content).hexdigest()
        files.append(File(real.name, md5, sha256))
    one, two, three, four = files
    return replace(MNIST, files=(one, two, three, four), servers=("http://127.0.0.1:9/",))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_mnist_from_the_folder(folders: Path, packed: bool, own: bool) -> None:
    folder = folders / "given" / ("mnist" if own else "")
    source = mnist(folder, [idx(a) for a in ARRAYS], packed)
    assert source.available()
    dataset = source.load()
    assert (dataset.name, dataset.shape, dataset.classes) == ("mnist", (28, 28), 10)
    np.testing.assert_array_equal(dataset.pool_raw, ARRAYS[0])
    np.testing.assert_array_equal(dataset.test_labels, ARRAYS[3])
    np.testing.assert_allclose(dataset.test_inputs(), ARRAYS[2] / 255, rtol=1e-6)


def test_mnist_from_a_server(folders: Path, file_server: str) -> None:
    source = mnist(folders / "served", [idx(a) for a in ARRAYS])
    dead = source.servers[0]
    source = replace(source, servers=(dead, file_server))
    assert source.available()
    with pytest.raises(InputError, match="Run `qkd-study data fetch mnist`"):
        source.load()
    source.fetch()
    here = folders / "cache" / "qkd-study" / "mnist"
    assert sorted(p.name for p in here.glob("[!.]*")) == sorted(f"{f.name}.gz" for f in MNIST.files)
    assert replace(source, servers=(dead,)).available()
    np.testing.assert_array_equal(source.load().pool_labels, ARRAYS[1])


def test_mnist_with_a_bad_download(folders: Path, file_server: str) -> None:
    source = mnist(folders / "served", [idx(a) for a in ARRAYS])
    bad = replace(source.files[0], md5_packed="0" * 32)
    source = replace(source, servers=(file_server,), files=(bad, *source.files[1:]))
    with pytest.raises(InputError, match=r"train-images.*sent a file with md5 .*, expected 0000"):
        source.fetch()


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        (0, idx(IMAGES[:20, :14]), "train-images.*an array of (20, 14, 28), not of (n, 28, 28)"),
        (0, idx(IMAGES[:20])[:-1], "train-images.*it holds 15679 bytes"),
        (0, b"\0\0\x09\1" + bytes(4), "train-images.*does not begin like an IDX file"),
        (1, idx(CLASSES[:19]), "train-labels.*labels of (19,) for 20 images"),
        (3, idx(CLASSES[20:] + 1), "t10k-labels.*the label 10, but labels are 0 to 9"),
    ],
)
def test_mnist_files_that_are_wrong(
    folders: Path, place: int, content: bytes, message: str
) -> None:
    contents = [idx(a) for a in ARRAYS]
    contents[place] = content
    source = mnist(folders / "given" / "mnist", contents)
    pattern = ".*".join(map(re.escape, message.split(".*"))) + ".*data fetch mnist"
    with pytest.raises(InputError, match=pattern):
        source.load()


def test_mnist_with_other_bytes_or_cut(folders: Path) -> None:
    folder = folders / "given" / "mnist"
    source = mnist(folder, [idx(a) for a in ARRAYS])
    path = folder / f"{MNIST.files[0].name}.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    with pytest.raises(InputError, match=re.escape(str(path)) + " is broken"):
        source.load()
    path.write_bytes(gzip.compress(idx(IMAGES[1:21])))
    with pytest.raises(InputError, match=r"unpacked bytes have sha256 .*, expected"):
        source.load()


def test_files_of_another_dataset_in_a_shared_folder(folders: Path) -> None:
    other = mnist(folders / "given", [idx(a[::-1]) for a in ARRAYS])
    assert other.available()
    source = mnist(folders / "elsewhere", [idx(a) for a in ARRAYS])
    assert not source.available()
    with pytest.raises(InputError, match=r"is in none of .*train-images.* holds something else"):
        source.load()
    mnist(folders / "given" / "mnist", [idx(a) for a in ARRAYS])
    np.testing.assert_array_equal(source.load().pool_raw, ARRAYS[0])


def test_the_real_one_is_declared_as_published() -> None:
    assert [f.md5_packed for f in MNIST.files] == [
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ]
