"""Log-probabilities, ranks and entropies against float64 over the whole vocabulary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.reference import decoder_numpy
from tests.tiny import TINY, random_params, random_tokens, run_forward
from transfer_reasoning.model.decoder import head_table
from transfer_reasoning.model.score import (
    _num_chunks,
    policy_scores,
    policy_scores_against,
    token_logprobs,
    token_scores,
)

CHUNKS = [1000, 96, 48, 7, 1]  # whole, exact, divisor, ragged, one column each


@pytest.fixture(scope="module")
def scored():
    params = random_params(TINY)
    tokens, positions, segments = random_tokens(TINY, 1, 60)
    hidden = run_forward(params, tokens, positions, segments, config=TINY).hidden_BTD
    _, logits = decoder_numpy.forward(params, tokens[0], TINY)
    table = head_table(params, TINY)
    return hidden[:, :-1], table, tokens[:, 1:], logits[:-1]


@pytest.mark.parametrize("chunk", CHUNKS)
def test_scores_equal_float64_over_the_full_vocabulary(scored, chunk):
    hidden, table, targets, logits = scored
    logprobs, ranks, entropies = decoder_numpy.token_scores(logits, targets[0])
    ours = token_scores(hidden, table, targets, chunk=chunk)
    np.testing.assert_allclose(ours.logprob_BT[0], logprobs, atol=1e-5)
    np.testing.assert_allclose(ours.entropy_BT[0], entropies, atol=1e-5)
    np.testing.assert_array_equal(ours.rank_BT[0], ranks)


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_chunked_logprobs_and_gradients_equal_whole(scored, chunk, temperature):
    hidden, table, targets, logits = scored

    def total(hidden, table, chunk):
        return token_logprobs(
            hidden, table, targets, temperature=temperature, chunk=chunk
        ).sum()

    reference, _, _ = decoder_numpy.token_scores(logits / temperature, targets[0])
    ours = token_logprobs(hidden, table, targets, temperature=temperature, chunk=chunk)
    np.testing.assert_allclose(ours[0], reference, atol=1e-5)
    whole = jax.grad(total, (0, 1))(hidden, table, 96)
    chunked = jax.grad(total, (0, 1))(hidden, table, chunk)
    for a, b in zip(whole, chunked, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


def test_a_tie_does_not_outrank_the_target():
    hidden, table = jnp.ones((1, 1, 4)), jnp.ones((5, 4))
    scores = token_scores(hidden, table, jnp.array([[3]]))
    assert scores.rank_BT[0, 0] == 1
    np.testing.assert_allclose(scores.entropy_BT, np.log(5), rtol=1e-6)


def test_large_logits_stay_finite():
    hidden, table = jnp.full((1, 1, 1), 1e4), jnp.array([[1.0], [-1.0], [0.5]])
    scores = token_scores(hidden, table, jnp.array([[0]]), chunk=2)
    assert all(jnp.isfinite(x).all() for x in scores)
    np.testing.assert_allclose(scores.logprob_BT, 0.0, atol=1e-6)


@pytest.mark.parametrize("vocab", [151_936, 152_064, 128_256, 131_072, 512])
def test_published_vocabularies_split_without_padding(vocab):
    count = _num_chunks(vocab, 16_384)
    assert vocab % count == 0
    assert vocab // count <= 16_384


def test_entropies_of_large_logits_keep_their_digits():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(20, 32)).astype(np.float32)
    table = 2 * rng.normal(size=(1000, 32)).astype(np.float32)
    logits = hidden.astype(np.float64) @ table.T.astype(np.float64)
    _, _, entropies = decoder_numpy.token_scores(logits, [0] * 20)
    ours = token_scores(hidden[None], table, jnp.zeros((1, 20), int), chunk=250)
    np.testing.assert_allclose(ours.entropy_BT[0], entropies, atol=1e-5)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.fixture(scope="module")
def two_models():
    """Hidden states, tables and targets of a policy and a reference, float32."""
    rng = np.random.default_rng(5)
    draw = lambda *shape: np.float32(rng.normal(size=shape))
    hidden, table = draw(2, 9, 16), draw(96, 16)
    near = [hidden + 0.2 * draw(2, 9, 16), table + 0.2 * draw(96, 16)]
    return [hidden, near[0]], [table, near[1]], rng.integers(0, 96, (2, 9))


@pytest.mark.parametrize("chunk", CHUNKS[1:4])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_one_pass_gives_what_training_asks_in_float64(two_models, chunk, temperature):
    """Log-probability, entropy, exact KL; the gradient of any mixture of the first
    and the last, and none of the entropy's."""
    hidden, tables, targets = two_models
    wide = [np.float64(x) for x in hidden], [np.float64(x) for x in tables]
    p, q = (log_softmax(h @ t.T / temperature) for h, t in zip(*wide, strict=True))
    picked = np.take_along_axis(p, targets[..., None], -1)[..., 0]
    entropy = -(np.exp(p) * p).sum(-1)
    divergence = (np.exp(p) * (p - q)).sum(-1)
    run = jax.jit(
        lambda h, t: policy_scores_against(
            [h, hidden[1]], [t, tables[1]], targets,
            temperature=temperature, chunk=chunk,
        )
    )  # fmt: skip
    ours, pull = jax.vjp(run, hidden[0], tables[0])
    for mine, theirs in zip(ours, (picked, entropy, divergence), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)
    a, b = np.float32(np.random.default_rng(0).normal(size=(2, *targets.shape)))
    slopes = pull(type(ours)(jnp.array(a), jnp.ones_like(a), jnp.array(b)))
    # By the logits: a (1 at the target - p) + b p (p's log-ratio - KL)
    logit = -a[..., None] * np.exp(p)
    np.put_along_axis(
        logit, targets[..., None],
        np.take_along_axis(logit, targets[..., None], -1) + a[..., None], -1,
    )  # fmt: skip
    logit += b[..., None] * np.exp(p) * (p - q - divergence[..., None])
    logit /= temperature
    by_hand = logit @ wide[1][0], np.einsum("BTV,BTD->VD", logit, wide[0][0])
    for mine, theirs in zip(slopes, by_hand, strict=True):
        apart = np.linalg.norm(mine - theirs)
        assert apart < 1e-6 * np.linalg.norm(theirs)


def test_a_policy_is_at_no_distance_from_itself(two_models):
    hidden, tables, targets = (two_models[0][:1], two_models[1][:1], two_models[2])
    run = lambda h: (
        policy_scores_against([h, hidden[0]], tables * 2, targets, chunk=32).kl_BT
    )
    kl, pull = jax.vjp(run, hidden[0])
    assert not kl.any()
    np.testing.assert_allclose(pull(jnp.ones_like(kl))[0], 0.0, atol=1e-6)


@pytest.mark.parametrize("chunk", [96, 32])
def test_without_a_reference_the_pass_is_the_same_without_its_kl(two_models, chunk):
    hidden, tables, targets = two_models
    alone = policy_scores(hidden[0], tables[0], targets, chunk=chunk)
    both = policy_scores_against(hidden, tables, targets, chunk=chunk)
    plain = token_logprobs(hidden[0], tables[0], targets, chunk=chunk)
    np.testing.assert_allclose(alone.logprob_BT, plain, rtol=1e-6)
    np.testing.assert_allclose(alone.logprob_BT, both.logprob_BT, rtol=1e-6)
    np.testing.assert_allclose(alone.entropy_BT, both.entropy_BT, rtol=1e-6)
    assert not alone.kl_BT.any()


def largest_array(jaxpr):
    """Elements of the largest array that a traced program makes, inner ones too."""
    sizes = [0]
    for equation in jaxpr.eqns:
        sizes += [np.prod(out.aval.shape, dtype=int) for out in equation.outvars]
        for value in jax.tree.leaves(list(equation.params.values())):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                sizes.append(largest_array(inner))
    return max(sizes)


@pytest.mark.parametrize("exact", [False, True])
def test_no_array_of_the_whole_vocabulary_is_made(exact):
    """Nor by the backward pass: 16 chunks, so nothing near [B, T, V]."""
    rows, length, width, vocab, chunk = 4, 32, 8, 2048, 128
    hidden, table = jnp.ones((rows, length, width)), jnp.ones((vocab, width))
    targets = jnp.zeros((rows, length), int)

    def loss(hidden, table):
        if exact:
            given = [hidden, hidden + 1], [table, table + 1]
            scores = policy_scores_against(*given, targets, chunk=chunk)
        else:
            scores = policy_scores(hidden, table, targets, chunk=chunk)
        return scores.logprob_BT.sum() + scores.kl_BT.sum() + scores.entropy_BT.sum()

    traced = jax.make_jaxpr(jax.grad(loss, (0, 1)))(hidden, table)
    assert largest_array(traced.jaxpr) < rows * length * vocab / 8
    whole = jax.make_jaxpr(lambda h, t: token_logprobs(h, t, targets))(hidden, table)
    assert largest_array(whole.jaxpr) >= rows * length * vocab
