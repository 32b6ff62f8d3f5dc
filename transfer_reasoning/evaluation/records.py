"""Records of an evaluation on disk: one file a benchmark, whole or absent."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer_reasoning.runtime.records import read_jsonl, write_jsonl


def keep(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a benchmark's records once all are there."""
    write_jsonl(folder / f"{name}.jsonl", rows)


def kept(folder: Path, names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Records of those benchmarks that an earlier run finished."""
    files = {name: folder / f"{name}.jsonl" for name in names}
    return {name: read_jsonl(file) for name, file in files.items() if file.is_file()}
