"""One attention function: the kernels of accelerators equal plain XLA."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from tests.tiny import mesh_of
from transfer_reasoning.model.attention import attend_blocks
from transfer_reasoning.model.fused_attention import cudnn, cudnn_takes, splash
from transfer_reasoning.model.partition import Layout

ROWS, LENGTH, HEADS, KV_HEADS, SIZE = 4, 300, 4, 2, 16
SEGMENTS = np.zeros((ROWS, LENGTH), np.int32)
SEGMENTS[0, :70], SEGMENTS[0, 70:180] = 1, 2  # and padding
SEGMENTS[1:] = 1


@pytest.fixture(scope="module")
def operands():
    """Queries, keys, values."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    key, value = (draw(ROWS, KV_HEADS, LENGTH, SIZE) for _ in range(2))
    return draw(ROWS, LENGTH, HEADS, SIZE), key, value


@pytest.fixture(scope="module")
def plain(operands):
    return outputs_and_slopes(attend_blocks, operands)


def outputs_and_slopes(attend, operands):
    """Of queries, keys and values: the outputs, and derivatives of a random sum."""

    def run(*operands):
        mixed, pull = jax.vjp(lambda *x: attend(*x, jnp.asarray(SEGMENTS)), *operands)
        slope = jax.random.normal(jax.random.key(1), mixed.shape)
        return mixed, *pull(slope.astype(mixed.dtype))

    return jax.jit(run)(*operands)


def splash_on(*mesh: int):
    return functools.partial(
        splash, layout=Layout.train(mesh_of(*mesh)), interpret=True
    )


def by_mask(*mesh: int):
    """As cuDNN is asked, but of XLA."""
    return functools.partial(
        cudnn, layout=Layout.train(mesh_of(*mesh)), implementation="xla"
    )


@pytest.mark.parametrize(
    "attend",
    [
        splash_on(2, 1, 2),
        splash_on(1, 1, 2, 2),  # more devices for heads than key/value heads
        by_mask(2, 1, 2),
    ],
    ids=["splash", "splash, copies of keys", "mask"],
)
def test_a_kernel_equals_plain_xla_with_segments_and_padding(attend, operands, plain):
    ours = outputs_and_slopes(attend, operands)
    for mine, theirs in zip(ours, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    assert (np.asarray(ours[0])[SEGMENTS == 0] == 0).all()


def test_on_a_gpu_cudnn_is_called(monkeypatch):
    """Lowered for one, not run: there is no GPU here, and its version is not asked."""
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91300)
    monkeypatch.setattr(
        fused_attention_stablehlo, "check_compute_capability", lambda *_: True
    )
    array = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.bfloat16)
    kv = array(2, 2, 256, 64)
    query, segments = array(2, 256, 4, 64), jnp.ones((2, 256), jnp.int32)
    layout = Layout.train(mesh_of(1, 1, 1))
    loss = lambda q, k, v: cudnn(q, k, v, segments, layout=layout).sum()
    lowered = (
        jax.jit(jax.grad(loss)).trace(query, kv, kv).lower(lowering_platforms=("cuda",))
    )
    assert "__cudnn$fmhaScaleBiasSoftmaxBackward" in lowered.as_text()


@pytest.mark.parametrize(
    ("shape", "dtype", "taken"),
    [
        ((1, 256, 4, 128), "bfloat16", True),
        ((1, 256, 4, 128), "float32", False),
        ((1, 250, 4, 128), "bfloat16", False),
        ((1, 256, 4, 192), "bfloat16", False),
    ],
)
def test_what_cudnn_does_not_know_goes_to_plain_xla(shape, dtype, taken):
    assert cudnn_takes(jax.ShapeDtypeStruct(shape, dtype)) == taken
