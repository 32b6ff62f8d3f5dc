"""One update against the plain formulas, however it is cut into rows, batches, devices.

The optimiser is SGD with momentum: after one update its trace is the gradient.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.objectives.reference import Setting
from tests.tiny import mesh_of, random_params
from tests.training.plain import (
    CONFIG,
    ITEMS,
    LENGTH,
    MOMENTUM,
    RATE,
    ROLLOUTS,
    Plain,
    as_numpy,
    with_sampler_logprobs,
)
from transfer_reasoning.model.decoder import param_shardings
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.objectives.credit import GroupAdvantage
from transfer_reasoning.runtime.mesh import to_host
from transfer_reasoning.training.state import Optimizer, init_state
from transfer_reasoning.training.step import Objective, Update
from transfer_reasoning.types import Rollout, Weighted

OPTIMIZER = Optimizer(optax.identity(), optax.sgd(RATE, momentum=MOMENTUM))
SPLIT = {"clip_low": 0.02, "clip_high": 0.03, "kl_weight": 0.2}
FULL = {
    "ratio": "sequence",
    "clip_low": 0.01,
    "clip_high": 0.01,
    "clip_dual": 1.1,
    "correction": "sequence_mask",
    "correction_min": 0.95,
    "kl_estimator": "exact",
    "kl_weight": 0.2,
    "normaliser": "sequence_mean",
    "mask_truncated": True,
}
# data, fsdp, tensor, sequence; the last has more devices for heads than there are
# key/value heads.
MESHES = [
    *((1, 8, 1), (2, 4, 1), (8, 1, 1), (2, 2, 2)),
    *((1, 2, 2, 2), (2, 1, 1, 4)),
]
SAME = 1e-6  # of the norm of each leaf


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


def once(mesh=(1, 1, 1), rows=8) -> Update:
    """All that an objective may ask for, in one pass over the rollouts."""
    return make_update(mesh, rows, **FULL)


def twice() -> Update:
    """The same in two passes."""
    return make_update(epochs=2, **FULL)


def placed_params(mesh, seed=0):
    layout = Layout.train(mesh_of(*mesh))
    return jax.device_put(random_params(CONFIG, seed), param_shardings(CONFIG, layout))


def fresh_state(mesh=(1, 1, 1)):
    layout = Layout.train(mesh_of(*mesh))
    return init_state(placed_params(mesh), CONFIG, OPTIMIZER, layout)


def fresh_plain() -> Plain:
    return Plain(random_params(CONFIG), random_params(CONFIG, 1))


def first_gradient(state):
    return state.opt_state[0].trace


def assert_trees_close(ours, theirs, atol=1e-6):
    close = lambda a, b: np.testing.assert_allclose(a, b, atol=atol)
    jax.tree.map(close, as_numpy(ours), as_numpy(theirs))


def assert_leaves_same(ours, theirs):
    """Each leaf's difference is small beside the leaf, by their norms."""
    apart = jax.tree.map(
        lambda a, b: np.linalg.norm(a - b) / np.linalg.norm(b),
        as_numpy(ours),
        as_numpy(theirs),
    )
    assert max(jax.tree.leaves(apart)) <= SAME


def cut_some(items) -> list[Weighted]:
    """`items` with one truncated and one empty response."""
    cut = {2: {"finish_reason": "length"}, 9: {"response": (), "logprobs": ()}}
    return [
        Weighted(dataclasses.replace(item.rollout, **cut.get(n, {})), item.weight)
        for n, item in enumerate(items)
    ]


@functools.cache
def items_of_full() -> list[Weighted]:
    """ITEMS of a sampler that is off at one token, some cut."""
    return cut_some(with_sampler_logprobs(random_params(CONFIG)))


@functools.cache
def agreeing_items() -> list[Weighted]:
    """Responses of three tokens, which all pull alike, of no known sampler.

    So that a millionth can be asked for: where gradients cancel, the sum is small and
    its rounding is not, and a ratio makes of the rounding of a log-probability, a
    millionth too, a relative error.
    """
    rng = np.random.default_rng(0)
    draw = lambda size: tuple(rng.choice([5, 6, 7], size).tolist())
    rollouts = [
        dataclasses.replace(rollout, response=draw(len(rollout.response)))
        for rollout in ROLLOUTS
    ]
    credit = [1.0, 0.5, 0.0, 2.0] * 4
    return cut_some([Weighted(r, w) for r, w in zip(rollouts, credit, strict=True)])


def one_pass(update, items, mesh=(1, 1, 1), moved=0.0):
    """Gradient and tally of `items`, whose policy has `moved` since the step began."""
    params, noise = placed_params(mesh), placed_params(mesh, seed=2)
    began = jax.tree.map(lambda now, other: now + moved * other, params, noise)
    return update._gradient(params, update._prepare(began, items))


@pytest.fixture(scope="module")
def single():
    """After one update on one device, all 8 rows at once: (state, metrics)."""
    return make_update()(fresh_state(), ITEMS)


@pytest.fixture(scope="module")
def full():
    """The same after two passes with everything on."""
    return twice()(fresh_state(), items_of_full())


def test_gradient_equals_the_plain_formula(single):
    expected, _ = fresh_plain().gradient(ITEMS, Setting())
    assert max(np.abs(x).max() for x in jax.tree.leaves(expected)) > 0.01
    assert_trees_close(first_gradient(single[0]), expected)


def test_uniform_credit_is_supervised_fine_tuning():
    items = [Weighted(rollout, 1.0) for rollout in ROLLOUTS]
    state, metrics = make_update()(fresh_state(), items)
    expected, data = fresh_plain().gradient(items, Setting())
    mean = -data.logprob[data.inside].mean()
    np.testing.assert_allclose(metrics["nll"], mean, rtol=1e-6)
    assert_trees_close(first_gradient(state), expected)


def test_everything_at_once_equals_the_plain_formulas(full):
    """Sequence ratios of two passes, masks, an exact KL; and what is logged of them."""
    items, setting, plain = items_of_full(), Setting(**FULL), fresh_plain()
    old = plain.dense(items).logprob
    first = plain.update(items, setting)
    second = plain.update(items, setting, old)
    assert_trees_close(full[0].params, plain.params)
    metrics = full[1]
    kept = ~first.truncated_R & (first.lengths_R > 0)
    share = first.inside / np.maximum(first.lengths_R, 1)[:, None] * kept[:, None]
    mean = lambda x: (share * x).sum() / share.sum()
    means = lambda name: np.mean([mean(getattr(d, name)) for d in (first, second)])
    np.testing.assert_allclose(metrics["nll"], -means("logprob"), rtol=1e-5)
    np.testing.assert_allclose(metrics["kl"], means("exact_kl"), rtol=1e-5)
    counts = np.maximum(second.lengths_R, 1)
    gap = np.where(second.inside, second.logprob - second.old, 0.0)
    ratio = np.exp(gap.sum(1) / counts)
    np.testing.assert_allclose(
        metrics["ratio_mean"], (1 + (kept * ratio).sum() / kept.sum()) / 2, rtol=1e-6
    )
    np.testing.assert_allclose(metrics["ratio_max"], ratio[kept].max(), rtol=1e-5)
    low = kept & (ratio < 0.99) & (first.advantage_R < 0)
    high = kept & (ratio > 1.01) & (first.advantage_R > 0)
    high |= kept & (ratio > 1.1) & (first.advantage_R < 0)
    assert low.any()
    assert high.any()
    clipped = [metrics["clipped_low"], metrics["clipped_high"]]
    by_hand = [side.sum() / kept.sum() / 2 for side in (low, high)]
    np.testing.assert_allclose(clipped, by_hand, rtol=1e-5)
    np.testing.assert_allclose(metrics["corrected"], 1 / kept.sum(), rtol=1e-5)


@pytest.fixture(scope="module")
def whole():
    """Gradient and tally of one pass, on one device, all 8 rows at once."""
    return one_pass(once(), agreeing_items())


def assert_same(ours, theirs):
    """Gradients by the norm of each leaf, sums of the tally nearly so.

    Differences of log-probabilities are rounding here, all but the largest.
    """
    assert_leaves_same(ours[0], theirs[0])
    for name, value in theirs[1].sums.items():
        close = functools.partial(np.testing.assert_allclose, err_msg=name)
        close(ours[1].sums[name], value, rtol=1e-5, atol=1e-4)


def test_microbatches_of_two_rows_equal_one_of_eight(whole):
    assert_same(one_pass(once(rows=2), agreeing_items()), whole)


def shuffled(items):
    return [items[n] for n in np.random.default_rng(1).permutation(len(items))]


def test_the_order_of_responses_changes_nothing(whole):
    assert_same(one_pass(once(), shuffled(agreeing_items())), whole)


def test_nor_does_it_where_the_policy_has_moved():
    """With ratios and weights that are not 1, and credit of both signs."""
    items = items_of_full()
    first = one_pass(twice(), items, moved=0.05)
    assert first[1].largest["ratio"] > 1.05
    assert first[1].sums["clipped_high"] > 0.1
    assert_same(one_pass(twice(), shuffled(items), moved=0.05), first)


@pytest.mark.parametrize("mesh", MESHES)
def test_eight_devices_equal_one(whole, mesh):
    ours = one_pass(once(mesh), agreeing_items(), mesh)
    embedding = max(jax.tree.leaves(ours[0]), key=jnp.size)
    assert len(embedding.sharding.device_set) == 8
    assert embedding.sharding.is_fully_replicated == (mesh == (8, 1, 1))
    assert_same(ours, whole)


def test_whole_steps_on_eight_devices_equal_one():
    (one, metrics), (eight, others) = (
        once(mesh)(fresh_state(mesh), items_of_full())
        for mesh in ((1, 1, 1), (2, 2, 2))
    )
    assert_leaves_same(eight.params, one.params)
    for name in metrics.keys() - {"mean_difference", "sampler_kl", "worst"}:
        np.testing.assert_allclose(others[name], metrics[name], 1e-5, err_msg=name)


@pytest.mark.parametrize("setting", [SPLIT, FULL], ids=["tokens", "exact"])
def test_a_reference_in_host_memory_changes_no_bit(setting):
    """Its copy outlives the weights it was made of, and goes back after every use."""
    near = placed_params((1, 1, 1), seed=1)
    far = to_host(near)
    assert {leaf.sharding.memory_kind for leaf in jax.tree.leaves(far)} == {
        "pinned_host"
    }
    jax.tree.map(lambda leaf: leaf.delete(), near)
    shared = make_update(**setting)
    there, shared._reference = shared._reference, far
    offloaded = one_pass(shared, items_of_full())
    shared._reference = there
    jax.tree.map(
        np.testing.assert_array_equal, offloaded, one_pass(shared, items_of_full())
    )


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -1e9])
@pytest.mark.parametrize("make", [make_update, twice])
def test_padding_and_masked_fields_may_hold_anything(make, garbage):
    """Other tokens in the padding, and no numbers wherever nothing is trained on."""
    update, params = make(), placed_params((1, 1, 1))
    (batch,) = update._prepare(params, items_of_full())
    rng = np.random.default_rng(0)
    masked, empty = np.array(batch.weight_BT == 0), np.array(batch.segments_BT == 0)
    assert empty.any()
    spoil = lambda x: jnp.where(masked, jnp.float32(garbage), x)
    spoilt = batch._replace(
        tokens_BT=jnp.where(empty, rng.integers(0, 96, masked.shape), batch.tokens_BT),
        positions_BT=jnp.where(empty, 7, batch.positions_BT),
        advantage_BT=spoil(batch.advantage_BT),
        sampler_logprob_BT=spoil(batch.sampler_logprob_BT),
        old_logprob_BT=spoil(batch.old_logprob_BT),
        reference_logprob_BT=spoil(batch.reference_logprob_BT),
    )
    clean, other = (update._gradient(params, [b]) for b in (batch, spoilt))
    assert max(jnp.abs(leaf).max() for leaf in jax.tree.leaves(clean[0])) > 0.01
    jax.tree.map(np.testing.assert_array_equal, clean, other)


def test_several_updates_of_a_step_equal_the_plain_loop():
    """Ratios against the policy before the step, clipped; KL to another model."""
    ours, metrics = make_update(updates_per_step=2, **SPLIT)(fresh_state(), ITEMS)
    plain, setting = fresh_plain(), Setting(**SPLIT)
    halves = [ITEMS[:8], ITEMS[8:]]
    old = [plain.dense(items).logprob for items in halves]
    outside, divergence = [], []
    for n, items in enumerate(halves):
        data = plain.update(items, setting, old[n])
        ratio, advantage = np.exp(data.logprob - data.old), data.advantage_R[:, None]
        sides = (ratio < 0.98) & (advantage < 0), (ratio > 1.03) & (advantage > 0)
        outside.append([side[data.inside].mean() for side in sides])
        d = data.reference - data.logprob
        divergence.append((np.exp(d) - d - 1)[data.inside].mean())
    assert sum(outside[0]) == 0
    assert min(outside[1]) > 0.05
    clipped = [metrics["clipped_low"], metrics["clipped_high"]]
    np.testing.assert_allclose(clipped, np.mean(outside, axis=0), atol=1e-6)
    np.testing.assert_allclose(metrics["kl"], np.mean(divergence), rtol=1e-4)
    assert_trees_close(ours.params, plain.params)


def test_metrics_are_means_over_what_is_trained_on(single):
    """Responses of no credit have no part in them."""
    dense = fresh_plain().dense(ITEMS)
    _, data = fresh_plain().gradient(ITEMS, Setting())
    counted = data.inside & (data.advantage_R != 0)[:, None]
    metrics = single[1]
    np.testing.assert_allclose(metrics["nll"], -dense.logprob[counted].mean(), 1e-5)
    np.testing.assert_allclose(metrics["entropy"], dense.entropy[counted].mean(), 1e-5)
    assert metrics["ratio_mean"] == metrics["ratio_max"] == 1
    assert metrics["clipped_low"] == metrics["clipped_high"] == metrics["kl"] == 0
    assert metrics["corrected"] == 0
    leaves = jax.tree.leaves(as_numpy(first_gradient(single[0])))
    norm = np.sqrt(sum(np.sum(np.float64(leaf) ** 2) for leaf in leaves))
    np.testing.assert_allclose(metrics["grad_norm"], norm, rtol=1e-5)


def given_by_a_sampler(credit):
    """ITEMS as a sampler would give them, which is far off at one token."""
    items = [Weighted(r, w) for r, w in zip(ROLLOUTS, credit, strict=True)]
    return with_sampler_logprobs(random_params(CONFIG), items)


def test_sampler_and_trainer_are_compared_token_by_token():
    _, metrics = make_update()(fresh_state(), given_by_a_sampler([1.0] * 16))
    tokens = sum(len(rollout.response) for rollout in ROLLOUTS)
    assert metrics["compared"] == tokens
    assert metrics["close"] == tokens - 1
    np.testing.assert_allclose(metrics["worst"], 0.125, atol=2e-5)
    np.testing.assert_allclose(metrics["mean_difference"], 0.125 / tokens, atol=2e-6)
    # The sampler gave e^0.125 times the probability that the trainer gives.
    expected = (np.exp(-0.125) + 0.125 - 1) / tokens
    np.testing.assert_allclose(metrics["sampler_kl"], expected, rtol=1e-2)


def test_a_step_without_any_credit_moves_nothing_and_is_compared():
    before = as_numpy(fresh_state().params)
    state, metrics = make_update()(fresh_state(), given_by_a_sampler([0.0] * 16))
    assert metrics["compared"] == sum(len(r.response) for r in ROLLOUTS)
    assert metrics["grad_norm"] == 0
    jax.tree.map(np.testing.assert_array_equal, state.params, before)


def test_a_step_of_truncated_and_empty_responses_moves_nothing():
    """Nothing is left to divide by; no number is made up, and none breaks."""
    before = as_numpy(fresh_state().params)
    cut = [dataclasses.replace(r, finish_reason="length") for r in ROLLOUTS[:4]]
    items = [Weighted(r, 1.0) for r in (*cut, Rollout((1, 2), ()))]
    state, metrics = twice()(fresh_state(), items)
    assert metrics["grad_norm"] == metrics["skipped"] == 0
    assert metrics["bad_leaf"] == -1
    assert jnp.isnan(metrics["nll"])
    jax.tree.map(np.testing.assert_array_equal, state.params, before)


def graded(*rewards):
    """The first rollouts as one group with these rewards."""
    return [
        dataclasses.replace(rollout, reward=reward)
        for rollout, reward in zip(ROLLOUTS, rewards, strict=False)
    ]


@pytest.mark.parametrize(
    "groups",
    [
        [graded(*[0.1] * 8)],
        [graded(1.0)],
        [graded(1.0, np.nan, None)],
        [graded(0.3, 0.3, 0.3), graded(-1.0)],
    ],
    ids=["equal rewards", "a group of one", "one grade", "all of these"],
)
def test_groups_without_a_difference_move_nothing(groups):
    before = as_numpy(fresh_state().params)
    state, metrics = make_update()(fresh_state(), GroupAdvantage()(groups))
    assert metrics["grad_norm"] == metrics["skipped"] == 0
    jax.tree.map(np.testing.assert_array_equal, state.params, before)


@pytest.mark.parametrize("unknown", [np.nan, None, np.inf])
def test_one_unknown_reward_leaves_the_others_as_they_are(unknown):
    """Its tokens count in the mean over all tokens, and in nothing else."""
    with_it, without = graded(1.0, 0.0, unknown, 0.5), graded(1.0, 0.0, unknown, 0.5)
    del without[2]
    gradients, tokens = [], []
    for group in (with_it, without):
        state, metrics = make_update()(fresh_state(), GroupAdvantage()([group]))
        assert metrics["skipped"] == 0
        gradients.append(as_numpy(first_gradient(state)))
        tokens.append(sum(len(rollout.response) for rollout in group))
    scaled = jax.tree.map(lambda x: x * (tokens[0] / tokens[1]), gradients[0])
    assert_leaves_same(scaled, gradients[1])


def test_truncation_alone_changes_nothing_that_is_not_masked(single):
    cut = [
        Weighted(dataclasses.replace(item.rollout, finish_reason="length"), item.weight)
        for item in ITEMS
    ]
    state, _ = make_update()(fresh_state(), cut)
    jax.tree.map(np.testing.assert_array_equal, state.params, single[0].params)


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
    assert metrics["bad_leaf"] == 0
    assert not jnp.isfinite(metrics["grad_norm"])
    state, metrics = update(state, ITEMS)
    assert metrics["skipped"] == 0
    assert metrics["bad_leaf"] == -1
    assert jnp.isfinite(metrics["grad_norm"])


def test_the_first_leaf_that_is_not_finite_is_named():
    update = make_update()
    for number in (0, 3, 10):
        gradient = jax.tree.map(jnp.ones_like, random_params(CONFIG))
        leaves, tree = jax.tree.flatten(gradient)
        for bad in range(number, len(leaves), 4):
            leaves[bad] = leaves[bad].at[..., 0].set(np.nan)
        *_, leaf = update._clip(jax.tree.unflatten(tree, leaves))
        assert leaf == number


def test_one_bad_update_of_two_does_not_stop_the_other():
    spoilt = [Weighted(ROLLOUTS[0], np.nan), *ITEMS[1:]]
    state, metrics = make_update(updates_per_step=2, **SPLIT)(fresh_state(), spoilt)
    assert metrics["skipped"] == 1
    assert metrics["bad_leaf"] == 0
    pair = as_numpy((state.params, random_params(CONFIG)))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), *pair)
    assert all(0 < x < np.inf for x in jax.tree.leaves(moved))


def test_the_state_is_donated_and_the_reference_is_not():
    update, state = make_update(updates_per_step=2, **SPLIT), fresh_state()
    held = jax.tree.leaves((state.params, state.opt_state))
    update(state, ITEMS)
    assert all(leaf.is_deleted() for leaf in held)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(update._reference))
    update(fresh_state(), ITEMS)  # which reads the reference again
