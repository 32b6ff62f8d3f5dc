"""What policies make of packed rows: the log-probabilities that training asks for.

Column t of every result speaks of token t given those before it; column 0 is 0.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from transfer_reasoning.data.packing import pack, unpack
from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.model.decoder import Params, forward, head_table
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.model.score import (
    PolicyScores,
    policy_scores,
    policy_scores_against,
    token_logprobs,
)
from transfer_reasoning.objectives.kl import ESTIMATORS
from transfer_reasoning.objectives.surrogate import TrainBatch
from transfer_reasoning.runtime.mesh import place, to_device
from transfer_reasoning.training.objective import Objective
from transfer_reasoning.types import Rollout, Weighted


@dataclasses.dataclass(frozen=True)
class RowScores:
    """Programs over rows of one shape, to be compiled by their callers."""

    config: ModelConfig
    objective: Objective
    layout: Layout

    def states(self, params: Params, batch: TrainBatch) -> jax.Array:
        """Hidden states [B, T - 1, D] that predict tokens 1 and later."""
        return forward(
            params,
            batch.tokens_BT,
            batch.positions_BT,
            batch.segments_BT,
            config=self.config,
            layout=self.layout,
            remat=self.objective.remat,
            unroll=self.objective.unroll,
        ).hidden_BTD[:, :-1]

    def logprobs(self, params: Params, batch: TrainBatch) -> jax.Array:
        """Of every token, at the objective's temperature."""
        return _from_column_1(
            token_logprobs(
                self.states(params, batch),
                head_table(params, self.config),
                batch.tokens_BT[:, 1:],
                temperature=self.objective.temperature,
            )
        )

    def policy(
        self, params: Params, batch: TrainBatch, reference: None
    ) -> PolicyScores:
        """Log-probability and entropy; no KL."""
        return _scores_from_column_1(
            policy_scores(
                self.states(params, batch),
                head_table(params, self.config),
                batch.tokens_BT[:, 1:],
                temperature=self.objective.temperature,
            )
        )

    def policy_against(
        self, params: Params, batch: TrainBatch, reference: tuple[jax.Array, jax.Array]
    ) -> PolicyScores:
        """With the exact KL to a reference, given as its `states` and its table."""
        states_BTD, table_VD = reference
        return _scores_from_column_1(
            policy_scores_against(
                [self.states(params, batch), states_BTD],
                [head_table(params, self.config), table_VD],
                batch.tokens_BT[:, 1:],
                temperature=self.objective.temperature,
            )
        )


class RewardKl:
    """Estimates KL(sampler || reference) at the tokens of whole responses.

    Of the objective's estimator, from the log-probabilities that the rollouts carry and
    those of `reference_params`; the results are on the host, the same on every one.
    """

    def __init__(
        self,
        config: ModelConfig,
        objective: Objective,
        layout: Layout,
        *,
        reference_params: Params,
    ):
        rows = RowScores(config, objective, layout)
        estimator = ESTIMATORS[objective.kl_estimator]
        shape = (objective.rows, objective.row_length)
        self._shape, self._params = shape, reference_params
        self._rows = layout.sharding(("batch", None), shape)
        self._estimate = jax.jit(
            lambda params, batch: estimator(
                batch.sampler_logprob_BT, rows.logprobs(params, batch)
            ),
            out_shardings=layout.sharding((None, None), shape),
        )

    def __call__(self, rollouts: Sequence[Rollout]) -> list[np.ndarray]:
        """The estimate at each response token, one array a response."""
        rows, length = self._shape
        items = [Weighted(rollout, 1.0) for rollout in rollouts]
        batches = pack(items, rows=rows, length=length)
        params = to_device(self._params)
        estimates = [
            self._estimate(params, place(batch, self._rows)) for batch in batches
        ]
        return unpack([np.asarray(kl_BT) for kl_BT in estimates], rollouts)


def _from_column_1(x_BT: jax.Array) -> jax.Array:
    return jnp.pad(x_BT, ((0, 0), (1, 0)))


def _scores_from_column_1(scores: PolicyScores) -> PolicyScores:
    return PolicyScores(*[_from_column_1(x_BT) for x_BT in scores])
