"""A run owns its working directory.

`config.json` says whose it is, a lock keeps a second process out, `done.json` is
written last. The same command again goes on, or does nothing.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch.rules import flat
from transfer_reasoning.runtime import records
from transfer_reasoning.runtime.origin import git_revision, versions
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.types import InputError

CONFIG = "config.json"

Run = Callable[[ConfigDict, Path, Reporter], None]


def execute(
    run: Run,
    config: ConfigDict,
    workdir: Path,
    shown: Reporter,
    *,
    free_keys: Sequence[str] = (),
    once: bool = True,
) -> None:
    """Run a stage in its directory and mark it done.

    `free_keys` are top-level keys that may change between runs in one directory. With
    `once` a stage that is done there is not run again.
    """
    with records.locked(workdir):
        digest = claim(workdir, config, free_keys)
        if once and is_done(workdir, config, free_keys):
            shown.line(f"{workdir}: already done")
            return
        began = time.perf_counter()
        try:
            run(config, workdir, shown)
        except InputError:
            _release(workdir)
            raise
        mark = {
            "config_digest": digest,
            "wall_s": round(time.perf_counter() - began, 3),
            "versions": versions(),
            "git_revision": git_revision(),
        }
        records.write_json(workdir / records.DONE, mark)


def claim(workdir: Path, config: ConfigDict, free_keys: Sequence[str] = ()) -> str:
    """Make the directory this config's; returns the config's digest.

    Raises:
        InputError: it belongs to another config; names the first field that differs.
    """
    mine, file = _identity(config, free_keys), workdir / CONFIG
    if not file.is_file():
        records.write_json(file, mine)
        return records.digest(mine)
    theirs = records.read_json(file)
    if theirs != mine:
        name, there, here = _first_difference(theirs, mine)
        raise InputError(
            f"workdir {workdir} belongs to another config: {name} is {there!r} there"
            f" and {here!r} here; give another --workdir, or that config"
        )
    return records.digest(mine)


def is_done(workdir: Path, config: ConfigDict, free_keys: Sequence[str] = ()) -> bool:
    """Has this very config finished in this directory?"""
    file = workdir / records.DONE
    if not file.is_file():
        return False
    digest, mark = records.digest(_identity(config, free_keys)), records.read_json(file)
    return isinstance(mark, dict) and mark.get("config_digest") == digest


def _release(workdir: Path) -> None:
    """Give up the claim of a run that was refused before it made anything."""
    if {path.name for path in workdir.iterdir()} <= {records.LOCK, CONFIG}:
        (workdir / CONFIG).unlink(missing_ok=True)


def _identity(config: ConfigDict, free_keys: Sequence[str]) -> dict[str, Any]:
    """The config as plain JSON, without keys that change no result."""
    plain = json.loads(config.to_json(sort_keys=True))
    return {key: value for key, value in plain.items() if key not in free_keys}


def _first_difference(theirs: Any, mine: Any) -> tuple[str, Any, Any]:
    there, here = flat(theirs), flat(mine)
    names = sorted(there.keys() | here.keys())
    name = next(n for n in names if there.get(n) != here.get(n))
    return name, there.get(name), here.get(name)
