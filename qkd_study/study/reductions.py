"""Checks of input reductions, without torch; `qkd_study.models.reductions` implements them."""

from __future__ import annotations

import math

REDUCTIONS = ("none", "linear", "average", "max", "crop", "pca")


def check_reduction(kind: str, shape: tuple[int, ...], features: int) -> None:
    """Check that a reduction can work.

    Raises:
        ValueError: an unknown kind; an invalid shape; features below 1 or more than a sample has
            numbers (pixels, if channels are averaged); kind "none" if the two differ; no grid of so
            many cells fits into the image.
    """
    if kind not in REDUCTIONS:
        raise ValueError(f"unknown reduction {kind!r}; choose one of {', '.join(REDUCTIONS)}")
    if len(shape) not in (1, 2, 3) or min(shape) < 1:
        raise ValueError(
            f"samples of shape {tuple(shape)} cannot be reduced: they must be (n,), "
            "(height, width) or (channels, height, width)"
        )
    gridded = kind in ("average", "max", "crop")
    size = math.prod(shape[-2:]) if gridded else math.prod(shape)
    unit = "pixels" if gridded and len(shape) == 3 else ""
    if features < 1:
        raise ValueError(f"a reduction to {features} features: there must be at least 1")
    if features > size:
        raise ValueError(
            f"a reduction to {features} features of samples that have {size} {unit}".rstrip()
        )
    if kind == "none" and features != size:
        raise ValueError(
            f"reduction 'none' keeps all {size} numbers of a sample, but {features} features are "
            f"wanted; choose one of {', '.join(REDUCTIONS[1:])}"
        )
    if gridded and not _grids(shape, features):
        near = [n for n in (_nearest(shape, features, -1), _nearest(shape, features, 1)) if n]
        raise ValueError(
            f"reduction {kind!r}: no grid of {features} cells fits into {shape[-2]}x{shape[-1]} "
            f"pixels; the nearest numbers that do are {' and '.join(map(str, near))}"
        )


def _grids(shape: tuple[int, ...], cells: int) -> list[tuple[int, int]]:
    """All rows x columns = cells that fit, the most square first, wide before high."""
    height, width = (1, *shape)[-2:]
    fitting = [
        (rows, cells // rows)
        for rows in range(1, min(height, cells) + 1)
        if cells % rows == 0 and cells // rows <= width
    ]
    return sorted(fitting, key=lambda grid: (abs(grid[0] - grid[1]), grid[0]))


def grid(shape: tuple[int, ...], cells: int) -> tuple[int, int]:
    """Rows and columns of so many cells: as square as possible, rather wide than high."""
    return _grids(shape, cells)[0]


def _nearest(shape: tuple[int, ...], cells: int, step: int) -> int | None:
    """The next number of cells, upwards or downwards, that fits; None if there is none."""
    limit = math.prod(shape[-2:])
    numbers = range(cells + step, limit + 1 if step > 0 else 0, step)
    return next((n for n in numbers if _grids(shape, n)), None)
