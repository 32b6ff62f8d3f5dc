"""Files that are whole or absent: JSON, JSON lines, and the marks of finished work.

Everything a later stage reads is written to a temporary name, flushed to the disk and
renamed, so a killed process leaves the old file or the new one and never half of one.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from transfer_reasoning.types import InputError

DONE = "done.json"
LOCK = ".lock"
LOCK_WAIT_S = 3.0


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
    """The objects of a JSON-lines file; blank lines are passed over.

    Raises:
        InputError: it is missing, empty, or a line is no JSON object; names the line.
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist; expected a file of JSON lines")
    rows = []
    text = file.read_bytes().decode("utf-8-sig", "replace")
    # Not splitlines: it also breaks at characters that JSON strings may hold.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{file}, line {number} is not JSON ({error}); expected one object"
                " a line"
            ) from error
        if not isinstance(row, dict):
            raise InputError(
                f"{file}, line {number} is {type(row).__name__}; expected a JSON object"
            )
        rows.append(row)
    if not rows:
        raise InputError(f"{file} is empty; expected at least one line of JSON")
    return rows


def append_jsonl(file: Path, row: Mapping[str, Any]) -> None:
    """Add a line to a log; a torn last line is dropped when the log is cut back."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def cut_log(file: Path, last_step: int) -> None:
    """Drop what a resumed run will log again: lines past `last_step`, and torn ones."""
    if not file.is_file():
        return
    kept = []
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
        with contextlib.suppress(ValueError, TypeError, KeyError):  # torn
            if json.loads(line)["step"] <= last_step:
                kept.append(line)
    write_text(file, "".join(f"{line}\n" for line in kept))


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
