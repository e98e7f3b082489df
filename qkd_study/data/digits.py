"""The 1,797 8x8 digits that ship with scikit-learn (UCI, E. Alpaydin and C. Kaynak, 1998)."""

from __future__ import annotations

import io
from importlib import metadata

import numpy as np

from qkd_study.common.paths import read_cached, write_cached
from qkd_study.data.dataset import Dataset, Raw

#: Test images: a third, drawn with a fixed seed, stratified by class.
TEST_IMAGES = 597
_SPLIT_SEED = 20_25


def load_digits() -> Dataset:
    """The digits with pixels in [0, 1]: a pool of 1,200 and a fixed test set of 597."""
    return Dataset("digits", *_cached_split(), classes=10, max_value=16)


def _cached_split() -> tuple[Raw, Raw, Raw, Raw]:
    """The split digits from the user's cache folder: importing scikit-learn takes a second."""
    name = f"digits-{metadata.version('scikit-learn')}.npz"
    if (content := read_cached(name)) is not None:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return arrays["a"], arrays["b"], arrays["c"], arrays["d"]
    a, b, c, d = _split()
    written = io.BytesIO()
    np.savez(written, a=a, b=b, c=c, d=d)
    write_cached(name, written.getvalue())
    return a, b, c, d


def _split() -> tuple[Raw, Raw, Raw, Raw]:
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    bunch = load()
    pixels = bunch.images.astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    pool, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_IMAGES, stratify=labels, random_state=_SPLIT_SEED
    )
    return pixels[pool], labels[pool], pixels[test], labels[test]


def load_large_digits() -> Dataset:
    """The digits resized to 28x28 by linear interpolation: offline data for models of that size.

    They have no more information than the 8x8 digits.
    """
    from scipy.ndimage import zoom

    small = load_digits()

    def resized(raw: Raw) -> Raw:
        return np.rint(zoom(raw.astype(np.float64), (1, 3.5, 3.5), order=1)).astype(np.uint8)

    return Dataset(
        "digits-28x28",
        resized(small.pool_raw),
        small.pool_labels,
        resized(small.test_raw),
        small.test_labels,
        classes=10,
        max_value=16,
    )
