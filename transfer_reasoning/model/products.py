"""Products of activations with weights, and their derivatives."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def products(x_XI: jax.Array, weights: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    """`x` [X, I] times each weight [I, O], in the dtype of `x`.

    Weights may be float32 where `x` is bfloat16; their derivatives are then float32
    sums that were never rounded to bfloat16.
    """
    return tuple(x_XI @ weight_IO.astype(x_XI.dtype) for weight_IO in weights)


def _forward(x_XI, weights):
    return products(x_XI, weights), (x_XI, weights)


def _backward(saved, slopes):
    x_XI, weights = saved
    x_slope_XI = sum(
        slope_XO @ weight_IO.astype(x_XI.dtype).T
        for slope_XO, weight_IO in zip(slopes, weights, strict=True)
    )
    turned_IX = _turned(x_XI)
    weight_slopes = tuple(
        jnp.matmul(turned_IX, slope_XO, preferred_element_type=weight_IO.dtype)
        for slope_XO, weight_IO in zip(slopes, weights, strict=True)
    )
    return x_slope_XI, weight_slopes


products.defvjp(_forward, _backward)


def _turned(x: jax.Array) -> jax.Array:
    """The transpose. On CPU it is made once and for all, because XLA's library for
    products there takes a transposed operand at half to two thirds of the speed."""
    alone = lambda x: jax.lax.optimization_barrier(x.T)
    return jax.lax.platform_dependent(x, cpu=alone, default=jnp.transpose)
