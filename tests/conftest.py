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
from xdist.scheduler import LoadScopeScheduling

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")

LAUNCH = "tests/launch/"
SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Recorded benchmark data beside the checkout; a user does not have it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded benchmark data at {SHARED_DATA}")
    return SHARED_DATA


class ByFixtures(LoadScopeScheduling):
    """A file's tests go to one process, so that its fixtures are made once; so do all
    tests of the commands, which share a study."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(nodeid).partition("::")[0]
        return LAUNCH if file.startswith(LAUNCH) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> ByFixtures:
    return ByFixtures(config, log)
