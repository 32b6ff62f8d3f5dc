"""The surrogate by hand, and as supervised fine-tuning; what masking must mean."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_reasoning.objectives.kl import ESTIMATORS
from transfer_reasoning.objectives.surrogate import TrainBatch, policy_loss, surrogate

CLIP = {"clip_low": 0.2, "clip_high": 0.28}
# ratio, advantage -> loss, and its gradient by the log-probability
BY_HAND = [
    (1.0, 1.0, -1.0, -1.0),
    (1.1, 2.0, -2.2, -2.2),
    (1.5, 1.0, -1.28, 0.0),  # clipped above
    (0.5, 1.0, -0.5, -0.5),  # no bound below where the token is to become likelier
    (1.0, -1.0, 1.0, 1.0),
    (0.9, -2.0, 1.8, 1.8),
    (0.5, -1.0, 0.8, 0.0),  # clipped below
    (1.5, -1.0, 1.5, 1.5),  # no bound above where it is to become less likely
    (1.5, 0.0, 0.0, 0.0),
]


def make_batch(shape, seed=0, **fields) -> TrainBatch:
    """Random log-probabilities and credit; every fourth token is masked."""
    rng = np.random.default_rng(seed)
    logprobs = lambda: np.float32(-rng.exponential(2.0, shape))
    masked = np.arange(np.prod(shape)).reshape(shape) % 4 == 0
    share = np.where(masked, 0.0, rng.uniform(0.01, 0.1, shape))
    ids = np.zeros(shape, np.int32)
    batch = TrainBatch(
        tokens_BT=ids,
        positions_BT=ids,
        segments_BT=ids,
        weight_BT=np.float32(share),
        advantage_BT=np.float32(rng.normal(size=shape)),
        sampler_logprob_BT=logprobs(),
        old_logprob_BT=logprobs(),
        reference_logprob_BT=logprobs(),
    )
    return batch._replace(**fields)


@functools.partial(jax.jit, static_argnames=("kl_weight", "kl_estimator", "clip"))
def loss_and_gradient(
    logprob, batch, *, kl_weight=0.5, kl_estimator="k3", clip=(0.2, 0.28)
):
    value = lambda x: surrogate(
        x,
        batch,
        clip_low=clip[0],
        clip_high=clip[1],
        kl_weight=kl_weight,
        kl_estimator=ESTIMATORS[kl_estimator],
    )
    return jax.value_and_grad(value)(logprob)


@pytest.mark.parametrize(("ratio", "advantage", "loss", "slope"), BY_HAND)
def test_policy_loss_equals_the_number_by_hand(ratio, advantage, loss, slope):
    old = jnp.float32(-1.5)
    value = lambda x: policy_loss(x, old, jnp.float32(advantage), **CLIP)
    ours = jax.value_and_grad(value)(old + np.float32(np.log(ratio)))
    np.testing.assert_allclose(ours, (loss, slope), rtol=1e-6, atol=1e-7)


def test_surrogate_equals_the_numbers_by_hand():
    """Three tokens, one masked: 0.25 * -2.2 + 0.75 * 0.8, and the KL term."""
    zeros = jnp.zeros((1, 3))
    batch = make_batch(
        (1, 3),
        weight_BT=jnp.array([[0.25, 0.0, 0.75]]),
        advantage_BT=jnp.array([[2.0, 5.0, -1.0]]),
        old_logprob_BT=zeros,
        reference_logprob_BT=jnp.log(jnp.array([[2.2, 9.0, 0.25]])),
    )
    logprob = jnp.log(jnp.array([[1.1, 3.0, 0.5]]))
    policy = 0.25 * -2.2 + 0.75 * 0.8
    loss, _ = loss_and_gradient(logprob, batch, kl_weight=0)
    np.testing.assert_allclose(loss, policy, rtol=1e-6)
    # k3 of reference / policy = 2 and 1/2
    divergence = 0.25 * (2 - np.log(2) - 1) + 0.75 * (0.5 + np.log(2) - 1)
    loss, _ = loss_and_gradient(logprob, batch, kl_weight=0.1)
    np.testing.assert_allclose(loss, policy + 0.1 * divergence, rtol=1e-6)


def test_supervised_fine_tuning_is_the_case_of_weight_one():
    batch = make_batch((3, 8))
    logprob = batch.old_logprob_BT
    batch = batch._replace(advantage_BT=np.ones((3, 8), np.float32))
    loss, gradient = loss_and_gradient(logprob, batch, kl_weight=0)
    supervised = lambda x: -jnp.sum(x * batch.weight_BT)
    np.testing.assert_array_equal(gradient, jax.grad(supervised)(logprob))
    np.testing.assert_allclose(loss, -batch.weight_BT.sum(), rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_ratio_is_exactly_one_before_the_first_update(compiled):
    batch = make_batch((3, 8))
    own = lambda x: policy_loss(x, jax.lax.stop_gradient(x), batch.advantage_BT, **CLIP)
    value, pull = jax.vjp(jax.jit(own) if compiled else own, batch.old_logprob_BT)
    np.testing.assert_array_equal(value, -batch.advantage_BT)
    np.testing.assert_array_equal(pull(jnp.ones_like(value))[0], -batch.advantage_BT)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("garbage", [1e3, -1e3, np.inf, -np.inf, np.nan])
def test_masked_tokens_are_as_good_as_dropped(estimator, garbage):
    batch = make_batch((3, 8))
    logprob = batch.sampler_logprob_BT
    masked = np.array(batch.weight_BT == 0)
    spoil = lambda x: np.where(masked, np.float32(garbage), x)
    spoilt = batch._replace(
        advantage_BT=spoil(batch.advantage_BT),
        old_logprob_BT=spoil(batch.old_logprob_BT),
        reference_logprob_BT=spoil(batch.reference_logprob_BT),
    )
    loss, gradient = loss_and_gradient(logprob, batch, kl_estimator=estimator)
    for new, old in ((spoil(logprob), batch), (logprob, spoilt)):
        other, slope = loss_and_gradient(new, old, kl_estimator=estimator)
        assert other == loss
        np.testing.assert_array_equal(slope, gradient)
    assert (np.array(gradient)[masked] == 0).all()
    assert (np.array(gradient)[~masked] != 0).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("far", [-1e4, -100.0, 100.0, 1e4])
def test_gradients_are_finite_however_far_the_policies_are_apart(estimator, far):
    batch = make_batch((3, 8))
    logprob = batch.old_logprob_BT + far
    loss, gradient = loss_and_gradient(logprob, batch, kl_estimator=estimator)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_bounds_that_are_never_reached_change_nothing():
    batch = make_batch((3, 8))
    logprob = batch.old_logprob_BT + 0.1
    wide = loss_and_gradient(logprob, batch, clip=(0.9, 9.0))
    for ours, other in zip(loss_and_gradient(logprob, batch), wide, strict=True):
        np.testing.assert_array_equal(ours, other)
