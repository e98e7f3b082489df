"""The datasets that have a name, and their sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qkd_study.common.errors import InputError
from qkd_study.common.names import unknown
from qkd_study.common.progress import Progress
from qkd_study.data import digits, generated
from qkd_study.data.cifar10 import CIFAR10
from qkd_study.data.dataset import Dataset
from qkd_study.data.fashion_mnist import FASHION_MNIST
from qkd_study.data.mnist import MNIST


@dataclass(frozen=True)
class Source:
    """The source of a dataset.

    Attributes:
        about: one line.
        classes: how many it has.
        available: whether it is here or can be downloaded; takes a few seconds at most.
        fetch: downloads it; takes a progress function of bytes done and in total.
        load: reads and checks it.
        servers: where it is downloaded from.
        licence: under which its samples may be passed on; empty if its authors state none.
    """

    about: str
    classes: int
    available: Callable[[], bool]
    fetch: Callable[[Progress], None]
    load: Callable[[], Dataset]
    servers: tuple[str, ...] = ()
    licence: str = ""


def _offline(about: str, classes: int, load: Callable[[], Dataset], licence: str) -> Source:
    return Source(about, classes, lambda: True, lambda progress: None, load, licence=licence)


#: Licences: github.com/zalandoresearch/fashion-mnist; archive.ics.uci.edu/dataset/80; that of MNIST
#: as keras.io/api/datasets/mnist has it. The authors of CIFAR-10 state none.
_UCI, _GENERATED = "CC BY 4.0 (UCI)", "generated, Apache-2.0"


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "fashion-mnist": Source(
            "28x28 images of clothing, 10 classes, 60,000 + 10,000",
            FASHION_MNIST.classes,
            FASHION_MNIST.available,
            FASHION_MNIST.fetch,
            FASHION_MNIST.load,
            FASHION_MNIST.servers,
            "MIT (Zalando)",
        ),
        "digits": _offline(
            "8x8 handwritten digits, 10 classes, 1,200 + 597; ships with scikit-learn",
            10,
            digits.load_digits,
            _UCI,
        ),
        "digits-28x28": _offline(
            "the same digits resized to 28x28, for models that need images of that size",
            10,
            digits.load_large_digits,
            _UCI,
        ),
        "mnist": Source(
            "28x28 handwritten digits, 10 classes, 60,000 + 10,000",
            MNIST.classes,
            MNIST.available,
            MNIST.fetch,
            MNIST.load,
            MNIST.servers,
            "CC BY-SA 3.0 (LeCun, Cortes)",
        ),
        "cifar-10": Source(
            "3x32x32 colour images of things, 10 classes, 50,000 + 10,000",
            CIFAR10.classes,
            CIFAR10.available,
            CIFAR10.fetch,
            CIFAR10.load,
            CIFAR10.servers,
        ),
        "xor4": _offline(
            "two exclusive ors under noise, 64 features, 3 classes, 12,000 + 4,000; generated",
            3,
            generated.load_xor4,
            _GENERATED,
        ),
        "spirals": _offline(
            "three spiral arms, 16 features, 3 classes, 12,000 + 4,000; generated",
            generated.ARMS,
            generated.load_spirals,
            _GENERATED,
        ),
        "checkerboard": _offline(
            "a 4x4 board, 16 features, 2 classes, 12,000 + 4,000; generated",
            2,
            generated.load_checkerboard,
            _GENERATED,
        ),
    }
)


def named(name: str) -> Source:
    """The source called `name`.

    Raises:
        InputError: there is none.
    """
    name = str(name)
    if name not in SOURCES:
        raise InputError(unknown("dataset", name, SOURCES))
    return SOURCES[name]
