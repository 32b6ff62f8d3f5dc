"""Files that are whole or absent: JSON, JSON lines, and the marks of finished work.

Everything a later stage reads is written to a temporary name, flushed to the disk and
renamed, so a killed process leaves the old file or the new one and never half of one.
"""

import codecs
import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from transfer_reasoning.types import InputError
from transfer_reasoning.untrusted import opened, unique_keys

DONE = "done.json"
LOCK = ".lock"
LOCK_WAIT_S = 3.0
# Rows of LiveCodeBench hold all their tests: megabytes, and some far more.
MAX_LINE_BYTES = 1 << 29


def write_text(file: Path, text: str) -> None:
    """Replace `file` in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")
    # A lone surrogate, which UTF-8 cannot hold, becomes its JSON escape.
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def write_json(file: Path, value: Any) -> None:
    """Replace `file` with readable JSON; not-a-number is refused, not written."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    write_text(file, text + "\n")


def write_jsonl(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace `file` with one JSON object a line."""
    write_text(file, "".join(f"{_line(row)}\n" for row in rows))


def _line(row: Mapping[str, Any]) -> str:
    """One line, readable where UTF-8 has the characters (it has no lone surrogates)."""
    line = json.dumps(row, ensure_ascii=False, allow_nan=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(row, allow_nan=False)
    return line


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: it is missing or no JSON; names the file.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{file} does not exist; expected a JSON file") from error
    except ValueError as error:
        raise InputError(
            f"{file} is not JSON ({error}); expected a JSON file"
        ) from error


def read_jsonl(file: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, compressed where it ends in .gz.

    Raises:
        InputError: as `numbered_rows`.
    """
    return [row for _, row in numbered_rows(file)]


def refuse(error: InputError) -> None:
    """What to do about a bad row: let it end the run."""
    raise error


def numbered_rows(
    file: Path, on_bad: Callable[[InputError], None] = refuse
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line from 1, object) of a file of JSON lines; blank lines are passed over.

    Raises:
        InputError: the file is missing, no file, UTF-16, cut off or without a line.
            A line that is no UTF-8 or JSON, no object or has a key twice is told to
            `on_bad`, which raises by default; all name the file, and the line.
    """
    found = False
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        found = True
        try:
            # RecursionError: nested deeper than Python's stack.
            row = json.loads(line.decode(), object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            on_bad(
                InputError(
                    f"{file}, line {number} is not JSON ({error}); expected one object"
                    " a line, in UTF-8"
                )
            )
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            kind = type(row).__name__
            on_bad(
                InputError(f"{file}, line {number} is {kind}; expected a JSON object")
            )
    if not found:
        raise InputError(f"{file} is empty; expected at least one line of JSON")


def _lines(file: Path) -> Iterator[bytes]:
    """Lines, split at line feeds alone: JSON strings may hold other separators."""
    if not os.path.lexists(file):
        raise InputError(f"{file} does not exist; expected a file of JSON lines")
    with opened(file) as raw:
        stream = gzip.open(raw) if file.suffix == ".gz" else raw  # noqa: SIM115
        try:
            first = stream.readline(MAX_LINE_BYTES + 1)
            if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(f"{file} is UTF-16; expected UTF-8: save it as that")
            line = first.removeprefix(codecs.BOM_UTF8)
            while line:
                if len(line) > MAX_LINE_BYTES:
                    raise InputError(
                        f"{file} has a line of more than {MAX_LINE_BYTES} bytes;"
                        " expected one object a line"
                    )
                yield line
                line = stream.readline(MAX_LINE_BYTES + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(
                f"{file} cannot be decompressed ({error}); expected a whole gzip file:"
                " download it again"
            ) from error


def append_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add lines, and see them to the disk."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write("".join(f"{_line(row)}\n" for row in rows))
        stream.flush()
        os.fsync(stream.fileno())


def drop_torn_line(file: Path) -> None:
    """Cut off what a killed process had not written to the end of its line."""
    with file.open("rb+") as stream:
        stream.truncate(stream.read().rfind(b"\n") + 1)


def cut_log(file: Path, last_step: int) -> list[dict[str, Any]]:
    """Drop what a resumed run will log again: lines past `last_step`, and torn ones.

    Returns the rows that stay.
    """
    if not file.is_file():
        return []
    kept, rows = [], []
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
        with contextlib.suppress(ValueError, TypeError, KeyError):  # torn
            row = json.loads(line)
            if row["step"] <= last_step:
                kept.append(line)
                rows.append(row)
    write_text(file, "".join(f"{line}\n" for line in kept))
    return rows


def digest(value: Any) -> str:
    """Short digest of a JSON value, the same for the same content."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lock(stream: IO[str]) -> None:
    """Lock within a few seconds: the children of a killed run take a moment to go."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _lock_file(workdir: Path) -> IO[str]:
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        return (workdir / LOCK).open("a+")
    except OSError as error:
        raise InputError(
            f"workdir {workdir} cannot be used ({error.strerror}); expected a directory"
            " that can be made and written: give another --workdir"
        ) from error


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Hold a working directory alone; the lock goes with the process, however it ends.

    Raises:
        InputError: another process holds it, or nothing can be written there.
    """
    with _lock_file(workdir) as stream:
        try:
            _lock(stream)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "?"
            raise InputError(
                f"workdir {workdir} is in use by process {holder}; expected it free:"
                " wait for that run, or give another --workdir"
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
