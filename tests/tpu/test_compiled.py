"""What `compiled` finds in programs that have it, on simulated devices."""

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from tests.tiny import mesh_of
from tests.tpu.compiled import Array, largest_gather, vocabulary_activations
from transfer_reasoning.model.head import Head, policy_scores

ROWS, LENGTH, WIDTH, VOCAB = 2, 48, 16, 96


def text_of(chunk: int) -> str:
    hidden = jax.ShapeDtypeStruct((ROWS, LENGTH, WIDTH), jnp.float32)
    table = jax.ShapeDtypeStruct((VOCAB, WIDTH), jnp.float32)
    targets = jax.ShapeDtypeStruct((ROWS, LENGTH), jnp.int32)
    loss = lambda head, targets: policy_scores(head, targets, chunk=chunk)[0].sum()
    gradient = jax.jit(jax.grad(loss))
    return gradient.lower(Head(hidden, table), targets).compile().as_text()


def test_an_activation_of_the_whole_vocabulary_is_found():
    ask = {"vocab": VOCAB, "positions": ROWS * LENGTH}
    assert vocabulary_activations(text_of(chunk=VOCAB), **ask)
    assert not vocabulary_activations(text_of(chunk=32), **ask)


def test_only_numbers_for_every_position_and_token_count():
    text = "f32[96,16] bf16[2,48,96]{2,1,0:T(8,128)} s32[96,96] f32[47,96] f32[96,97]"
    found = vocabulary_activations(text, vocab=96, positions=48)
    assert found == {Array("bf16", (2, 48, 96)), Array("f32", (96, 97))}


def test_a_gather_of_all_weights_is_told_from_one_of_a_layer():
    mesh, layers = mesh_of(1, 8, 1), 4
    place = lambda *axes: jax.sharding.NamedSharding(mesh, PartitionSpec(*axes))
    weights = jax.ShapeDtypeStruct(
        (layers, 16, 32), jnp.float32, sharding=place(None, "fsdp")
    )
    rows = jax.ShapeDtypeStruct((8, 16), jnp.float32, sharding=place("fsdp"))
    whole = lambda w: jax.lax.with_sharding_constraint(w, place())

    def each(w, x):
        return jax.lax.scan(
            lambda x, w: (jnp.tanh(x @ whole(w).mT[:16, :16]), None), x, w
        )[0]

    at_once = lambda w, x: each(whole(w), x)
    gathered = [
        largest_gather(jax.jit(program).lower(weights, rows).compile().as_text())
        for program in (each, at_once)
    ]
    assert gathered == [16 * 32 * 4, layers * 16 * 32 * 4]
