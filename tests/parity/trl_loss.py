"""TRL's GRPO loss on given log-probabilities, and what we call each of its kinds.

`trl_loss` drives `GRPOTrainer._compute_loss` (trl 1.16.0) of a trainer that was never
set up: the loss reads tensors and settings, and a stand-in gives the log-probabilities
that a model would. In float64; torch and trl are imported when it is called.
"""

import collections
import itertools
import types
from typing import Any, NamedTuple

import numpy as np

from tests.objectives.draws import draw
from tests.objectives.reference import Data, Setting

BUDGET = 20
CLIP = {"clip_low": 0.2, "clip_high": 0.28}
# Our names of TRL's loss types; vespo is not among ours.
TYPES = {
    "grpo": {"bound": "clip", "normaliser": "sequence_mean"},
    "bnpo": {"bound": "clip", "normaliser": "token_mean"},
    "dapo": {"bound": "clip", "normaliser": "token_mean"},
    "dr_grpo": {"bound": "clip", "normaliser": "constant"},
    "luspo": {"bound": "clip", "normaliser": "sequence_sum"},
    "cispo": {"bound": "cispo", "normaliser": "token_mean"},
    "sapo": {"bound": "sapo", "normaliser": "sequence_mean"},
}


class Case(NamedTuple):
    """A loss of TRL's on the responses of a seed."""

    kind: str
    ratio: str
    beta: float
    seed: int
    correction: str = "none"
    delta: float = 0.0
    first: bool = False
    mask_truncated: bool = False

    @property
    def name(self) -> str:
        """Unique, for files."""
        rest = [self.correction] * (self.correction != "none")
        rest += ["delta"] * bool(self.delta) + ["first"] * self.first
        rest += ["masked"] * self.mask_truncated
        return "-".join([self.kind, self.ratio, str(self.beta), *rest])

    @property
    def data(self) -> Data:
        """The responses."""
        return draw(self.seed, first=self.first)

    @property
    def setting(self) -> Setting:
        """The same loss in our words."""
        return Setting(
            ratio=self.ratio,
            kl_weight=self.beta,
            correction=self.correction,
            clip_dual=self.delta,
            budget=BUDGET,
            mask_truncated=self.mask_truncated,
            **CLIP,
            **TYPES[self.kind],
        )


CASES = [
    Case(kind, ratio, beta, seed)
    for seed, (kind, ratio, beta) in enumerate(
        itertools.product(TYPES, ("token", "sequence"), (0.0, 0.04))
    )
]
CASES += [
    Case("grpo", "token", 0.04, 50, delta=3.0),
    Case("dapo", "sequence", 0.0, 51, delta=1.5),
    Case("dapo", "token", 0.04, 52, first=True),
    Case("luspo", "sequence", 0.0, 53, first=True),
    # With a mean over responses TRL counts a masked one in the denominator, we do not.
    Case("dapo", "token", 0.04, 54, mask_truncated=True),
    Case("dapo", "token", 0.04, 55, correction="token_truncate"),
    Case("grpo", "token", 0.0, 56, correction="token_mask"),
    Case("cispo", "token", 0.04, 57, correction="sequence_truncate"),
    Case("grpo", "sequence", 0.04, 58, correction="sequence_mask"),
]


def trl_loss(case: Case) -> tuple[float, np.ndarray]:
    """The loss, and its gradient by the log-probabilities [R, T]."""
    import torch
    from trl import GRPOTrainer

    data, setting = case.data, case.setting
    counted = data.inside & ~(data.truncated_R & case.mask_truncated)[:, None]
    tensor = lambda x: torch.tensor(np.where(data.inside, x, 0.0), dtype=torch.float64)
    logprob = tensor(data.logprob).requires_grad_()
    mask = torch.tensor(counted.astype(np.int64))
    inputs = {
        "prompt_ids": torch.zeros((len(mask), 1), dtype=torch.int64),
        "prompt_mask": torch.ones((len(mask), 1), dtype=torch.int64),
        "completion_ids": torch.zeros_like(mask),
        "completion_mask": mask,
        "advantages": torch.tensor(data.advantage_R),
        "old_per_token_logps": None if data.old is None else tensor(data.old),
        "ref_per_token_logps": tensor(data.reference),
        "num_items_in_batch": mask.sum(),
    }
    if case.correction != "none":
        inputs["importance_sampling_ratio"] = _weights(case, data, mask)
    trainer = _trainer(GRPOTrainer, case, setting, logprob)
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    return loss.item(), logprob.grad.numpy()


def _trainer(kind: Any, case: Case, setting: Setting, logprob: Any) -> Any:
    """A trainer of which the loss finds all that it reads."""
    trainer = object.__new__(kind)
    given = (logprob, logprob.detach() * 0, None)
    high = 1.0 + setting.clip_high if case.kind == "cispo" else setting.clip_high
    trainer.__dict__.update(
        _get_per_token_logps_and_entropies=lambda *_, **__: given,
        _metrics={"train": collections.defaultdict(list)},
        _entropy_bonus_enabled=False,
        accelerator=types.SimpleNamespace(
            num_processes=1,
            reduce=lambda x, reduction: x,
            gather=lambda x: x,
        ),
        args=types.SimpleNamespace(
            use_bias_correction_kl=False,
            delta=setting.clip_dual or None,
            sapo_temperature_pos=setting.sapo_positive,
            sapo_temperature_neg=setting.sapo_negative,
            steps_per_generation=1,
        ),
        aux_loss_enabled=False,
        beta=case.beta,
        current_gradient_accumulation_steps=1,
        epsilon_low=setting.clip_low,
        epsilon_high=high,
        importance_sampling_level=case.ratio,
        loss_type=case.kind,
        max_completion_length=BUDGET,
        model=types.SimpleNamespace(training=True),
        off_policy_mask_threshold=None,
        top_entropy_quantile=1.0,
        use_vllm=case.correction != "none",
        vllm_importance_sampling_correction=True,
    )
    return trainer


def _weights(case: Case, data: Data, mask: Any) -> Any:
    """As TRL makes them in `_generate_and_score_completions`, with its functions."""
    import torch

    setting = case.setting
    old = data.logprob if data.old is None else data.old
    gap = torch.tensor(old - data.sampler) * mask
    gap = torch.nan_to_num(gap, nan=0.0)
    if case.correction.startswith("sequence"):
        gap = gap.sum(dim=-1, keepdim=True)
    ratio = torch.exp(gap)
    low, high = setting.correction_min, setting.correction_max
    if case.correction.endswith("truncate"):
        return torch.clamp(ratio, min=low, max=high)
    return ratio.masked_fill((ratio < low) | (ratio > high), value=0.0)
