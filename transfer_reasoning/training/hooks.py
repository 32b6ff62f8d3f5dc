"""What happens after each step: a line in the log, now and then a checkpoint."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optax

from transfer_reasoning.runtime.checkpoint import Checkpoints
from transfer_reasoning.runtime.metrics import MetricsLog
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.runtime.tracking import Track
from transfer_reasoning.training.state import TrainState
from transfer_reasoning.types import Group


class Bookkeeping:
    """The hook of `launch.train`: log every step, checkpoint every so many.

    A checkpoint is taken after its step's line is written, so a resumed run finds a log
    that ends where it starts.
    """

    def __init__(
        self,
        file: Path,
        *,
        checkpoints: Checkpoints,
        every_steps: int,
        num_steps: int,
        start: int,
        learning_rate: optax.Schedule,
        on_policy: bool,
        shown: Reporter,
        track: Track,
    ):
        self._log = MetricsLog(file, last_step=start, show=self._show)
        self._checkpoints, self._every = checkpoints, every_steps
        self._num_steps, self._learning_rate = num_steps, learning_rate
        self._on_policy, self._shown, self._track = on_policy, shown, track
        self._began = time.perf_counter()

    def __call__(
        self, state: TrainState, metrics: Mapping[str, Any], groups: Sequence[Group]
    ) -> None:
        """Log the step; save the state where it is due.

        Raises:
            OSError: a save failed, this one or an earlier one in the background.
        """
        self._checkpoints.poll()
        now = time.perf_counter()
        row = {
            **metrics,
            **rollout_metrics(groups),
            "learning_rate": self._learning_rate(state.step - 1),
            "seconds": round(now - self._began, 4),
        }
        self._began = now
        self._log.log(state.step, row)
        if state.step % self._every == 0 and state.step < self._num_steps:
            self._log.flush()
            parts = {"params": state.params, "opt_state": state.opt_state}
            self._checkpoints.save(state.step, parts)

    def close(self) -> None:
        """Write what is waiting; a save under way is finished first."""
        self._checkpoints.wait()
        self._log.close()

    def _show(self, row: Mapping[str, Any]) -> None:
        self._track(row)
        note = f"nll {row['nll']:.3f}" if row["nll"] is not None else "nll not finite"
        if row["reward"] is not None:
            note += f" reward {row['reward']:.2f}"
        self._shown.progress("train", row["step"], self._num_steps, note)
        if self._on_policy:
            self._shown.line(step_line(row, self._num_steps))


def rollout_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Means over the step's responses; reward is nan where none was graded."""
    rollouts = [rollout for group in groups for rollout in group]
    rewards = [r.grade for r in rollouts if r.grade is not None]
    share = lambda found: float(np.mean([found(r) for r in rollouts]))
    return {
        "responses": len(rollouts),
        "reward": float(np.mean(rewards)) if rewards else float("nan"),
        "ungraded": share(lambda r: r.grade is None),
        "response_tokens": share(lambda r: len(r.response)),
        "truncated": share(lambda r: r.finish_reason == "length"),
    }


def step_line(row: Mapping[str, Any], num_steps: int) -> str:
    """A step on one line, with how far sampler and trainer log-probabilities differ."""
    number = lambda key, digits=3: (
        "none" if row[key] is None else f"{row[key]:.{digits}f}"
    )
    compared = "not compared"
    if row["compared"]:
        close = 100 * row["close"] / row["compared"]
        compared = f"max {row['worst']:.1e}, {close:.2f}% within 2e-5"
    return (
        f"step {row['step']}/{num_steps}  reward {number('reward')}"
        f"  tokens {row['response_tokens']:.1f}  kl {number('kl', 4)}"
        f"  grad {number('grad_norm')}"
        f"  sampler-trainer |dlogp| {compared}"
    )
