"""Weights in and out: onto their shards, and back to a Hugging Face folder."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from launch.models import Located
from transfer_reasoning.runtime.progress import Counter, reporter

# A field of our own in the config.json beside an orbax step.
REPEATS_HEAD = "stores_tied_head"


class Origin(NamedTuple):
    """What goes beside weights when they are written: where they began.

    `config` is their ModelConfig, `tokenizer` a folder, `description` the fields of
    config.json and `dtypes` the dtype of every leaf as it was read; these two are None
    for fresh weights, which stay float32. `repeats_head`: a tied head was stored too.
    """

    config: Any
    tokenizer: Path
    description: dict[str, Any] | None = None
    dtypes: Any = None
    repeats_head: bool = False


def load(located: Located, *, compute_dtype: str, layout: Any) -> tuple[Any, Any]:
    """(config, params) with float32 weights on the shards of `layout`."""
    from transfer_reasoning.model.config_file import read_config

    config = read_config(located.folder)
    config = dataclasses.replace(config, compute_dtype=compute_dtype)
    return config, read(located, config, dtype="float32", layout=layout)


def read(located: Located, config: Any, *, dtype: str | None, layout: Any):
    """Weights on the shards of `layout`, cast to `dtype`; None: as they are stored."""
    from transfer_reasoning.model.convert import load_params

    if located.step is None:
        size = sum(f.stat().st_size for f in located.folder.glob("*.safetensors"))
        with closing(reporter()) as shown:
            count = Counter(shown, "load, MB", size, unit=10**6)
            return load_params(
                located.folder, config, dtype=dtype, layout=layout, on_bytes=count
            )
    from transfer_reasoning.runtime.checkpoint import load_verified
    from transfer_reasoning.training.state import abstract_weights

    parts = load_verified(located.step, abstract_weights(config, layout))
    return parts["params"]


def read_origin(located: Located, config: Any, tokenizer: Path) -> Origin:
    """What weights at `located` are to be written back as."""
    from transfer_reasoning.model.config_file import read_description
    from transfer_reasoning.model.convert import repeats_head, stored_dtypes

    description = read_description(located.folder)
    if located.step is not None:
        repeats = bool(description.pop(REPEATS_HEAD, False))
        return Origin(config, tokenizer, description, repeats_head=repeats)
    dtypes = stored_dtypes(located.folder, config)
    repeats = repeats_head(located.folder, config)
    return Origin(config, tokenizer, description, dtypes, repeats)


def write_shape(folder: Path, origin: Origin, *, dtype: str) -> None:
    """config.json and tokenizer files: what an orbax step needs beside it."""
    from transfer_reasoning.model.config_file import write_config
    from transfer_reasoning.text import copy_tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    described = origin.description
    if described is not None and origin.repeats_head:
        described = described | {REPEATS_HEAD: True}
    write_config(folder, origin.config, dtype=dtype, described=described)
    copy_tokenizer(origin.tokenizer, folder)


def write_model(folder: Path, params: Any, origin: Origin) -> None:
    """A Hugging Face folder; it appears whole or not at all.

    Weights take the dtype they had where they began, so that one that was not trained
    has the bytes it had.
    """
    from transfer_reasoning.model.convert import save_folder
    from transfer_reasoning.text import copy_tokenizer

    with _appearing(folder) as partial, closing(reporter()) as shown:
        save_folder(
            partial,
            params,
            origin.config,
            dtypes=origin.dtypes,
            described=origin.description,
            repeats_head=origin.repeats_head,
            on_bytes=Counter(shown, "write, MB", nbytes(params), unit=10**6),
        )
        copy_tokenizer(origin.tokenizer, partial)


def write_step(folder: Path, params: Any, origin: Origin) -> None:
    """A folder of one orbax step, 000000; it appears whole or not at all."""
    from transfer_reasoning.runtime.checkpoint import Checkpoints

    with _appearing(folder) as partial, TemporaryDirectory() as shape:
        write_shape(Path(shape), origin, dtype=params["embedding"].dtype.name)
        saving = Checkpoints(partial, keep=1, warn=print, beside=Path(shape))
        saving.save(0, {"params": params})
        saving.wait()


def nbytes(params: Any) -> int:
    """Size of all weights, on all devices together, each counted once."""
    import jax

    return sum(leaf.nbytes for leaf in jax.tree.leaves(params))


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name and place of `folder` at the end."""
    partial = folder.absolute().with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
