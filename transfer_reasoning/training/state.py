"""What training carries from step to step, and the optimiser that moves it.

Only weights, optimiser moments and the step: data order and sampling keys are
functions of (seed, step, index), so nothing else is needed to go on exactly.
"""

from typing import Any, NamedTuple

import jax
import optax

from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.decoder import (
    Params,
    abstract_params,
    param_shardings,
)
from transfer_reasoning.model.partition import Layout


class TrainState(NamedTuple):
    """Weights and moments (float32), and how many steps made them."""

    params: Params
    opt_state: Any
    step: int


def make_optimizer(
    config: ModelConfig,
    *,
    learning_rate: float,
    num_updates: int,
    warmup_updates: int,
    final_fraction: float,
    b2: float = 0.95,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """AdamW after clipping by global norm; linear warm-up, cosine to a fraction.

    Norm scales and biases do not decay. Returns the optimiser and its schedule.
    """
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0 if warmup_updates else learning_rate,
        peak_value=learning_rate,
        warmup_steps=warmup_updates,
        decay_steps=max(num_updates, warmup_updates + 1),
        end_value=learning_rate * final_fraction,
    )
    decays = jax.tree_util.tree_map_with_path(
        lambda path, _: not path[-1].key.endswith(("scale", "bias")),
        abstract_params(config),
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(max_grad_norm),
        optax.adamw(schedule, b1=0.9, b2=b2, weight_decay=weight_decay, mask=decays),
    )
    return optimizer, schedule


def init_state(
    params: Params,
    config: ModelConfig,
    optimizer: optax.GradientTransformation,
    layout: Layout,
) -> TrainState:
    """Step 0 from given weights; moments are made on the shards of their weights."""
    shardings = state_shardings(config, optimizer, layout)[1]
    opt_state = jax.jit(optimizer.init, out_shardings=shardings)(params)
    return TrainState(params, opt_state, 0)


def state_shardings(
    config: ModelConfig, optimizer: optax.GradientTransformation, layout: Layout
) -> tuple[Params, Any]:
    """Where weights and optimiser state live."""
    params = param_shardings(config, layout)
    abstract = jax.eval_shape(optimizer.init, abstract_params(config))
    everywhere = layout.sharding((), ())
    moments = optax.tree_utils.tree_map_params(
        optimizer,
        lambda _, sharding: sharding,
        abstract,
        params,
        transform_non_params=lambda _: everywhere,
    )
    return params, moments


def abstract_state(
    config: ModelConfig, optimizer: optax.GradientTransformation, layout: Layout
) -> dict[str, Any]:
    """What a checkpoint holds, as shapes, dtypes and shardings: params, opt_state."""
    abstract = abstract_params(config)
    params, moments = state_shardings(config, optimizer, layout)
    opt_state = jax.eval_shape(optimizer.init, abstract)
    return {
        "params": _placed(abstract, params),
        "opt_state": _placed(opt_state, moments),
    }


def abstract_weights(config: ModelConfig, layout: Layout) -> dict[str, Any]:
    """The part of a checkpoint that inference needs."""
    shardings = param_shardings(config, layout)
    return {"params": _placed(abstract_params(config), shardings)}


def _placed(abstract: Any, shardings: Any) -> Any:
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding
        ),
        abstract,
        shardings,
    )
