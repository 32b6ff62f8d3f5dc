"""Random responses for the objective, float32 numbers held in float64."""

import numpy as np

from tests.objectives.reference import Data


def draw(seed: int, *, first: bool = False, longest: int = 14) -> Data:
    """Four to nine responses: short and long ones, one empty now and then.

    Policies are apart by what training makes them, sometimes by much; some tokens have
    no log-probability of a sampler. `first`: before the step's first update.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(4, 10))
    shape = (count, longest)
    lengths = rng.integers(0 if seed % 3 == 0 else 1, longest + 1, count)
    lengths[:2] = 1, longest
    exact = lambda x: np.float64(np.float32(x))
    logprob = exact(-rng.exponential(1.5, shape))
    wide = rng.choice([0.05, 0.3, 1.5], p=[0.4, 0.4, 0.2])
    near = lambda width: exact(logprob + width * rng.normal(size=shape))
    sampler = near(wide / 2)
    sampler[rng.random(shape) < 0.1] = np.nan
    advantage = rng.normal(size=count)
    advantage[rng.random(count) < 0.15] = 0.0
    return Data(
        logprob=logprob,
        old=None if first else near(wide),
        sampler=sampler,
        reference=near(wide),
        exact_kl=exact(rng.exponential(0.3, shape)),
        lengths_R=lengths,
        truncated_R=rng.random(count) < 0.3,
        advantage_R=exact(advantage),
    )
