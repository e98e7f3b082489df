"""CIFAR-10 from small archives in its real format, and from a server on loopback."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_study import InputError
from qkd_study.data.cifar10 import CIFAR10, CifarArchive

RNG = np.random.default_rng(1)
PIXELS = RNG.integers(0, 256, (6, 4, 3, 32, 32)).astype(np.uint8)
LABELS = RNG.integers(0, 10, (6, 4)).astype(np.uint8)
FOLDER = "cifar-10-batches-bin"
MEMBERS = [
    f"{FOLDER}/{name}.bin" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
]


def batches() -> dict[str, bytes]:
    records = np.concatenate((LABELS[..., None], PIXELS.reshape(6, 4, -1)), axis=2)
    return {name: batch.tobytes() for name, batch in zip(MEMBERS, records, strict=True)}


def cifar(folder: Path, contents: dict[str, bytes | tarfile.TarInfo]) -> CifarArchive:
    """Write the archive, and declare it with its checksum."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CIFAR10.file
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    return replace(CIFAR10, md5=md5, records=4, servers=("http://127.0.0.1:9/",))


@pytest.mark.parametrize("folder", ["given", "given/cifar-10", "cache/qkd-study/cifar-10"])
def test_cifar(folders: Path, folder: str) -> None:
    extra = {f"{FOLDER}/readme.html": b"<html>", "../outside": b"x"}
    source = cifar(folders / folder, {**extra, **batches()})
    dataset = source.load()
    assert (dataset.name, dataset.shape, dataset.classes) == ("cifar-10", (3, 32, 32), 10)
    np.testing.assert_array_equal(dataset.pool_raw, PIXELS[:5].reshape(20, 3, 32, 32))
    np.testing.assert_array_equal(dataset.pool_labels, LABELS[:5].ravel())
    np.testing.assert_array_equal(dataset.test_labels, LABELS[5])
    np.testing.assert_allclose(dataset.test_inputs(), PIXELS[5] / 255, rtol=1e-6)
    assert [p.name for p in (folders / folder).iterdir()] == [CIFAR10.file]  # nothing unpacked
    assert not list(folders.rglob("outside"))


def test_cifar_from_a_server(folders: Path, file_server: str) -> None:
    source = replace(cifar(folders / "served", {**batches()}), servers=(file_server,))
    assert source.available()
    with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz is in none of .*given"):
        source.load()
    seen: list[tuple[int, int]] = []
    source.fetch(lambda *counts: seen.append(counts))
    assert seen[-1][0] == seen[-1][1] > 0
    assert source.load().pool_raw.shape == (20, 3, 32, 32)
    (folders / "cache/qkd-study/cifar-10" / CIFAR10.file).unlink()
    with pytest.raises(InputError, match="expected 1234"):
        replace(source, md5="1234").fetch()


def link() -> tarfile.TarInfo:
    member = tarfile.TarInfo(MEMBERS[0])
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {MEMBERS[0]: bytes(4 * 3073 - 1)},
            "data_batch_1.bin in it has 12291 bytes, expected 12292",
        ),
        ({MEMBERS[5]: bytes(5 * 3073)}, "test_batch.bin in it has 15365 bytes, expected 12292"),
        ({MEMBERS[1]: bytes(3073) + b"\x0a" + bytes(3 * 3073 - 1)}, "record 1 of .*label 10"),
        ({MEMBERS[0]: link()}, "data_batch_1.bin in it is not a plain file"),
        ({MEMBERS[2]: None}, "it lacks cifar-10-batches-bin/data_batch_3.bin"),
    ],
)
def test_cifar_archives_that_are_wrong(
    folders: Path, change: dict[str, bytes | tarfile.TarInfo | None], message: str
) -> None:
    contents = {n: c for n, c in {**batches(), **change}.items() if c is not None}
    source = cifar(folders / "given", contents)
    with pytest.raises(InputError, match=rf"{CIFAR10.file} is broken: .*{message}.*data fetch"):
        source.load()


@pytest.mark.parametrize("content", [b"no archive", b"", None])
def test_cifar_archives_that_are_none(folders: Path, content: bytes | None) -> None:
    source = cifar(folders / "given", {**batches()})
    path = folders / "given" / CIFAR10.file
    path.write_bytes(path.read_bytes()[:20_000] if content is None else content)
    with pytest.raises(InputError, match=f"broken: it has md5 .*, expected {source.md5}"):
        source.load()
    damaged = replace(source, md5=hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="is broken: "):
        damaged.load()


def test_the_real_one_is_declared_as_published() -> None:
    assert (CIFAR10.md5, CIFAR10.records) == ("c32a1d4ab5d03f1284b67883e8d87530", 10_000)
