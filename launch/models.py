"""Models by name: a Hugging Face folder, a hub id, an orbax step."""

import re
from pathlib import Path
from typing import NamedTuple

from transfer_reasoning.types import InputError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer*"]
# Mistral's repositories hold all weights a second time, in another form.
HUB_IGNORED = ["consolidated*", "*/*"]


class Located(NamedTuple):
    """Where a model's parts are: config and tokenizer in `folder`, and the weights too
    unless they are in the orbax `step`."""

    folder: Path
    step: Path | None


def locate(name: str) -> Located:
    """Find a model; a hub id is downloaded.

    Raises:
        InputError: there is no such model.
    """
    path = Path(name)
    if (path / "manifest.json").is_file():
        return Located(path.parent / "model", path)
    if path.is_dir():
        return Located(path, None)
    if not HUB_ID.fullmatch(name):
        raise InputError(
            f"model {name!r} is no directory and no hub id; expected a Hugging Face"
            " folder, a hub id such as Qwen/Qwen3-0.6B, or an orbax step directory"
        )
    return Located(_fetched(name, HUB_FILES), None)


def describe(name: str) -> Path:
    """The folder with a model's config.json; of a hub id only that file is fetched."""
    if HUB_ID.fullmatch(name) and not Path(name).exists():
        return _fetched(name, ["config.json"])
    return locate(name).folder


def check(name: str) -> None:
    """Refuse what is no model that can be loaded, in a moment, before jax starts.

    Raises:
        InputError: its folder lacks a file, or config.json or weights cannot be used.
    """
    from transfer_reasoning.model import safetensors
    from transfer_reasoning.model.config_file import read_config
    from transfer_reasoning.model.names import check_coverage

    if not name:
        raise InputError(
            "no model is named; expected a Hugging Face folder, a hub id or an orbax"
            " step directory"
        )
    located = locate(name)
    config = read_config(located.folder)
    if located.step is None:
        entries = safetensors.read_folder(located.folder)
        check_coverage(located.folder, entries, config)


def _fetched(name: str, files: list[str]) -> Path:
    """The hub's snapshot of a model, with those of `files` that it has."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(
            snapshot_download(name, allow_patterns=files, ignore_patterns=HUB_IGNORED)
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise InputError(
            f"model {name!r} is no directory here and cannot be fetched from the hub"
            f" ({str(error).splitlines()[0]}); expected a folder, or a hub id and a"
            " network"
        ) from error
