"""Programs are compiled as commands compile them."""

import jax
import pytest


@pytest.fixture(autouse=True)
def plain_precision():
    """The precision that other tests ask for is unknown to kernels of bfloat16."""
    with jax.default_matmul_precision("default"):
        yield
