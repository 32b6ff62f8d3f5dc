"""JAX as every stage wants it: compiled programs kept on disk, draws that do not depend
on the mesh."""

import os
from pathlib import Path


def prepare() -> None:
    """Call once, before the first array.

    `JAX_COMPILATION_CACHE_DIR` moves the cache; XLA's own default is to keep nothing.
    """
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = Path.home() / ".cache" / "transfer_reasoning" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_threefry_partitionable", True)
