"""JAX as every stage wants it: compiled programs kept on disk, draws that do not depend
on the mesh, memory that is not handed back between steps."""

import ctypes
import os
from pathlib import Path

ACCELERATORS = ("nvidia0", "accel0", "vfio/0", "kfd")
# glibc's numbers (malloc.h): M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX.
_KEEP_FREED_MEMORY = ((-1, 2**31 - 1), (-4, 0), (-8, 1))


def prepare() -> None:
    """Call once, before the first array.

    `JAX_COMPILATION_CACHE_DIR` moves the cache; XLA's own default is to keep nothing.
    """
    if not accelerated():
        _keep_freed_memory()  # before jax starts its threads
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = Path.home() / ".cache" / "transfer_reasoning" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_threefry_partitionable", True)


def accelerated() -> bool:
    """Does this machine show an accelerator?"""
    return any((Path("/dev") / name).exists() for name in ACCELERATORS)


def _keep_freed_memory() -> None:
    """What is freed stays with this process, in one arena that all threads share.

    On CPU every step frees and takes the same buffers; a page fault for each page of
    them is a fifth to a third of a small model's step.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc alone has it
        for parameter, value in _KEEP_FREED_MEMORY:
            mallopt(parameter, value)
