"""The IDX format of the MNIST family: a big-endian header, then bytes."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray


def parse_idx(content: bytes) -> NDArray[np.uint8]:
    """The array in an unpacked IDX file of unsigned bytes.

    Args:
        content: the file: two zero bytes, 0x08, the number of dimensions, each as 4 bytes, data.

    Returns:
        uint8 array of the shape that the header states.

    Raises:
        ValueError: the header or the length is not that of such a file.
    """
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError("it does not begin like an IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise ValueError("its header is cut off")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) != start + int(np.prod(shape)):
        raise ValueError(f"it holds {len(content) - start} bytes, its header {shape} states others")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
