"""The one loop on policy: what it logs and saves, and that it compiles once."""

import dataclasses
import json
import math

import jax
import numpy as np
import optax
import pytest

from tests.rollouts.policy import CONFIG, LAYOUT, PARAMS, PLAN, make_source
from transfer_reasoning.model.decoder import param_shardings
from transfer_reasoning.objectives.credit import GroupAdvantage
from transfer_reasoning.runtime.checkpoint import Checkpoints
from transfer_reasoning.training.hooks import Bookkeeping, rollout_metrics, step_line
from transfer_reasoning.training.loop import train
from transfer_reasoning.training.state import TrainState, init_state
from transfer_reasoning.training.step import Objective, Update
from transfer_reasoning.types import InputError, Rollout, Verdict

NUM_STEPS = 6
OPTIMIZER = optax.sgd(0.3)


class Shown:
    """Keeps what a reporter is told."""

    def __init__(self):
        self.lines, self.bars = [], []

    def progress(self, what, done, total, note=""):
        self.bars.append((what, done, total))

    def line(self, text):
        self.lines.append(text)


def bookkeeping(folder, start=0, shown=None, track=lambda row: None):
    return Bookkeeping(
        folder / "metrics.jsonl",
        checkpoints=Checkpoints(folder / "checkpoints", keep=2, warn=pytest.fail),
        every_steps=2,
        num_steps=NUM_STEPS,
        start=start,
        learning_rate=lambda step: 0.5 ** (step + 1),
        on_policy=True,
        shown=shown or Shown(),
        track=track,
    )


def read_log(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").open()]


def short_is_right(problem, reply):
    """Answers to one problem cannot be graded, and those to another are all wrong."""
    if len(problem.prompt) in (3, 7):
        return Verdict(None if len(problem.prompt) == 3 else False)
    return Verdict(len(reply.split()) < 5)


@pytest.fixture(scope="module")
def parts():
    """Source, credit and update of on-policy RL at a temperature."""
    plan = dataclasses.replace(PLAN, temperature=0.7)
    objective = Objective(rows=4, row_length=24, temperature=0.7)
    return {
        "source": make_source(plan=plan, judge=short_is_right),
        "credit": GroupAdvantage(),
        "update": Update(CONFIG, OPTIMIZER, objective, LAYOUT),
    }


@pytest.fixture(scope="module")
def run(parts, tmp_path_factory):
    """A finished run: its folder, what was shown, the last state."""
    folder, shown = tmp_path_factory.mktemp("run"), Shown()
    params = jax.device_put(
        jax.tree.map(np.array, PARAMS), param_shardings(CONFIG, LAYOUT)
    )
    state = init_state(params, CONFIG, OPTIMIZER, LAYOUT)
    hook = bookkeeping(folder, shown=shown)
    state = train(state, num_steps=NUM_STEPS, hooks=[hook], **parts)
    hook.close()
    return folder, shown, state


def test_every_step_compares_sampler_and_trainer(run):
    rows = read_log(run[0])
    assert [row["step"] for row in rows] == list(range(1, NUM_STEPS + 1))
    for row in rows:
        assert row["compared"] > 0
        assert row["worst"] < 1e-4
        assert row["close"] == row["compared"]
    said = [line.split()[1] for line in run[1].lines if "|dlogp| max" in line]
    assert said == [f"{step}/{NUM_STEPS}" for step in range(1, NUM_STEPS + 1)]


def test_every_step_counts_the_groups_it_drew(run):
    for row in read_log(run[0]):
        counts = [row[f"groups_{what}"] for what in ("drawn", "dropped", "filled")]
        assert counts == [PLAN.problems_per_step, 0, 0]


def test_the_policy_moved_and_the_log_has_each_steps_own_rate(run):
    rows = read_log(run[0])
    assert max(row["grad_norm"] for row in rows) > 0.01
    assert [row["learning_rate"] for row in rows] == [
        0.5**step for step in range(1, NUM_STEPS + 1)
    ]
    assert run[2].step == NUM_STEPS


def test_checkpoints_are_taken_when_due_and_not_at_the_end(run):
    checkpoints = Checkpoints(run[0] / "checkpoints", keep=2, warn=pytest.fail)
    assert checkpoints.steps() == [2, 4]


def test_nothing_compiles_after_warm_up(run, parts, caplog):
    """With as many microbatches a step as its responses happen to need."""
    with jax.log_compiles():
        train(run[2], num_steps=NUM_STEPS + 4, **parts)
        warm = [m for m in caplog.messages if m.startswith("Compiling")]
        jax.jit(lambda x: x + 41)(np.float32(1))
    assert warm == []
    assert any(message.startswith("Compiling") for message in caplog.messages)


def finished_step(step, groups, **metrics):
    """Arguments of a hook."""
    known = {"nll": 1.0, "kl": 0.0, "grad_norm": 1.0, "compared": 0.0, "close": 0.0}
    return TrainState({}, {}, step), {**known, "worst": 0.0, **metrics}, groups


def test_a_resumed_log_ends_where_the_run_starts(tmp_path):
    group = [Rollout((1,), (2,), 1.0)]
    first = bookkeeping(tmp_path)
    for step in (1, 3, 5):  # not steps at which a checkpoint is due
        first(*finished_step(step, [group]))
    first.close()
    second = bookkeeping(tmp_path, start=3)
    second(*finished_step(5, [group], nll=7.0))
    second.close()
    rows = read_log(tmp_path)
    assert [(row["step"], row["nll"]) for row in rows] == [(1, 1.0), (3, 1.0), (5, 7.0)]


def test_gradients_that_stay_not_finite_end_the_run(tmp_path):
    hook, groups = bookkeeping(tmp_path), [[Rollout((1,), (2,))]]
    for norm in (math.nan, math.inf, 1.0, math.nan, math.inf, math.nan):
        hook(*finished_step(1, groups, grad_norm=norm))
    with pytest.raises(InputError, match="not finite for 3 steps"):
        hook.close()


def test_means_of_rollouts_equal_the_numbers_by_hand():
    groups = [
        [Rollout((1,), (2, 3), 1.0), Rollout((1,), (2,) * 5, None, None, "length")],
        [Rollout((1,), (2,), -0.5), Rollout((1,), (2,) * 4, 0.0)],
    ]
    metrics = rollout_metrics(groups)
    assert metrics["responses"] == 4
    assert metrics["ungraded"] == metrics["truncated"] == 0.25
    assert metrics["response_tokens"] == 3.0
    np.testing.assert_allclose(metrics["reward"], 0.5 / 3)
    assert math.isnan(rollout_metrics([groups[0][1:]])["reward"])
    broken = [
        [*groups[0], Rollout((1,), (2,), math.nan), Rollout((1,), (2,), math.inf)]
    ]
    assert rollout_metrics(broken)["ungraded"] == 0.75
    assert rollout_metrics(broken)["reward"] == 1.0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "reward 0.250  tokens 3.0  kl 0.1000  grad 2.000  "),
        ({"close": 3}, "|dlogp| max 1.0e-03, 75.00% within 2e-5"),
        ({"compared": 0}, "sampler-trainer |dlogp| not compared"),
        ({"kl": None, "grad_norm": None, "reward": None}, "kl none  grad none"),
    ],
)
def test_a_steps_line_says_what_is_known(changed, words):
    row = {
        "step": 2,
        "reward": 0.25,
        "response_tokens": 3.0,
        "kl": 0.1,
        "grad_norm": 2.0,
        "compared": 4,
        "close": 4,
        "worst": 1e-3,
    }
    assert words in step_line({**row, **changed}, 9)
