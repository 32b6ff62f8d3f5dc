"""Our objective on the data of `reference`, packed and summed over microbatches."""

import functools
import math
from typing import NamedTuple

import jax
import numpy as np

from tests.objectives.reference import Data, Setting
from transfer_reasoning.data.packing import pack, without_truncated
from transfer_reasoning.objectives.bound import cispo, clip, sapo
from transfer_reasoning.objectives.correction import make_correction
from transfer_reasoning.objectives.kl import DIVERGENCES, none
from transfer_reasoning.objectives.ratio import RATIOS
from transfer_reasoning.objectives.surrogate import Surrogate, TrainBatch
from transfer_reasoning.types import Rollout, Weighted

ROWS, LENGTH = 2, 40
GARBAGE = (np.nan, np.inf, -np.inf, 1e9, -7.0)


class Packed(NamedTuple):
    """A microbatch, and which element of the [R, T] arrays a position is; -1: none."""

    batch: TrainBatch
    index_BT: np.ndarray

    def rows(self, values: np.ndarray, otherwise: float = 0.0) -> np.ndarray:
        """The elements of an [R, T] array where they stand in the rows, float32."""
        found = np.float32(values).ravel()[self.index_BT]
        return np.where(self.index_BT >= 0, found, np.float32(otherwise))


def packed(data: Data, setting: Setting, garbage: float = 0.0) -> list[Packed]:
    """The microbatches of an update; `garbage` fills what must not count."""
    width = data.logprob.shape[1]
    items = []
    for row, length in enumerate(data.lengths_R):
        ids = tuple(float(row * width + n) for n in range(length))  # as logprobs
        rollout = Rollout(
            prompt=(1,) * (1 + row % 3),
            response=(2,) * int(length),
            logprobs=ids,
            finish_reason="length" if data.truncated_R[row] else "stop",
        )
        items.append(Weighted(rollout, float(data.advantage_R[row])))
    if setting.mask_truncated:
        items = without_truncated(items)
    batches = pack(
        items,
        rows=ROWS,
        length=LENGTH,
        normaliser=setting.normaliser,
        budget=setting.budget,
        keep_unweighted=setting.kl_weight > 0,
    )
    found = []
    for batch in batches:
        index_BT = np.where(batch.weight_BT > 0, batch.sampler_logprob_BT, -1)
        one = Packed(batch, index_BT.astype(int))
        trained = batch.weight_BT > 0
        spoil = lambda x, trained=trained: np.where(trained, x, np.float32(garbage))
        filled = batch._replace(
            advantage_BT=spoil(batch.advantage_BT),
            sampler_logprob_BT=one.rows(data.sampler, garbage),
            reference_logprob_BT=one.rows(data.reference, garbage),
            old_logprob_BT=one.rows(
                data.logprob if data.old is None else data.old, garbage
            ),
        )
        found.append(one._replace(batch=filled))
    return found


def make_surrogate(ratio, bound, correction, divergence, numbers) -> Surrogate:
    """The parts by name; `numbers` may be traced."""
    bounds = {
        "clip": lambda: clip(
            low=numbers["clip_low"],
            high=numbers["clip_high"],
            dual=numbers["clip_dual"],
        ),
        "cispo": lambda: cispo(high=numbers["clip_high"]),
        "sapo": lambda: sapo(
            positive=numbers["sapo_positive"], negative=numbers["sapo_negative"]
        ),
    }
    return Surrogate(
        ratio=RATIOS[ratio],
        bound=bounds[bound](),
        correction=make_correction(
            correction,
            smallest=numbers["correction_min"],
            largest=numbers["correction_max"],
        ),
        divergence=DIVERGENCES.get(divergence, none),
        kl_weight=numbers["kl_weight"],
    )


@functools.partial(
    jax.jit, static_argnames=("ratio", "bound", "correction", "divergence")
)
def run(logprob, exact_kl, batch, numbers, *, ratio, bound, correction, divergence):
    """((loss, factors), gradients by both) of one microbatch."""
    surrogate = make_surrogate(ratio, bound, correction, divergence, numbers)
    return jax.value_and_grad(
        lambda x, y: surrogate(x, y, batch), (0, 1), has_aux=True
    )(logprob, exact_kl)


def loss_and_gradients(data: Data, setting: Setting, garbage: float = 0.0):
    """The loss of an update, and its gradients as [R, T] arrays."""
    numbers = {
        name: np.float32(getattr(setting, name))
        for name in ("clip_low", "clip_high", "sapo_positive", "sapo_negative")
    } | {
        "clip_dual": np.float32(setting.clip_dual or math.inf),
        "correction_min": np.float32(setting.correction_min),
        "correction_max": np.float32(setting.correction_max),
        "kl_weight": np.float32(setting.kl_weight),
    }
    total, gradients = np.float32(0), np.zeros((2, *data.logprob.shape), np.float32)
    for one in packed(data, setting, garbage):
        (loss, _), slopes = run(
            one.rows(data.logprob, garbage),
            one.rows(data.exact_kl, garbage),
            one.batch,
            numbers,
            ratio=setting.ratio,
            bound=setting.bound,
            correction=setting.correction,
            divergence=setting.kl_estimator if setting.kl_weight else "none",
        )
        total += np.float32(loss)
        here = one.index_BT >= 0
        for gradient, slope in zip(gradients, slopes, strict=True):
            gradient.reshape(-1)[one.index_BT[here]] = np.array(slope)[here]
            assert not np.array(slope)[~here].any()
    return total, gradients
