"""One step of training: credited rollouts in, a new state and its metrics out.

    1. pack the responses into microbatches (host)
    2. where the objective asks: log-probabilities under the reference, and under the
       policy as it stands before several updates
    3. per update: add up the gradients of its microbatches, then apply them once; with
       several epochs all updates again, the log-probabilities of 2 as they were

Token shares come from the host and already hold the global mean, so the sum over
microbatches, rows and devices is the objective: splitting it otherwise changes nothing
but rounding. An update whose gradient is not finite is skipped on the device, the same
way on every host, and counted.

A run that is asked to end does so between microbatches, of which two at most wait for
the devices. From the first update on the step is finished: its state has been donated.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from transfer_reasoning.data.packing import pack, without_truncated
from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.decoder import (
    Params,
    abstract_params,
    head_table,
    param_shardings,
)
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.objectives.kl import k3
from transfer_reasoning.objectives.surrogate import TrainBatch
from transfer_reasoning.runtime.mesh import place
from transfer_reasoning.runtime.stopwatch import Stopwatch
from transfer_reasoning.training.objective import Objective
from transfer_reasoning.training.scoring import RowScores
from transfer_reasoning.training.state import TrainState, state_shardings
from transfer_reasoning.training.tally import Tally, step_metrics, tally
from transfer_reasoning.types import Weighted


class Update:
    """Turns credited rollouts into the next `TrainState`; compiles its programs once.

    Args:
        reference_params: weights of the KL reference; read only if the loss has a KL
            term.
        watch: counts log-probabilities that the objective needs beforehand as "score".
        check: asked before each microbatch until the first update; what it raises ends
            the call, and the state it was given is whole.
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
        check: Callable[[], None] = lambda: None,
    ):
        self.objective, self._layout, self._config = objective, layout, config
        self._watch, self._check = watch or Stopwatch(), check
        assert reference_params is not None or not objective.kl_in_loss
        self._reference = reference_params if objective.kl_in_loss else None
        params, moments = state_shardings(config, optimizer, layout)
        rows = RowScores(config, objective, layout)
        self._score = jax.jit(rows.logprobs)
        self._states = jax.jit(rows.states)
        self._zeros = jax.jit(
            lambda: (_zeros(config), Tally.zero()),
            out_shardings=(param_shardings(config, layout), None),
        )
        self._accumulate = jax.jit(
            lambda weights, batch, total, reference=None: _accumulate(
                weights, batch, total, reference, rows
            ),
            donate_argnums=2,
        )
        self._apply = jax.jit(
            lambda weights, opt_state, gradient: _apply(
                weights, opt_state, gradient, optimizer
            ),
            donate_argnums=(0, 1),
            out_shardings=(params, moments, None, None),
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
        tallies, norms, bad = [], [], []
        check = self._check
        for microbatches in updates * self.objective.epochs:
            total, before, last = self._zeros(), None, None
            for batch in microbatches:
                jax.block_until_ready(before)
                check()
                reference = self._reference_states(batch)
                total = self._accumulate(params, batch, total, reference)
                # The total itself is donated to the next microbatch.
                before, last = last, jnp.copy(total[1].sums["share"])
            gradient, measured = total
            params, opt_state, norm, leaf = self._apply(params, opt_state, gradient)
            check = lambda: None
            tallies.append(measured)
            norms.append(norm)
            bad.append(leaf)
        metrics = step_metrics(tallies, norms, bad)
        return TrainState(params, opt_state, state.step + 1), metrics

    def _prepare(self, params: Params, weighted: Sequence[Weighted]) -> list:
        """Microbatches on the mesh, with the log-probabilities the objective needs."""
        objective = self.objective
        if objective.mask_truncated:
            weighted = without_truncated(weighted)
        # With no weight at all nothing moves, but sampler and trainer are compared.
        idle = not any(item.weight for item in weighted)
        batches = pack(
            weighted,
            rows=objective.rows,
            length=objective.row_length,
            normaliser=objective.normaliser,
            budget=objective.budget,
            keep_unweighted=objective.kl_in_loss > 0 or idle,
        )
        sharding = self._layout.sharding(
            ("batch", None), (objective.rows, objective.row_length)
        )
        batches = [place(batch, sharding) for batch in batches]
        scored = self._reference is not None and not objective.exact_kl
        if not scored and objective.num_updates == 1:
            return batches
        with self._watch.part("score"):
            if scored:
                batches = [
                    b._replace(reference_logprob_BT=self._scores(self._reference, b))
                    for b in batches
                ]
            if objective.num_updates > 1:
                batches = [
                    b._replace(old_logprob_BT=self._scores(params, b)) for b in batches
                ]
            return batches

    def _scores(self, params: Params | None, batch: TrainBatch) -> jax.Array:
        self._check()
        return jax.block_until_ready(self._score(params, batch))

    def _reference_states(
        self, batch: TrainBatch
    ) -> tuple[jax.Array, jax.Array] | None:
        """What an exact KL reads of the reference: its hidden states and its table.

        Made for one microbatch at a time, so only one microbatch's are ever there.
        """
        if self._reference is None or not self.objective.exact_kl:
            return None
        table_VD = head_table(self._reference, self._config)
        return self._states(self._reference, batch), table_VD


def _accumulate(params, batch: TrainBatch, total, reference, rows: RowScores):
    """`total` (gradient, tally) with one more microbatch."""
    objective = rows.objective
    surrogate = objective.surrogate()
    policy = rows.policy_against if objective.exact_kl else rows.policy

    def loss(params):
        scores = policy(params, batch, reference)
        old_BT = batch.old_logprob_BT
        if objective.num_updates == 1:
            old_BT = jax.lax.stop_gradient(scores.logprob_BT)
        value, factors = surrogate(
            scores.logprob_BT, scores.kl_BT, batch._replace(old_logprob_BT=old_BT)
        )
        return value, (scores, factors)

    gradient, (scores, factors) = jax.grad(loss, has_aux=True)(params)
    kl_BT = scores.kl_BT
    if objective.kl_in_loss and not objective.exact_kl:
        kl_BT = k3(scores.logprob_BT, batch.reference_logprob_BT)
    gradient_sum, measured = total
    return (
        jax.tree.map(jnp.add, gradient_sum, gradient),
        measured.plus(tally(scores, kl_BT, factors, batch)),
    )


def _apply(params, opt_state, gradient, optimizer: optax.GradientTransformation):
    """The optimiser's update, or nothing at all where the gradient is not finite.

    Returns weights, optimiser state, the gradient's norm, and the index (in the order
    of tree_leaves) of the first leaf that makes the norm no number; -1 where none does.
    """
    squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)]
    running = jnp.stack(list(itertools.accumulate(squares)))
    norm = jnp.sqrt(running[-1])
    finite = jnp.isfinite(norm)
    bad_leaf = jnp.where(finite, -1, jnp.argmin(jnp.isfinite(running)))
    updates, moved = optimizer.update(gradient, opt_state, params)
    choose = lambda new, old: jnp.where(finite, new, old)
    new_params = jax.tree.map(choose, optax.apply_updates(params, updates), params)
    return new_params, jax.tree.map(choose, moved, opt_state), norm, bad_leaf


def _zeros(config: ModelConfig) -> Params:
    return jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), abstract_params(config)
    )


def _split(weighted: Sequence[Weighted], parts: int) -> list[Sequence[Weighted]]:
    """`weighted` in `parts` runs of nearly equal length."""
    bounds = [round(n * len(weighted) / parts) for n in range(parts + 1)]
    return [weighted[a:b] for a, b in itertools.pairwise(bounds)]
