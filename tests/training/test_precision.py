"""bfloat16 computes; what is added up and kept is float32."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.tiny import mesh_of, random_params
from tests.training.plain import CONFIG, ITEMS, LENGTH, as_numpy
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.training.state import init_state
from transfer_reasoning.training.step import Objective, Update

LAYOUT = Layout.train(mesh_of(1, 1, 1))
NARROW = dataclasses.replace(CONFIG, compute_dtype="bfloat16")


def step(config, *, rows: int, rate: float):
    """Weights after one update of plain SGD, whose trace is the gradient."""
    optimizer = optax.sgd(rate, momentum=0.9)
    objective = Objective(rows=rows, row_length=LENGTH)
    update = Update(config, optimizer, objective, LAYOUT)
    return update(init_state(random_params(CONFIG), config, optimizer, LAYOUT), ITEMS)


def gradient_of(state):
    return as_numpy(state.opt_state[0].trace)


def test_gradients_of_bfloat16_are_added_up_in_float32_into_float32_masters():
    """In bfloat16 eight microbatches would lose what one keeps, and a small step all."""
    rate = 1e-5
    whole, _ = step(NARROW, rows=8, rate=rate)
    parts, _ = step(NARROW, rows=1, rate=rate)
    assert {leaf.dtype for leaf in jax.tree.leaves(parts)[:-1]} == {
        jnp.dtype("float32")
    }
    before = as_numpy(random_params(CONFIG))

    def check(start, after, one, split):
        apart = np.linalg.norm(one - split) / np.linalg.norm(one)
        assert apart < 1e-4, "bfloat16 rounds by 4e-3"
        np.testing.assert_array_equal(after, start - np.float32(rate) * split)
        assert np.linalg.norm(after - start) > 0

    jax.tree.map(
        check, before, as_numpy(parts.params), gradient_of(whole), gradient_of(parts)
    )


def test_bfloat16_computes_the_gradient_of_float32_but_for_its_rounding():
    wide, _ = step(CONFIG, rows=8, rate=1.0)
    narrow, _ = step(NARROW, rows=8, rate=1.0)
    apart = jax.tree.map(
        lambda a, b: np.linalg.norm(a - b) / np.linalg.norm(b),
        gradient_of(narrow),
        gradient_of(wide),
    )
    assert 1e-4 < max(jax.tree.leaves(apart)) < 0.1
