"""Eight simulated CPU devices, strict rank promotion, no network."""

import functools
import os

# Before jax starts. Tests must not see an accelerator, the network or each other.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import pathlib
import re

import jax
import pytest
from xdist.scheduler import LoadScopeScheduling

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ("smoke_study", "training", "runs")  # fixtures of tests/launch/conftest.py
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Recorded benchmark data beside the checkout; a user does not have it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded benchmark data at {SHARED_DATA}")
    return SHARED_DATA


class ByFixtures(LoadScopeScheduling):
    """Tests that share what takes long to make go to one process: those of a file, and
    those of commands that take the same study or the same run of the loop."""

    def _split_scope(self, nodeid: str) -> str:
        return _shared(str(nodeid).partition("::")[0])


@functools.cache
def _shared(file: str) -> str:
    text = (ROOT / file).read_text() if file.startswith("tests/launch/") else ""
    taken = (name for name in SHARED if re.search(rf"[(\s]{name}[,)]", text))
    return next(taken, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> ByFixtures:
    return ByFixtures(config, log)
