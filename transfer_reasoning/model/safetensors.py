"""Safetensors files, read tensor by tensor and written leaf by leaf.

The format is an 8-byte little-endian header length, a JSON header and the raw bytes.
It is read here directly because the library's NumPy front end has no bfloat16, and
because each shard asks for the rows and columns it owns; `model.tensors` has the bytes.
Only safetensors are read: pickled checkpoints can run code.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import ml_dtypes
import numpy as np

from transfer_reasoning.model.tensors import Entry, file_order
from transfer_reasoning.types import InputError

DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
MAX_HEADER_BYTES = 100_000_000
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MAX_SHARD_BYTES = 5_000_000_000


def read_folder(folder: Path) -> dict[str, Entry]:
    """All tensors of a Hugging Face folder, by name, without reading their bytes.

    Raises:
        InputError: no weights, a shard that is missing or unsafe to open, a broken
            header, or a tensor that lies in two shards; the message names the file.
    """
    entries: dict[str, Entry] = {}
    for file in _files(folder):
        for name, entry in read_header(file).items():
            if name in entries:
                raise InputError(
                    f"tensor {name!r} is in both {entries[name].file.name} and"
                    f" {file.name}; expected it once: the folder mixes two models"
                )
            entries[name] = entry
    return entries


def read_header(file: Path) -> dict[str, Entry]:
    """The tensors one safetensors file holds."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(MAX_HEADER_BYTES, size - 8):
            raise InputError(
                f"{file}: header of {length} bytes in a file of {size}; expected a"
                " safetensors file: it may be cut off, download it again"
            )
        try:
            header = json.loads(stream.read(length))
        except ValueError as error:
            raise InputError(
                f"{file}: header is not JSON ({error}); expected a safetensors file"
            ) from error
    if not isinstance(header, dict):
        raise InputError(
            f"{file}: header is {type(header).__name__}; expected a safetensors file"
        )
    header.pop("__metadata__", None)
    return {
        name: _entry(file, name, fields, 8 + length, size)
        for name, fields in header.items()
    }


def write_folder(
    folder: Path,
    tensors: Iterable[tuple[str, tuple[int, ...], np.dtype]],
    arrays: Iterable[np.ndarray],
    *,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """Write named tensors as one file, or as shards with an index.

    `tensors` announces name, shape and dtype of every array that `arrays` then yields
    in the same order, so that one array at a time is in memory; what is yielded is
    rounded to the announced dtype. `on_bytes` is told of every tensor written.
    """
    shards = _split_shards(list(tensors), max_shard_bytes)
    weight_map, total = {}, 0
    stream = iter(arrays)
    for number, shard in enumerate(shards, start=1):
        name = SINGLE if len(shards) == 1 else _shard_name(number, len(shards))
        with (folder / name).open("wb") as file:
            total += _write_shard(file, shard, stream, on_bytes)
        weight_map |= {tensor: name for tensor, _, _ in shard}
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        try:
            weight_map = json.loads((folder / INDEX).read_text())["weight_map"]
            names = sorted(set(weight_map.values()))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"{folder / INDEX}: no readable weight_map ({error}); expected the"
                " index that transformers writes"
            ) from error
    elif (folder / SINGLE).is_file():
        names = [SINGLE]
    else:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5])
        raise InputError(
            f"{folder} has no {SINGLE} and no {INDEX} (it has: {found or 'nothing'});"
            " expected a Hugging Face folder with safetensors weights"
        )
    return [_safe_shard(folder, name) for name in names]


def _safe_shard(folder: Path, name: str) -> Path:
    """A shard named by the index; it may not lead out of the folder."""
    if Path(name).name != name or not name.endswith(".safetensors"):
        raise InputError(
            f"{folder / INDEX} names shard {name!r}; expected a plain"
            " '*.safetensors' file name"
        )
    if not (folder / name).is_file():
        raise InputError(
            f"{folder} has no shard {name}, which its index names; expected every"
            " shard: download the missing one"
        )
    return folder / name


def _entry(file: Path, name: str, fields: Mapping, start: int, size: int) -> Entry:
    try:
        dtype = DTYPES[fields["dtype"]]
        shape = tuple(int(n) for n in fields["shape"])
        begin, end = (int(n) for n in fields["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file}: tensor {name!r} has header {dict(fields)!r}; expected dtype"
            f" ({', '.join(DTYPES)}), shape and data_offsets"
        ) from error
    if end - begin != math.prod(shape) * dtype.itemsize or not (
        0 <= begin <= end <= size - start
    ):
        raise InputError(
            f"{file}: tensor {name!r} of shape {shape} claims bytes {begin} to {end} of"
            f" {size - start}; expected them inside the file: it may be cut off"
        )
    return Entry(file, dtype, shape, start + begin)


def _split_shards(tensors: list, limit: int) -> list[list]:
    """Tensors in order, a new shard where the next would exceed `limit` bytes."""
    shards, used = [[]], 0
    for name, shape, dtype in tensors:
        size = math.prod(shape) * dtype.itemsize
        if shards[-1] and used + size > limit:
            shards.append([])
            used = 0
        shards[-1].append((name, shape, dtype))
        used += size
    return shards


def _shard_name(number: int, count: int) -> str:
    return f"model-{number:05d}-of-{count:05d}.safetensors"


def _write_shard(
    file: BinaryIO,
    shard: list,
    arrays: Iterator[np.ndarray],
    on_bytes: Callable[[int], None],
) -> int:
    header: dict = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape, dtype in shard:
        end = offset + math.prod(shape) * dtype.itemsize
        header[name] = {
            "dtype": NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors start aligned
    file.write(len(text).to_bytes(8, "little") + text)
    for name, shape, dtype in shard:
        array = next(arrays)
        assert array.shape == shape, name
        for block in file_order(name, array, dtype):
            file.write(block)
        on_bytes(math.prod(shape) * dtype.itemsize)
    file.flush()
    os.fsync(file.fileno())  # a name that appears later stands for whole weights
    return offset
