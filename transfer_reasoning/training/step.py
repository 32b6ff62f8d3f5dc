"""One step of training: credited rollouts in, a new state and its metrics out.

    1. pack the responses into microbatches (host)
    2. where the objective asks: log-probabilities under the reference, and under the
       policy as it stands before several updates
    3. per update: add up the gradients of its microbatches, then apply them once

Token shares come from the host and already hold the global mean, so the sum over
microbatches, rows and devices is the objective: splitting it otherwise changes nothing
but rounding. An update whose gradient is not finite is skipped on the device, the same
way on every host, and counted.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from transfer_reasoning.data.packing import NORMALISERS, pack
from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.decoder import (
    Params,
    abstract_params,
    forward,
    head_table,
    param_shardings,
)
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.model.score import token_logprobs
from transfer_reasoning.objectives.kl import ESTIMATORS
from transfer_reasoning.objectives.surrogate import TrainBatch, surrogate
from transfer_reasoning.runtime.mesh import place
from transfer_reasoning.runtime.stopwatch import Stopwatch
from transfer_reasoning.training.state import TrainState, state_shardings
from transfer_reasoning.types import InputError, Weighted

CLOSE_LOGPROB = 2e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """The third lever and how a step is cut.

    Attributes:
        kl_weight: beta of the surrogate; 0 needs no reference model.
        kl_estimator: k1, k2 or k3.
        clip_low, clip_high: bounds of the importance ratio around 1.
        normaliser: a token's share of the objective (see `data.packing`).
        temperature: that of the sampler; logits are divided by it here as there.
        updates_per_step: optimiser updates the rollouts of a step are split into.
        rows, row_length: shape of a microbatch.
        remat: recompute layers in the backward pass.
        unroll: layers per iteration of the layer scan.
    """

    kl_weight: float = 0.0
    kl_estimator: str = "k3"
    clip_low: float = 0.2
    clip_high: float = 0.28
    normaliser: str = "token_mean"
    temperature: float = 1.0
    updates_per_step: int = 1
    rows: int = 8
    row_length: int = 128
    remat: bool = False
    unroll: int = 1

    def __post_init__(self) -> None:
        if self.kl_estimator not in ESTIMATORS:
            raise InputError(
                f"kl_estimator is {self.kl_estimator!r}; expected one of"
                f" {', '.join(ESTIMATORS)}"
            )
        if self.normaliser not in NORMALISERS:
            raise InputError(
                f"normaliser is {self.normaliser!r}; expected one of"
                f" {', '.join(NORMALISERS)}"
            )
        if self.kl_weight < 0:
            raise InputError(f"kl_weight is {self.kl_weight}; expected 0 or more")


class Tally(NamedTuple):
    """Sums over the microbatches of an update, float32 scalars on the device.

    share: of the objective that the microbatches hold. nll, kl, clipped: sums, by
    share, of -log p, of k3 against the reference, and of ratios outside their bounds.
    compared, close: tokens whose sampler and trainer log-probabilities were compared,
    and those within 2e-5; worst: the largest difference.
    """

    share: jax.Array
    nll: jax.Array
    kl: jax.Array
    clipped: jax.Array
    compared: jax.Array
    close: jax.Array
    worst: jax.Array


class Update:
    """Turns credited rollouts into the next `TrainState`; compiles three programs.

    Args:
        reference_params: weights of the KL reference; read only if `kl_weight` is set.
        watch: counts log-probabilities that the objective needs beforehand as "score".
    """

    def __init__(
        self,
        config: ModelConfig,
        optimizer: optax.GradientTransformation,
        objective: Objective,
        layout: Layout,
        *,
        reference_params: Params | None = None,
        watch: Stopwatch | None = None,
    ):
        self.objective, self._layout = objective, layout
        self._watch = watch or Stopwatch()
        assert reference_params is not None or not objective.kl_weight
        self._reference = reference_params if objective.kl_weight else None
        params, moments = state_shardings(config, optimizer, layout)
        logprobs = lambda weights, batch: _logprobs(
            weights, batch, config, objective, layout
        )
        self._score = jax.jit(logprobs)
        self._zeros = jax.jit(
            lambda: (_zeros(config), Tally(*[jnp.float32(0.0)] * len(Tally._fields))),
            out_shardings=(param_shardings(config, layout), None),
        )
        self._accumulate = jax.jit(
            lambda weights, batch, total: _accumulate(
                weights, batch, total, logprobs, objective
            ),
            donate_argnums=2,
        )
        self._apply = jax.jit(
            lambda weights, opt_state, gradient: _apply(
                weights, opt_state, gradient, optimizer
            ),
            donate_argnums=(0, 1),
            out_shardings=(params, moments, None),
        )

    def __call__(
        self, state: TrainState, weighted: Sequence[Weighted]
    ) -> tuple[TrainState, dict[str, Any]]:
        """The state after this step, and its metrics as device scalars.

        `state` is donated: its arrays are gone afterwards.
        """
        params, opt_state = state.params, state.opt_state
        updates = [
            self._prepare(params, part)
            for part in _split(weighted, self.objective.updates_per_step)
        ]
        tallies, norms = [], []
        for microbatches in updates:
            total = self._zeros()
            for batch in microbatches:
                total = self._accumulate(params, batch, total)
            gradient, tally = total
            params, opt_state, norm = self._apply(params, opt_state, gradient)
            tallies.append(tally)
            norms.append(norm)
        metrics = _metrics(tallies, norms)
        return TrainState(params, opt_state, state.step + 1), metrics

    def _prepare(self, params: Params, weighted: Sequence[Weighted]) -> list:
        """Microbatches on the mesh, with the log-probabilities the objective needs."""
        objective = self.objective
        # With no weight at all nothing moves, but sampler and trainer are compared.
        idle = not any(item.weight for item in weighted)
        batches = pack(
            weighted,
            rows=objective.rows,
            length=objective.row_length,
            normaliser=objective.normaliser,
            keep_unweighted=objective.kl_weight > 0 or idle,
        )
        sharding = self._layout.sharding(
            ("batch", None), (objective.rows, objective.row_length)
        )
        batches = [place(batch, sharding) for batch in batches]
        if self._reference is None and objective.updates_per_step == 1:
            return batches
        with self._watch.part("score"):
            if self._reference is not None:
                batches = [
                    b._replace(reference_logprob_BT=self._score(self._reference, b))
                    for b in batches
                ]
            if objective.updates_per_step > 1:
                batches = [
                    b._replace(old_logprob_BT=self._score(params, b)) for b in batches
                ]
            return jax.block_until_ready(batches)


def _logprobs(
    params: Params,
    batch: TrainBatch,
    config: ModelConfig,
    objective: Objective,
    layout: Layout,
) -> jax.Array:
    """Log-probability of every token given those before it; the first column is 0."""
    hidden_BTD = forward(
        params,
        batch.tokens_BT,
        batch.positions_BT,
        batch.segments_BT,
        config=config,
        layout=layout,
        remat=objective.remat,
        unroll=objective.unroll,
    ).hidden_BTD
    logprob_BT = token_logprobs(
        hidden_BTD[:, :-1],
        head_table(params, config),
        batch.tokens_BT[:, 1:],
        temperature=objective.temperature,
    )
    return jnp.pad(logprob_BT, ((0, 0), (1, 0)))


def _accumulate(params, batch: TrainBatch, total, logprobs, objective: Objective):
    """`total` (gradient, tally) with one more microbatch."""

    def loss(params):
        logprob_BT = logprobs(params, batch)
        old_BT = batch.old_logprob_BT
        if objective.updates_per_step == 1:
            old_BT = jax.lax.stop_gradient(logprob_BT)
        value = surrogate(
            logprob_BT,
            batch._replace(old_logprob_BT=old_BT),
            clip_low=objective.clip_low,
            clip_high=objective.clip_high,
            kl_weight=objective.kl_weight,
            kl_estimator=ESTIMATORS[objective.kl_estimator],
        )
        return value, (logprob_BT, old_BT)

    gradient, (logprob_BT, old_BT) = jax.grad(loss, has_aux=True)(params)
    tally = _tally(logprob_BT, old_BT, batch, objective)
    gradient_sum, sums = total
    return (
        jax.tree.map(jnp.add, gradient_sum, gradient),
        Tally(*[a + b for a, b in zip(sums[:-1], tally[:-1], strict=True)],
              worst=jnp.maximum(sums.worst, tally.worst)),
    )  # fmt: skip


def _tally(
    logprob_BT: jax.Array, old_BT: jax.Array, batch: TrainBatch, objective: Objective
) -> Tally:
    total = lambda x_BT: jnp.sum(
        jnp.where(batch.weight_BT > 0, x_BT * batch.weight_BT, 0.0)
    )
    ratio_BT = jnp.exp(logprob_BT - old_BT)
    outside_BT = (ratio_BT < 1 - objective.clip_low) | (
        ratio_BT > 1 + objective.clip_high
    )
    difference_BT = jnp.abs(logprob_BT - batch.sampler_logprob_BT)
    known_BT = jnp.isfinite(difference_BT)
    return Tally(
        share=total(jnp.ones_like(logprob_BT)),
        nll=total(-logprob_BT),
        kl=total(ESTIMATORS["k3"](logprob_BT, batch.reference_logprob_BT))
        if objective.kl_weight
        else jnp.float32(0.0),
        clipped=total(outside_BT.astype(jnp.float32)),
        compared=jnp.sum(known_BT, dtype=jnp.float32),
        close=jnp.sum(known_BT & (difference_BT <= CLOSE_LOGPROB), dtype=jnp.float32),
        worst=jnp.max(jnp.where(known_BT, difference_BT, 0.0)),
    )


def _apply(params, opt_state, gradient, optimizer: optax.GradientTransformation):
    """The optimiser's update, or nothing at all where the gradient is not finite."""
    norm = optax.tree_utils.tree_norm(gradient)
    updates, moved = optimizer.update(gradient, opt_state, params)
    finite = jnp.isfinite(norm)
    choose = lambda new, old: jnp.where(finite, new, old)
    new_params = jax.tree.map(choose, optax.apply_updates(params, updates), params)
    return new_params, jax.tree.map(choose, moved, opt_state), norm


def _zeros(config: ModelConfig) -> Params:
    return jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), abstract_params(config)
    )


def _split(weighted: Sequence[Weighted], parts: int) -> list[Sequence[Weighted]]:
    """`weighted` in `parts` runs of nearly equal length."""
    bounds = [round(n * len(weighted) / parts) for n in range(parts + 1)]
    return [weighted[a:b] for a, b in itertools.pairwise(bounds)]


def _metrics(tallies: list[Tally], norms: list[jax.Array]) -> dict[str, Any]:
    share = sum(t.share for t in tallies)
    return {
        "nll": sum(t.nll for t in tallies) / share,
        "kl": sum(t.kl for t in tallies) / share,
        "clipped": sum(t.clipped for t in tallies) / share,
        "grad_norm": sum(norms) / len(norms),
        "skipped": sum(~jnp.isfinite(norm) for norm in norms),
        # Only before the first update are sampler and trainer the same policy.
        "compared": tallies[0].compared,
        "close": tallies[0].close,
        "worst": tallies[0].worst,
    }
