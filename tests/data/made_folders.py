"""Folders as `save_to_disk` of Hugging Face's datasets 5.2 writes them, made with pyarrow."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

NAMES = ["cat", "dog", "emu"]


def save(folder: Path, table: pa.Table, features: dict[str, Any], shards: int = 1) -> None:
    """One dataset, in some files."""
    folder.mkdir(parents=True)
    cuts = np.linspace(0, len(table), shards + 1).astype(int)
    files = []
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        name = f"data-{number:05}-of-{shards:05}.arrow"
        part = table.slice(start, end - start)
        with pa.ipc.new_stream(str(folder / name), table.schema) as out:
            out.write_table(part)
        files.append({"filename": name})
    state = {"_data_files": files, "_fingerprint": "76f0", "_format_type": None, "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))


def animals(folder: Path, mode: str = "RGB") -> np.ndarray[Any, Any]:
    """Images of three classes, 40 in `train` and 9 in `test`; returns those of `train`."""
    rng = np.random.default_rng(0)
    shape = (40, 8, 6, 3) if mode == "RGB" else (40, 8, 6)
    pixels = rng.integers(0, 256, shape).astype(np.uint8)
    rows = []
    for one in pixels:
        content = io.BytesIO()
        Image.fromarray(one).save(content, "PNG")
        rows.append({"bytes": content.getvalue(), "path": None})
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"image": pa.array(rows, kind), "label": np.arange(40) % 3})
    features = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    save(folder / "train", table, features)
    save(folder / "test", table.slice(0, 9), features)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return pixels
