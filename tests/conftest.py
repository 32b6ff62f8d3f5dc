"""Eight simulated CPU devices, strict rank promotion, no network."""

import os

# Before jax starts. Tests must not see an accelerator, the network or each other.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import pathlib

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")

SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Recorded benchmark data beside the checkout; a user does not have it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded benchmark data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.hookimpl(tryfirst=True)  # xdist's own hook reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes, a file's fixtures are made in one of them.

    The tests of the commands share a study, so they go to one process together.
    """
    for item in items:
        folder = item.path.parent.name
        group = folder if folder == "launch" else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
