"""Disks that refuse: mounts of our own, and a user who may do less.

Both need root, as a container has it; where there is none, tests that want them skip.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@contextlib.contextmanager
def mounted(*arguments: object) -> Iterator[Path]:
    """`mount` with these arguments, of which the last is where."""
    where = str(arguments[-1])
    command = ["mount", *map(str, arguments)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield Path(where)
    finally:
        subprocess.run(["umount", where], check=True)


@contextlib.contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """As a user who is not root; `folder` can be reached, and belongs to that user."""
    if os.geteuid():
        yield
        return
    opened = [p for p in folder.parents if p.stat().st_mode & 0o005 != 0o005]
    modes = [path.stat().st_mode for path in opened]
    for path in opened:
        path.chmod(0o755)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for path, mode in zip(opened, modes, strict=True):
            path.chmod(mode)
