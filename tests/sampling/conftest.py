"""One sampler, whose programs the tests of this folder share."""

import pytest

from tests.tiny import TINY, random_params
from transfer_reasoning.sampling.engine import Sampler

STOP_IDS = (5, 17, 40)
SLOTS = 8


@pytest.fixture(scope="session")
def params():
    return random_params(TINY)


@pytest.fixture(scope="session")
def sampler(params):
    sampler = Sampler(TINY, slots=SLOTS, prefill_rows=3, stop_ids=STOP_IDS)
    sampler.update(params)
    return sampler
