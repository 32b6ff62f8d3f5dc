"""Hugging Face weights to ours and back, one table for both directions.

Each row of `rows` says which Hugging Face tensor a leaf of ours is, into which shape
that tensor is viewed, and in which order our axes take it. A linear layer there is
[out, in] with heads folded into one dimension; ours keeps heads apart and puts the
input first. Reading goes through `jax.make_array_from_callback`: every device asks
for the slice it owns, and only those bytes are read.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from transfer_reasoning.model import safetensors
from transfer_reasoning.model.config import ModelConfig, from_hf, to_hf
from transfer_reasoning.model.decoder import Params, abstract_params, param_axes
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.types import InputError


class Row(NamedTuple):
    """One leaf: its path here; its name and shape there; how to view and turn it."""

    path: tuple[str, ...]
    name: str
    shape: tuple[int, ...]
    view: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def stacked(self) -> bool:
        """Is this leaf one tensor per layer there, stacked here?"""
        return "{layer}" in self.name

    def names(self, num_layers: int) -> list[str]:
        """The tensors of this leaf, by layer."""
        layers = range(num_layers if self.stacked else 1)
        return [self.name.format(layer=n) for n in layers]


def rows(config: ModelConfig) -> list[Row]:
    """The leaves of `config`'s decoder."""
    d, f, v = config.width, config.mlp_width, config.vocab_size
    layer = "model.layers.{layer}."
    table = [
        _same(("embedding",), "model.embed_tokens.weight", v, d),
        _same(
            ("layers", "attention_norm", "scale"), f"{layer}input_layernorm.weight", d
        ),
        *_attention_rows(config, f"{layer}self_attn."),
        _same(
            ("layers", "mlp_norm", "scale"),
            f"{layer}post_attention_layernorm.weight",
            d,
        ),
        *(
            Row(("layers", "mlp", name), f"{layer}mlp.{name}_proj.weight", s, s, (1, 0))
            for name, s in (("gate", (f, d)), ("up", (f, d)), ("down", (d, f)))
        ),
        _same(("final_norm", "scale"), "model.norm.weight", d),
    ]
    if not config.tied_head:
        table.append(_same(("head",), "lm_head.weight", v, d))
    return table


def _attention_rows(config: ModelConfig, prefix: str) -> Iterator[Row]:
    d, e = config.width, config.head_dim
    path = ("layers", "attention")
    h, k = config.num_heads, config.num_kv_heads
    for name, heads in (("query", h), ("key", k), ("value", k)):
        hf = f"{prefix}{name[0]}_proj."
        view = (heads, e, d)
        yield Row((*path, name), f"{hf}weight", (heads * e, d), view, (2, 0, 1))
        if config.qkv_bias:
            bias = (*path, f"{name}_bias")
            yield Row(bias, f"{hf}bias", (heads * e,), (heads, e), (0, 1))
    view = (d, h, e)
    yield Row((*path, "output"), f"{prefix}o_proj.weight", (d, h * e), view, (1, 2, 0))
    if config.output_bias:
        yield _same((*path, "output_bias"), f"{prefix}o_proj.bias", d)
    if config.qk_norm:
        yield _same((*path, "query_norm", "scale"), f"{prefix}q_norm.weight", e)
        yield _same((*path, "key_norm", "scale"), f"{prefix}k_norm.weight", e)


def _same(path: tuple[str, ...], name: str, *shape: int) -> Row:
    """A leaf that is laid out alike on both sides."""
    return Row(path, name, shape, shape, tuple(range(len(shape))))


def read_config(folder: Path) -> ModelConfig:
    """The decoder described by `folder/config.json`."""
    file = folder / "config.json"
    if not file.is_file():
        raise InputError(
            f"{folder} has no config.json; expected a Hugging Face model folder"
        )
    try:
        raw = json.loads(file.read_text())
        if not isinstance(raw, dict):
            raise InputError("it is no JSON object; expected a model's config")
        return from_hf(raw)
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: {error}") from error


def load_params(
    folder: Path, config: ModelConfig, *, dtype: str, layout: Layout
) -> Params:
    """Weights of a Hugging Face folder, cast to `dtype`, on the shards of `layout`.

    Raises:
        InputError: a tensor is missing, unexpected or of another shape; by name.
    """
    entries = safetensors.read_folder(folder)
    table = rows(config)
    _check_coverage(folder, entries, table, config)
    axes, abstract = param_axes(config), abstract_params(config)
    params: Params = {}
    for row in table:
        shape = _at(abstract, row.path).shape
        parts = [
            safetensors.view(entries[name]).reshape(row.view).transpose(row.order)
            for name in row.names(config.num_layers)
        ]
        sharding = layout.sharding(_at(axes, row.path), shape)
        read = _stacked_reader(parts, dtype) if row.stacked else _reader(parts, dtype)
        _put(params, row.path, jax.make_array_from_callback(shape, sharding, read))
    return params


def save_folder(folder: Path, params: Params, config: ModelConfig) -> None:
    """Write config.json and weights so that transformers loads them; dtype is kept."""
    dtype = np.dtype(params["embedding"].dtype)
    table = rows(config)
    announced = [
        (name, row.shape, dtype)
        for row in table
        for name in row.names(config.num_layers)
    ]

    def arrays() -> Iterator[np.ndarray]:
        for row in table:
            leaf = _at(params, row.path)
            inverse = np.argsort(row.order)
            for part in leaf if row.stacked else [leaf]:
                yield np.asarray(part).transpose(inverse).reshape(row.shape)

    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config, dtype=dtype.name)
    safetensors.write_folder(folder, announced, arrays())


def write_config(folder: Path, config: ModelConfig, *, dtype: str) -> None:
    """Write config.json; `dtype` is that of the weights beside it."""
    text = json.dumps(to_hf(config, dtype=dtype), indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")


def _reader(parts: list[np.ndarray], dtype: str) -> Callable[[Any], np.ndarray]:
    return lambda index: np.ascontiguousarray(parts[0][index]).astype(dtype)


def _stacked_reader(parts: list[np.ndarray], dtype: str) -> Callable[[Any], np.ndarray]:
    def read(index: tuple[slice, ...]) -> np.ndarray:
        return np.stack([part[index[1:]] for part in parts[index[0]]]).astype(dtype)

    return read


def _check_coverage(
    folder: Path, entries: dict, table: list[Row], config: ModelConfig
) -> None:
    expected = {
        name: row.shape for row in table for name in row.names(config.num_layers)
    }
    missing = sorted(expected.keys() - entries.keys())
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} tensors, the first {missing[0]!r}; expected"
            " every weight that config.json describes"
        )
    # A tied checkpoint may carry its head again; transformers ignores it too.
    extra = sorted(entries.keys() - expected.keys() - {"lm_head.weight"})
    if extra:
        raise InputError(
            f"{folder} has {len(extra)} unexpected tensors, the first {extra[0]!r};"
            " expected only weights that config.json describes"
        )
    for name, shape in expected.items():
        if entries[name].shape != shape:
            raise InputError(
                f"{entries[name].file}: tensor {name!r} has shape"
                f" {entries[name].shape}; expected {shape} by config.json"
            )


def _at(tree: Params, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _put(tree: Params, path: tuple[str, ...], value: jax.Array) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value
