"""Ways to break a good model folder."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

CONFIG, WEIGHTS = "config.json", "model.safetensors"
INDEX = "model.safetensors.index.json"
ABSENT = object()  # a field that is taken out

Damage = Callable[[Path], Any]


class Broken(NamedTuple):
    """What breaks a folder, and what must be said of it."""

    damage: Damage
    said: tuple[str, ...]


def broken(damage: Damage, *said: str) -> Broken:
    return Broken(damage, said)


def put(name: str, content: bytes | str) -> Damage:
    """Another content for a file."""
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / name).write_bytes(data)


def written(content: dict) -> bytes:
    """JSON, in which a number may be too large for a float."""
    return json.dumps(content).replace("Infinity", "1e999").encode()


def rewrite(name: str, change: Callable[[dict], Any]) -> Damage:
    """A JSON file with another content."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_bytes(written(content))

    return damage


def fields(name: str, **changes: Any) -> Damage:
    """A JSON file with other fields."""

    def change(content: dict) -> None:
        content |= changes
        for field in [f for f, value in changes.items() if value is ABSENT]:
            del content[field]

    return rewrite(name, change)


def split(file: Path) -> tuple[dict, bytes]:
    """Header and data of a safetensors file."""
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def join(file: Path, header: bytes, data: bytes) -> None:
    """Write a safetensors file."""
    file.write_bytes(len(header).to_bytes(8, "little") + header + data)


def header(change: Callable[[dict], Any], file: str = WEIGHTS) -> Damage:
    """Another header before the same data."""

    def damage(folder: Path) -> None:
        content, data = split(folder / file)
        change(content)
        join(folder / file, written(content), data)

    return damage


def text_of_header(text: bytes) -> Damage:
    """Another text where the header stands."""
    return lambda folder: join(folder / WEIGHTS, text, split(folder / WEIGHTS)[1])


def length_of_header(length: int) -> Damage:
    """The file says so of its header, which stays."""

    def damage(folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(length.to_bytes(8, "little") + data[8:])

    return damage


def cut(name: str, keep: int) -> Damage:
    """The first bytes only; from the end where `keep` is negative."""
    return lambda folder: put(name, (folder / name).read_bytes()[:keep])(folder)


def instead(name: str, make: Damage) -> Damage:
    """Something else under the name of a file."""

    def damage(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return damage


def linked_out(name: str) -> Damage:
    """The good file itself, but elsewhere, behind a link."""

    def damage(folder: Path) -> None:
        there = folder.parent / "elsewhere"
        (folder / name).rename(there)
        (folder / name).symlink_to(there)

    return damage


def grown(name: str, size: int) -> Damage:
    """A file of that size, which takes no room."""
    return lambda folder: os.truncate(folder / name, size)
