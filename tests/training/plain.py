"""One small model's training data, and the gradient as the papers write it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from tests.tiny import TINY, random_rollouts
from transfer_reasoning.model.decoder import forward, head_table
from transfer_reasoning.model.score import logits
from transfer_reasoning.types import Weighted

CONFIG = dataclasses.replace(TINY, num_layers=2)
LENGTH = 24
ROLLOUTS = random_rollouts(CONFIG, 16)
CREDIT = [1.0, -0.5, 0.0, 2.0] * 4
ITEMS = [Weighted(r, w) for r, w in zip(ROLLOUTS, CREDIT, strict=True)]
CLIP = {"clip_low": 0.02, "clip_high": 0.03}
KL_WEIGHT = 0.2


def as_numpy(tree):
    """A copy that no donation takes away."""
    return jax.tree.map(np.array, tree)


def rows_of(items):
    """One response a row, as plain arrays: tokens, which are trained on, credit.

    Always as many rows as there are ROLLOUTS, so that nothing compiles twice.
    """
    tokens = np.zeros((len(ROLLOUTS), LENGTH), np.int32)
    trained = np.zeros((len(ROLLOUTS), LENGTH), bool)
    credit = np.zeros((len(ROLLOUTS), 1), np.float32)
    for row, item in enumerate(items):
        credit[row] = item.weight
        prompt, response = item.rollout.prompt, item.rollout.response
        end = len(prompt) + len(response)
        tokens[row, :end] = prompt + response
        trained[row, len(prompt) : end] = True
    return tokens, trained, credit


@jax.jit
def plain(params, tokens, trained, credit, several, old, reference):
    """The gradient as the papers write it, a token's share 1 / all tokens.

    It is -w log p, or with `several` updates clipped ratios and k3.
    """

    def loss(params):
        positions = jnp.broadcast_to(jnp.arange(LENGTH), tokens.shape)
        hidden = forward(
            params, tokens, positions, jnp.ones_like(tokens), config=CONFIG
        ).hidden_BTD
        scores = jax.nn.log_softmax(logits(hidden, head_table(params, CONFIG)))[:, :-1]
        logprob = jnp.take_along_axis(scores, tokens[:, 1:, None], axis=-1)[..., 0]
        logprob = jnp.pad(logprob, ((0, 0), (1, 0)))
        low, high = 1 - CLIP["clip_low"], 1 + CLIP["clip_high"]
        ratio = jnp.exp(logprob - old)
        bounded = jnp.minimum(ratio * credit, jnp.clip(ratio, low, high) * credit)
        difference = reference - logprob
        k3 = jnp.exp(difference) - difference - 1
        losses = jnp.where(several, KL_WEIGHT * k3 - bounded, -credit * logprob)
        outside = ((ratio < low) | (ratio > high)) & trained
        loss = jnp.where(trained, losses, 0.0).sum() / trained.sum()
        return loss, (logprob, outside.sum() / trained.sum())

    return jax.grad(loss, has_aux=True)(params)


def plain_gradient(params, items, *several):
    """`several`: old and reference log-probabilities, where there are such."""
    unused = [np.zeros((len(ROLLOUTS), LENGTH), np.float32)] * 2
    given = several or unused
    return as_numpy(plain(params, *rows_of(items), bool(several), *given))
