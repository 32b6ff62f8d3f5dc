"""Rows from wherever they lie: JSON lines, parquet, the hub, TensorFlow Datasets.

path/to/file.jsonl          one JSON object a line
path/to/file.parquet        read by `datasets`
hf:NAME[/CONFIG][@REVISION]:SPLIT  from the Hugging Face hub, or a folder laid out
                            like a hub data set
tfds:DIRECTORY:SPLIT        a prepared TensorFlow Datasets directory (ArrayRecord)
tfds:NAME:SPLIT             a catalogue name, prepared on first use
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer_reasoning.runtime.records import read_jsonl
from transfer_reasoning.types import InputError

Row = dict[str, Any]


def read_rows(source: str) -> list[Row]:
    """All rows of a source.

    Raises:
        InputError: the source does not exist or cannot be read; says which.
    """
    if source.startswith("hf:"):
        return _from_hub(source)
    if source.startswith("tfds:"):
        return _from_tfds(source)
    if source.endswith(".parquet"):
        return _from_parquet(Path(source))
    return read_jsonl(Path(source))


def field(row: Mapping[str, Any], name: str, where: str) -> Any:
    """`row[name]`, or an error that says where it is missing and what is there."""
    if row.get(name) is None:
        raise InputError(
            f"{where} has no field {name!r} (it has: {', '.join(sorted(row))});"
            f" expected {name!r}"
        )
    return row[name]


def _from_parquet(file: Path) -> list[Row]:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    if not file.is_file():
        raise InputError(f"{file} does not exist; expected a parquet file")
    cache = str(file.parent / ".cache")
    return Dataset.from_parquet(str(file), cache_dir=cache).to_list()


def _from_hub(source: str) -> list[Row]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    name, _, split = source.removeprefix("hf:").rpartition(":")
    if not name:
        raise InputError(f"source {source!r} names no split; expected hf:NAME:SPLIT")
    name, _, revision = name.partition("@")
    parts = name.split("/") if not Path(name).exists() else [name]
    config = parts.pop() if len(parts) == 3 else None
    try:
        rows = load_dataset(
            "/".join(parts), config, split=split, revision=revision or None
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"source {source!r} cannot be loaded ({reason}); expected a hub data set"
            " and split that exist: download it, or give a local file"
        ) from error
    return rows.to_list()


def _from_tfds(source: str) -> list[Row]:
    import tensorflow_datasets as tfds

    name, _, split = source.removeprefix("tfds:").rpartition(":")
    if not name:
        raise InputError(f"source {source!r} names no split; expected tfds:NAME:SPLIT")
    folder = Path(name)
    try:
        if folder.is_dir():
            builder = tfds.builder_from_directory(folder)
        else:
            builder = tfds.builder(name, file_format="array_record")
            builder.download_and_prepare()
    except (OSError, ValueError) as error:
        raise InputError(
            f"source {source!r} cannot be loaded: {name} is no prepared TensorFlow"
            " Datasets directory and no catalogue name that can be downloaded; expected"
            " one of them"
        ) from error
    if split not in builder.info.splits:
        raise InputError(
            f"source {source!r} has no split {split!r}; expected one of"
            f" {', '.join(builder.info.splits)}"
        )
    data = builder.as_data_source(split=split)
    indices: Sequence[int] = range(len(data))
    return [_plain(row) for row in data.__getitems__(list(indices))]


def _plain(row: Mapping[str, Any]) -> Row:
    """Bytes as text, NumPy scalars as numbers."""
    text = lambda value: value.decode("utf-8") if isinstance(value, bytes) else value
    return {
        key: text(value.item() if hasattr(value, "item") else value)
        for key, value in row.items()
    }
