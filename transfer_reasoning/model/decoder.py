"""The decoder: weights declared once, run by two of the model's three verbs.

Pre-norm transformer with RMSNorm, rotary positions, grouped-query attention and
SwiGLU: Qwen3 (arXiv 2505.09388), with the switches of `ModelConfig` for the other
families. The Flax NNX modules hold shape, dtype, logical axes and initialiser of each
weight in one place; everything hot works on the plain nested dict behind them.

    forward      all positions at once, layers stacked and scanned: training, probes,
                 prefill and, through `model.score`, the third verb
    decode_step  one position per row against a cache, one block of weights per layer

Decoding unrolls the layers because a scan would copy the stacked cache at every step;
`unstack_layers` makes its layout from the training one.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

from transfer_reasoning.model.attention import attend_cache, attend_rows
from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.partition import Layout, constrain, one_device
from transfer_reasoning.model.products import products, spread
from transfer_reasoning.model.remat import MIXED, PRODUCT, REMAT
from transfer_reasoning.model.rope import rotate, rotation, rotation_of_rows
from transfer_reasoning.model.vocabulary import look_up

Params = dict[str, Any]
Cache = list[tuple[jax.Array, jax.Array]]
Mix = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, Any]]


class Declare:
    """Declares float32 weights; with `num_layers` each gets a leading layer axis."""

    def __init__(self, rngs: nnx.Rngs, num_layers: int | None = None):
        self.rngs = rngs
        self.stack = () if num_layers is None else (num_layers,)
        self.stack_axes = ("layers",) * len(self.stack)

    def matrix(self, axes: tuple[str, ...], *shape: int, fan_in: int) -> nnx.Param:
        """A weight drawn from a normal distribution of variance 1 / fan_in."""
        draw = nnx.initializers.normal(fan_in**-0.5)
        value = draw(self.rngs.params(), (*self.stack, *shape))
        return nnx.Param(value, axes=(*self.stack_axes, *axes))

    def constant(self, value: float, axes: tuple[str, ...], *shape: int) -> nnx.Param:
        """A norm scale (1) or a bias (0)."""
        full = jnp.full((*self.stack, *shape), value, jnp.float32)
        return nnx.Param(full, axes=(*self.stack_axes, *axes))


def _like(weight: nnx.Param, x: jax.Array) -> jax.Array:
    """A scale or bias with the dtype and shape of the `x` it is applied to."""
    return spread(weight[...], x.shape, x.dtype)


class RMSNorm(nnx.Module):
    """x / rms(x) * scale, computed in float32 (arXiv 1910.07467)."""

    def __init__(self, declare: Declare, eps: float, axis: str, size: int):
        self.eps = eps
        self.scale = declare.constant(1.0, (axis,), size)

    def __call__(self, x: jax.Array) -> jax.Array:
        wide = x.astype(jnp.float32)
        variance = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
        normal = (wide * jax.lax.rsqrt(variance + self.eps)).astype(x.dtype)
        return _like(self.scale, normal) * normal


def _contract(x: jax.Array, *weights: nnx.Param, count: int = 1) -> list[jax.Array]:
    """The last `count` axes of `x` against the first of each weight."""
    leading = x.shape[:-count]
    arrays = tuple(weight[...] for weight in weights)
    found = products(x.reshape(*leading, math.prod(x.shape[-count:])), arrays)
    return [
        checkpoint_name(product.reshape(*leading, *weight[...].shape[count:]), PRODUCT)
        for product, weight in zip(found, weights, strict=True)
    ]


class Attention(nnx.Module):
    """The four projections around the mixing of positions."""

    def __init__(self, declare: Declare, config: ModelConfig):
        d, e = config.width, config.head_dim
        h, k = config.num_heads, config.num_kv_heads
        self.query = declare.matrix(("embed", "heads", "head_dim"), d, h, e, fan_in=d)
        kv_axes = ("embed", "kv_heads", "head_dim")
        self.key = declare.matrix(kv_axes, d, k, e, fan_in=d)
        self.value = declare.matrix(kv_axes, d, k, e, fan_in=d)
        self.output = declare.matrix(
            ("heads", "head_dim", "embed"), h, e, d, fan_in=h * e
        )
        if config.qkv_bias:
            self.query_bias = declare.constant(0.0, ("heads", "head_dim"), h, e)
            self.key_bias = declare.constant(0.0, ("kv_heads", "head_dim"), k, e)
            self.value_bias = declare.constant(0.0, ("kv_heads", "head_dim"), k, e)
        if config.output_bias:
            self.output_bias = declare.constant(0.0, ("embed",), d)
        if config.qk_norm:
            self.query_norm = RMSNorm(declare, config.norm_eps, "head_dim", e)
            self.key_norm = RMSNorm(declare, config.norm_eps, "head_dim", e)
        self.config = config

    def project(
        self, x_BTD: jax.Array, angles: tuple[jax.Array, ...]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Queries [B, T, H, E], keys and values [B, T, K, E], rotated."""
        query, key, value = _contract(x_BTD, self.query, self.key, self.value)
        if self.config.qkv_bias:
            query += _like(self.query_bias, query)
            key += _like(self.key_bias, key)
            value += _like(self.value_bias, value)
        if self.config.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        return rotate(query, *angles), rotate(key, *angles), value

    def merge(self, mixed_BTHE: jax.Array) -> jax.Array:
        """The heads' outputs brought back to model width."""
        (out_BTD,) = _contract(mixed_BTHE, self.output, count=2)
        if self.config.output_bias:
            out_BTD += _like(self.output_bias, out_BTD)
        return out_BTD


class MLP(nnx.Module):
    """SwiGLU: down(silu(gate x) * up x) (arXiv 2002.05202)."""

    def __init__(self, declare: Declare, config: ModelConfig):
        d, f = config.width, config.mlp_width
        self.gate = declare.matrix(("embed", "mlp"), d, f, fan_in=d)
        self.up = declare.matrix(("embed", "mlp"), d, f, fan_in=d)
        self.down = declare.matrix(("mlp", "embed"), f, d, fan_in=f)

    def __call__(self, x_BTD: jax.Array) -> jax.Array:
        gate_BTF, up_BTF = _contract(x_BTD, self.gate, self.up)
        (down_BTD,) = _contract(_swiglu(gate_BTF, up_BTF), self.down)
        return down_BTD


@jax.checkpoint
def _swiglu(gate: jax.Array, up: jax.Array) -> jax.Array:
    """silu(gate) * up, rounded once: in bfloat16 the sigmoid's steps each would be.

    The backward pass recomputes it and keeps no float32 copy.
    """
    return (jax.nn.silu(gate.astype(jnp.float32)) * up).astype(gate.dtype)


class Block(nnx.Module):
    """One layer; how positions mix is the caller's, so all verbs share this code."""

    def __init__(self, declare: Declare, config: ModelConfig):
        norm = functools.partial(
            RMSNorm, declare, config.norm_eps, "embed", config.width
        )
        self.attention_norm = norm()
        self.attention = Attention(declare, config)
        self.mlp_norm = norm()
        self.mlp = MLP(declare, config)

    def __call__(
        self, x_BTD: jax.Array, angles: tuple[jax.Array, ...], mix: Mix
    ) -> tuple[jax.Array, Any]:
        """The layer's output, and whatever memory `mix(query, key, value)` kept."""
        with jax.named_scope("attention"):
            projected = self.attention.project(self.attention_norm(x_BTD), angles)
            mixed_BTHE, memory = mix(*projected)
            x_BTD = x_BTD + self.attention.merge(mixed_BTHE)
        with jax.named_scope("mlp"):
            return x_BTD + self.mlp(self.mlp_norm(x_BTD)), memory


class Decoder(nnx.Module):
    """All weights of a model; `layers` is one block whose weights are stacked."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        declare = Declare(rngs)
        table = (("vocab", "embed"), config.vocab_size, config.width)
        self.embedding = declare.matrix(*table, fan_in=config.width)
        self.layers = Block(Declare(rngs, config.num_layers), config)
        self.final_norm = RMSNorm(declare, config.norm_eps, "embed", config.width)
        if not config.tied_head:
            self.head = declare.matrix(*table, fan_in=config.width)


class _Structure(NamedTuple):
    """What NNX knows of a decoder beyond its arrays; see `_structure`."""

    block: nnx.GraphDef
    norm: nnx.GraphDef
    weights: nnx.State


@functools.cache
def _structure(config: ModelConfig) -> _Structure:
    """The graph of one block and of the final norm, and all weights, abstract."""
    decoder = nnx.eval_shape(lambda: Decoder(config, nnx.Rngs(0)))
    graph = lambda module: nnx.split(module)[0]
    return _Structure(
        graph(decoder.layers), graph(decoder.final_norm), nnx.state(decoder)
    )


def abstract_params(config: ModelConfig) -> Params:
    """Shapes and dtypes of every weight, as a nested dict of ShapeDtypeStruct."""
    return nnx.to_pure_dict(_structure(config).weights)


def param_axes(config: ModelConfig) -> Params:
    """Logical axes of every weight, in the structure of `abstract_params`."""
    is_weight = lambda leaf: isinstance(leaf, nnx.Variable)
    axes = jax.tree.map(
        lambda weight: weight.get_metadata()["axes"],
        _structure(config).weights,
        is_leaf=is_weight,
    )
    return nnx.to_pure_dict(axes)


def param_shardings(config: ModelConfig, layout: Layout) -> Params:
    """Where every weight lives under `layout`."""
    abstract = abstract_params(config)
    return jax.tree.map(
        lambda leaf, axes: layout.sharding(axes, leaf.shape),
        abstract,
        param_axes(config),
    )


def init_params(config: ModelConfig, seed: int, layout: Layout | None = None) -> Params:
    """Fresh float32 weights, made in place on their shards."""
    make = lambda: nnx.to_pure_dict(nnx.state(Decoder(config, nnx.Rngs(seed))))
    shardings = None if layout is None else param_shardings(config, layout)
    return jax.jit(make, out_shardings=shardings)()


def unstack_layers(params: Params, num_layers: int) -> Params:
    """The decode layout: `layers` as a list of per-layer dicts."""
    layer = lambda n: jax.tree.map(lambda leaf: leaf[n], params["layers"])
    return params | {"layers": [layer(n) for n in range(num_layers)]}


class Forward(NamedTuple):
    """Hidden states of a forward pass.

    `embedded_BTD` enters the first layer, `hidden_BTD` is the last layer's output after
    the final norm, `head_VD` the table of the vocabulary that they are scored against,
    `kept` is `keep`'s return of each layer, stacked on a leading N.
    """

    embedded_BTD: jax.Array
    hidden_BTD: jax.Array
    head_VD: jax.Array
    kept: Any


def forward(
    params: Params,
    tokens_BT: jax.Array,
    positions_BT: jax.Array,
    segments_BT: jax.Array,
    *,
    config: ModelConfig,
    layout: Layout | None = None,
    remat: str = "none",
    unroll: int = 1,
    keep: Callable[[jax.Array, jax.Array, jax.Array], Any] = lambda x, k, v: None,
) -> Forward:
    """Run every position of every row through all layers.

    Rows may hold several packed sequences: `segments_BT` numbers them (0 is padding)
    and `positions_BT` restarts in each. `keep(hidden_BTD, key_BKTE, value_BKTE)`
    chooses what to remember of each layer: nothing, a pooled state, or the cache of a
    prefill.
    `remat` says what the backward pass recomputes (`REMAT`).
    `unroll` layers share one iteration of the scan: faster for shallow models on CPU
    (no copies into stacked residuals), slower to compile.
    """
    structure = _structure(config)
    # One device has all positions as one axis: XLA's CPU backend takes what leads to a
    # reshaped array again, line by line, to turn it for a product.
    flat, shape = one_device(layout), tokens_BT.shape
    enter = lambda x: x.reshape(-1, *x.shape[2:]) if flat else x
    leave = lambda x: x.reshape(*shape, *x.shape[1:]) if flat else x
    split = lambda x_BTD: constrain(layout, x_BTD, "batch", "positions", None)

    rows_BTD, table_VD = look_up(params["embedding"], tokens_BT)
    rows_BTD = rows_BTD.astype(config.compute_dtype)
    # First as the table lies, so that devices exchange parts of rows, not whole ones.
    embedded_BTD = split(constrain(layout, rows_BTD, None, None, "embed"))
    angles = jax.tree.map(enter, rotation_of_rows(config, positions_BT))

    def mix(query, key, value):
        query = constrain(layout, leave(query), "batch", None, "mixed_heads", None)
        key_BKTE, value_BKTE = (
            constrain(
                *(layout, leave(x).swapaxes(1, 2)),
                *("batch", "mixed_kv_heads", None, None),
            )
            for x in (key, value)
        )
        mixed = attend_rows(query, key_BKTE, value_BKTE, segments_BT, layout=layout)
        mixed = constrain(layout, mixed, "batch", None, "mixed_heads", None)
        return enter(checkpoint_name(mixed, MIXED)), (key_BKTE, value_BKTE)

    def layer(x_BTD, weights):
        block = nnx.merge(structure.block, weights)
        x, memory = block(enter(x_BTD), angles, mix)
        x_BTD = split(leave(x))
        return x_BTD, keep(x_BTD, *memory)

    body = REMAT[remat](layer)
    x_BTD, kept = jax.lax.scan(body, embedded_BTD, params["layers"], unroll=unroll)
    final_norm = nnx.merge(structure.norm, params["final_norm"])
    head_VD = table_VD if config.tied_head else params["head"]
    return Forward(embedded_BTD, final_norm(x_BTD), head_VD, kept)


def decode_step(
    params: Params,
    tokens_B: jax.Array,
    positions_B: jax.Array,
    cache: Cache,
    *,
    config: ModelConfig,
    layout: Layout | None = None,
) -> tuple[jax.Array, Cache]:
    """One token per row: (hidden_BD after the final norm, the cache with it added).

    `params` has unstacked layers. Row b's token is written at column `positions_B[b]`
    of its cache and sees the columns up to it.
    """
    structure = _structure(config)
    x_BTD = params["embedding"][tokens_B[:, None]].astype(config.compute_dtype)
    x_BTD = constrain(layout, x_BTD, "batch", None, None)
    angles = rotation(config, positions_B[:, None])
    rows = jnp.arange(tokens_B.shape[0])

    def mix_with(key_BKES, value_BKSE):
        def mix(query, key, value):
            keys = key_BKES.at[rows, :, :, positions_B].set(key[:, 0])
            values = value_BKSE.at[rows, :, positions_B].set(value[:, 0])
            mixed_BHE = attend_cache(query[:, 0], keys, values, positions_B + 1)
            return mixed_BHE[:, None], (keys, values)

        return mix

    added = []
    for weights, (keys, values) in zip(params["layers"], cache, strict=True):
        block = nnx.merge(structure.block, weights)
        x_BTD, memory = block(x_BTD, angles, mix_with(keys, values))
        x_BTD = constrain(layout, x_BTD, "batch", None, None)
        added.append(memory)
    final_norm = nnx.merge(structure.norm, params["final_norm"])
    return final_norm(x_BTD)[:, 0], added


def empty_cache(config: ModelConfig, rows: int, length: int) -> Cache:
    """A zeroed cache of `length` columns for `rows` rows: of each layer keys
    [B, K, E, S] and values [B, K, S, E]."""
    zeros = lambda *shape: jnp.zeros(
        (rows, config.num_kv_heads, *shape), config.compute_dtype
    )
    size = config.head_dim
    return [
        (zeros(size, length), zeros(length, size)) for _ in range(config.num_layers)
    ]


def head_table(params: Params, config: ModelConfig) -> jax.Array:
    """The output vocabulary table [V, D]: the embedding where the head is tied."""
    return params["embedding" if config.tied_head else "head"]
