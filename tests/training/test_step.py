"""One update against the plain formula, however it is cut into rows, batches, devices.

The optimiser is SGD with momentum: after one update its trace is the gradient.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.tiny import mesh_of, random_params
from tests.training.plain import (
    CLIP,
    CONFIG,
    ITEMS,
    KL_WEIGHT,
    LENGTH,
    ROLLOUTS,
    as_numpy,
    plain_gradient,
    rows_of,
)
from transfer_reasoning.model.decoder import param_shardings
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.training.state import init_state
from transfer_reasoning.training.step import Objective, Update
from transfer_reasoning.types import Weighted

OPTIMIZER = optax.sgd(0.5, momentum=0.9)


@functools.cache
def make_update(mesh=(1, 1, 1), rows=8, **objective) -> Update:
    """An update whose compiled programs the tests share."""
    return Update(
        CONFIG,
        OPTIMIZER,
        Objective(rows=rows, row_length=LENGTH, **objective),
        Layout.train(mesh_of(*mesh)),
        reference_params=placed_params(mesh, seed=1),
    )


def placed_params(mesh, seed=0):
    layout = Layout.train(mesh_of(*mesh))
    return jax.device_put(random_params(CONFIG, seed), param_shardings(CONFIG, layout))


def fresh_state(mesh=(1, 1, 1)):
    layout = Layout.train(mesh_of(*mesh))
    return init_state(placed_params(mesh), CONFIG, OPTIMIZER, layout)


def two_updates_with_kl() -> Update:
    return make_update(updates_per_step=2, kl_weight=KL_WEIGHT, **CLIP)


def first_gradient(state):
    return state.opt_state[0].trace


def assert_trees_close(ours, theirs, atol=1e-6):
    close = lambda a, b: np.testing.assert_allclose(a, b, atol=atol)
    jax.tree.map(close, as_numpy(ours), as_numpy(theirs))


@pytest.fixture(scope="module")
def single():
    """After one update on one device, all 8 rows at once: (state, metrics)."""
    return make_update()(fresh_state(), ITEMS)


def test_gradient_equals_the_plain_formula(single):
    expected, _ = plain_gradient(random_params(CONFIG), ITEMS)
    assert max(np.abs(x).max() for x in jax.tree.leaves(expected)) > 0.01
    assert_trees_close(first_gradient(single[0]), expected)


def test_uniform_credit_is_supervised_fine_tuning():
    items = [Weighted(rollout, 1.0) for rollout in ROLLOUTS]
    state, metrics = make_update()(fresh_state(), items)
    expected, (logprob, _) = plain_gradient(random_params(CONFIG), items)
    mean = -logprob[rows_of(items)[1]].mean()
    np.testing.assert_allclose(metrics["nll"], mean, rtol=1e-6)
    assert_trees_close(first_gradient(state), expected)


def test_microbatches_of_two_rows_equal_one_of_eight(single):
    ours, metrics = make_update(rows=2)(fresh_state(), ITEMS)
    assert_trees_close(ours.params, single[0].params)
    assert_trees_close(first_gradient(ours), first_gradient(single[0]))
    np.testing.assert_allclose(metrics["nll"], single[1]["nll"], rtol=1e-6)


@pytest.mark.parametrize("mesh", [(1, 8, 1), (2, 2, 2), (1, 2, 4)])
def test_eight_devices_equal_one(single, mesh):
    """On the last mesh the key/value heads cannot be split as the others are."""
    ours, metrics = make_update(mesh)(fresh_state(mesh), ITEMS)
    embedding = max(jax.tree.leaves(ours.params), key=jnp.size)
    assert len(embedding.sharding.device_set) == 8
    assert not embedding.sharding.is_fully_replicated
    assert_trees_close(first_gradient(ours), first_gradient(single[0]))
    for name in ("nll", "grad_norm"):
        np.testing.assert_allclose(metrics[name], single[1][name], rtol=1e-6)


def test_several_updates_of_a_step_equal_the_plain_loop():
    """Ratios against the policy before the step, clipped; KL to another model."""
    ours, metrics = two_updates_with_kl()(fresh_state(), ITEMS)
    params = as_numpy(random_params(CONFIG))
    reference = random_params(CONFIG, 1)
    trace, outside = jax.tree.map(np.zeros_like, params), []
    halves = [ITEMS[:8], ITEMS[8:]]
    scores = lambda weights, items: plain_gradient(weights, items)[1][0]
    old = [scores(params, items) for items in halves]
    fixed = [scores(reference, items) for items in halves]
    for n, items in enumerate(halves):
        gradient, (_, clipped) = plain_gradient(params, items, old[n], fixed[n])
        trace = jax.tree.map(lambda t, g: np.float32(0.9) * t + g, trace, gradient)
        params = jax.tree.map(lambda p, t: p - np.float32(0.5) * t, params, trace)
        outside.append(clipped)
    assert outside[0] == 0
    assert outside[1] > 0.2
    np.testing.assert_allclose(metrics["clipped"], np.mean(outside), atol=1e-6)
    assert_trees_close(ours.params, params)


def test_metrics_are_means_over_what_is_trained_on(single):
    """Responses of no credit have no part in them."""
    _, (logprob, _) = plain_gradient(random_params(CONFIG), ITEMS)
    _, trained, credit = rows_of(ITEMS)
    expected = -logprob[trained & (credit != 0)].mean()
    np.testing.assert_allclose(single[1]["nll"], expected, rtol=1e-5)
    leaves = jax.tree.leaves(as_numpy(first_gradient(single[0])))
    norm = np.sqrt(sum(np.sum(np.float64(leaf) ** 2) for leaf in leaves))
    np.testing.assert_allclose(single[1]["grad_norm"], norm, rtol=1e-5)


def with_sampler_logprobs(credit):
    """ITEMS as a sampler would give them, which is far off at one token."""
    _, (logprob, _) = plain_gradient(random_params(CONFIG), ITEMS)
    _, trained, _ = rows_of(ITEMS)
    items = []
    for row, (rollout, weight) in enumerate(zip(ROLLOUTS, credit, strict=True)):
        logprobs = logprob[row][trained[row]].tolist()
        logprobs[0] += 0.125 * (row == 0)
        rollout = dataclasses.replace(rollout, logprobs=tuple(logprobs))
        items.append(Weighted(rollout, weight))
    return items


def test_sampler_and_trainer_are_compared_token_by_token():
    items = with_sampler_logprobs([1.0] * 16)
    _, metrics = make_update()(fresh_state(), items)
    tokens = sum(len(rollout.response) for rollout in ROLLOUTS)
    assert metrics["compared"] == tokens
    assert metrics["close"] == tokens - 1
    np.testing.assert_allclose(metrics["worst"], 0.125, atol=2e-5)


def test_a_step_without_any_credit_moves_nothing_and_is_compared():
    before = as_numpy(fresh_state().params)
    state, metrics = make_update()(fresh_state(), with_sampler_logprobs([0.0] * 16))
    assert metrics["compared"] == sum(len(r.response) for r in ROLLOUTS)
    assert metrics["grad_norm"] == 0
    jax.tree.map(np.testing.assert_array_equal, state.params, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_update_that_is_not_finite_is_skipped_and_counted(bad):
    update = make_update()
    state, _ = update(fresh_state(), ITEMS)
    before = as_numpy((state.params, state.opt_state))
    spoilt = [*ITEMS[1:], Weighted(ROLLOUTS[0], bad)]
    state, metrics = update(state, spoilt)
    jax.tree.map(np.testing.assert_array_equal, tuple(state)[:2], before)
    assert state.step == 2
    assert metrics["skipped"] == 1
    assert not jnp.isfinite(metrics["grad_norm"])
    state, metrics = update(state, ITEMS)
    assert metrics["skipped"] == 0
    assert jnp.isfinite(metrics["grad_norm"])


def test_one_bad_update_of_two_does_not_stop_the_other():
    spoilt = [Weighted(ROLLOUTS[0], np.nan), *ITEMS[1:]]
    state, metrics = two_updates_with_kl()(fresh_state(), spoilt)
    assert metrics["skipped"] == 1
    pair = as_numpy((state.params, random_params(CONFIG)))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), *pair)
    assert all(0 < x < np.inf for x in jax.tree.leaves(moved))


def test_the_state_is_donated_and_the_reference_is_not():
    update, state = two_updates_with_kl(), fresh_state()
    held = jax.tree.leaves((state.params, state.opt_state))
    update(state, ITEMS)
    assert all(leaf.is_deleted() for leaf in held)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(update._reference))
    update(fresh_state(), ITEMS)  # which reads the reference again
