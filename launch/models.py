"""Models in and out: by name (folder, hub id, orbax step), and as a folder."""

import dataclasses
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transfer_reasoning.runtime.records import read_json
from transfer_reasoning.types import InputError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer*"]


class Located(NamedTuple):
    """Where a model's parts are: config and tokenizer in `folder`, and the weights too
    unless they are in the orbax `step`."""

    folder: Path
    step: Path | None


def locate(name: str, parts: Sequence[str] = ("model", "params")) -> Located:
    """Find a model; a hub id is downloaded.

    A directory of orbax steps stands for the newest that verifies, as far as `parts`
    are concerned; of a step that is named only its config and tokenizer are verified
    here, and its weights when they are loaded.

    Raises:
        InputError: there is no such model, or no step that verifies.
    """
    path = Path(name)
    if (path / "config.json").is_file():
        return Located(path, None)
    if path.is_dir():
        from transfer_reasoning.runtime.checkpoint import find_step

        step = find_step(path, parts, warn=lambda line: print(line, file=sys.stderr))
        return Located(step / "model", step) if step else Located(path, None)
    if not HUB_ID.fullmatch(name):
        raise InputError(
            f"model {name!r} is no directory and no hub id; expected a Hugging Face"
            " folder, a hub id such as Qwen/Qwen3-0.6B, or an orbax step (or steps)"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Located(Path(snapshot_download(name, allow_patterns=HUB_FILES)), None)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise InputError(
            f"model {name!r} is no directory here and cannot be fetched from the hub"
            f" ({str(error).splitlines()[0]}); expected a folder, or a hub id and a"
            " network"
        ) from error


def check(name: str) -> None:
    """Refuse what is no model that can be loaded, in a moment, before jax starts.

    Raises:
        InputError: its folder lacks a file, or config.json or weights cannot be used.
    """
    from transfer_reasoning.model import safetensors
    from transfer_reasoning.model.config import from_hf

    if not name:
        raise InputError(
            "no model is named; expected a Hugging Face folder, a hub id or an orbax"
            " step directory"
        )
    located = locate(name, ["model"])
    file = located.folder / "config.json"
    if not file.is_file():
        raise InputError(
            f"{located.folder} has no config.json; expected a Hugging Face model folder"
        )
    raw = read_json(file)
    if not isinstance(raw, dict):
        raise InputError(f"{file} is no JSON object; expected a model's config")
    try:
        from_hf(raw)
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: {error}; expected a model's config") from error
    if located.step is None:
        safetensors.read_folder(located.folder)


def load(located: Located, *, compute_dtype: str, layout: Any) -> tuple[Any, Any]:
    """(config, params) with float32 weights on the shards of `layout`."""
    from transfer_reasoning.model.convert import load_params, read_config

    config = read_config(located.folder)
    config = dataclasses.replace(config, compute_dtype=compute_dtype)
    if located.step is None:
        params = load_params(located.folder, config, dtype="float32", layout=layout)
        return config, params
    from transfer_reasoning.training.state import load_weights

    return config, load_weights(located.step, config, layout)


def write_shape(folder: Path, config: Any, text: Any) -> None:
    """config.json and tokenizer files: what an orbax step needs beside it."""
    from transfer_reasoning.model.convert import write_config
    from transfer_reasoning.text import copy_tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config, dtype="float32")
    copy_tokenizer(text.folder, folder)


def write_model(folder: Path, params: Any, config: Any, text: Any) -> None:
    """A Hugging Face folder; it appears whole or not at all."""
    from transfer_reasoning.model.convert import save_folder
    from transfer_reasoning.text import copy_tokenizer

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_folder(partial, params, config)
    copy_tokenizer(text.folder, partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
