"""Checkpoints that are either whole or not there.

Orbax writes the arrays, sharded and in the background. It restores a flipped bit
without a word and takes an empty directory for the latest step, so a checkpoint counts
only with our manifest: a digest of every file, written last. Resuming walks back to
the newest step whose manifest holds.

    DIRECTORY/000120/params/...       orbax, one folder per part of the state
    DIRECTORY/000120/opt_state/...
    DIRECTORY/000120/manifest.json    {"files": {name: xxh3-128}, "step": 120}

The digests guard against broken disks and killed processes, not against an attacker.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import xxhash

from transfer_reasoning.types import InputError

MANIFEST = "manifest.json"
_BLOCK_BYTES = 1 << 20


class CorruptCheckpointError(Exception):
    """A step directory is unfinished or damaged; the text names the file."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        directory: holds one folder per step.
        keep: how many of the newest finished steps stay.
        warn: told, in one line, about a step that does not verify.
    """

    def __init__(self, directory: Path, *, keep: int, warn: Callable[[str], None]):
        self.directory = directory.absolute()  # orbax wants it so
        self._keep, self._warn = keep, warn
        self._finisher = ThreadPoolExecutor(max_workers=1)
        self._pending: tuple[int, Future[None]] | None = None

    def save(self, step: int, parts: Mapping[str, Any]) -> None:
        """Save in the background; a failure of this save is raised by the next call.

        Every process must call it. `parts` are pytrees by name; their arrays may be
        donated as soon as this returns.
        """
        from orbax.checkpoint import v1 as ocp  # half a second

        self.wait()
        self.directory.mkdir(parents=True, exist_ok=True)  # orbax would wait minutes
        path = self._path(step)
        if path.exists():  # unverified leftovers of a killed run
            shutil.rmtree(path)
        response = ocp.save_checkpointables_async(str(path), dict(parts))
        self._pending = step, self._finisher.submit(self._finish, step, response)

    def wait(self) -> None:
        """Return when the last save is finished, verified against nothing lost.

        Raises:
            OSError: the save failed, for instance on a full disk.
        """
        if self._pending is None:
            return
        (step, finished), self._pending = self._pending, None
        try:
            finished.result()
        except (OSError, ValueError) as error:
            raise _disk_error(error, self._path(step)) from error

    def restore_latest(
        self, abstract: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]] | None:
        """(step, parts) of the newest step that verifies; None if none does.

        `abstract` gives shape, dtype and sharding of every leaf of the wanted parts.
        """
        for step in reversed(self.steps()):
            try:
                verify(self._path(step))
            except CorruptCheckpointError as error:
                self._warn(f"checkpoint {error}; trying the one before it")
                continue
            return step, _load(self._path(step), abstract)
        return None

    def steps(self) -> list[int]:
        """Steps that have a directory, finished or not, in order."""
        if not self.directory.is_dir():
            return []
        return sorted(int(p.name) for p in self.directory.iterdir() if p.name.isdigit())

    def _path(self, step: int) -> Path:
        return self.directory / f"{step:06d}"

    def _finish(self, step: int, response: Any) -> None:
        response.result()
        if jax.process_index() == 0:
            _write_manifest(self._path(step), step)
            self._delete_old(step)

    def _delete_old(self, newest: int) -> None:
        """Steps after `newest` did not verify at the start: they count for nothing."""
        finished = [
            step
            for step in self.steps()
            if step <= newest and (self._path(step) / MANIFEST).is_file()
        ]
        for step in finished[: -self._keep]:
            # Without its manifest a half-deleted step is not a checkpoint any more.
            (self._path(step) / MANIFEST).unlink()
            shutil.rmtree(self._path(step))


def _disk_error(error: Exception, path: Path) -> OSError:
    """What the disk said, which orbax's storage layer hides in a ValueError's text."""
    number = re.search(r"os_error_code='(\d+)'", str(error))
    if number is not None:
        return OSError(int(number[1]), os.strerror(int(number[1])), str(path))
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return OSError(f"{path} was not saved ({reason})")


def verify(path: Path) -> None:
    """Compare every file of a step directory with its manifest.

    Raises:
        CorruptCheckpointError: one is missing, extra, unreadable or different.
    """
    try:
        expected = dict(json.loads((path / MANIFEST).read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptCheckpointError(f"{path} has no readable {MANIFEST}") from error
    found = _files(path)
    for name in sorted(expected.keys() | found):
        if name not in found:
            raise CorruptCheckpointError(f"{path / name} is missing")
        if name not in expected:
            raise CorruptCheckpointError(f"{path / name} is not in {MANIFEST}")
        try:
            digest = _digest(path / name)
        except OSError as error:
            reason = f"{path / name} cannot be read ({error.strerror})"
            raise CorruptCheckpointError(reason) from error
        if digest != expected[name]:
            raise CorruptCheckpointError(f"{path / name} does not match its digest")


def load_verified(path: Path, abstract: Mapping[str, Any]) -> dict[str, Any]:
    """The parts `abstract` names from one step directory, after comparing its digests.

    Raises:
        InputError: the directory does not verify.
    """
    try:
        verify(path)
    except CorruptCheckpointError as error:
        raise InputError(f"checkpoint {error}; expected a finished step") from error
    return _load(path, abstract)


def _load(path: Path, abstract: Mapping[str, Any]) -> dict[str, Any]:
    from orbax.checkpoint import v1 as ocp

    return ocp.load_checkpointables(str(path.absolute()), dict(abstract))


def _write_manifest(path: Path, step: int) -> None:
    digests = {name: _digest(path / name) for name in _files(path)}
    text = json.dumps({"files": digests, "step": step}, sort_keys=True)
    temporary = path / f"{MANIFEST}.tmp"
    with temporary.open("w") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(path / MANIFEST)


def _files(path: Path) -> set[str]:
    files = (p for p in path.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {str(p.relative_to(path)) for p in files}


def _digest(file: Path) -> str:
    digest = xxhash.xxh3_128()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
