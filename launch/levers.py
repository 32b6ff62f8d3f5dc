"""The levers of a training config as parts of the loop: source, credit, objective."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ml_collections import ConfigDict

from launch import build, served
from transfer_reasoning.runtime.progress import Reporter


def grading(config: ConfigDict) -> AbstractContextManager[Any]:
    """The pool that grades rollouts, or nothing where none are drawn."""
    on_policy = config.source.kind == "on_policy"
    return build.grading(config.grader) if on_policy else nullcontext()


def make_source(
    config: ConfigDict, loaded: build.Loaded, shown: Reporter, pool: Any
) -> Any:
    """Lever q: a file of responses, or the policy sampled and graded by `pool`."""
    return SOURCES[config.source.kind](config, loaded, shown, pool)


def make_credit(credit: ConfigDict) -> Any:
    """Lever w by name."""
    from transfer_reasoning.objectives import credit as credits

    advantage = credits.GroupAdvantage(
        divide_by_std=credit.divide_by_std, keep=credit.keep, negatives=credit.negatives
    )
    options = {
        "uniform": credits.uniform,
        "positives_only": credits.positives_only,
        "group_advantage": advantage,
    }
    return build.choose(options, credit.kind, "config.credit.kind")


def make_objective(config: ConfigDict) -> Any:
    """Lever beta, and how a step is cut."""
    from transfer_reasoning.training.step import Objective

    on_policy = config.source.kind == "on_policy"
    temperature = config.source.temperature if on_policy else 1.0
    return Objective(**config.objective.to_dict(), temperature=temperature)


def _offline(
    config: ConfigDict, loaded: build.Loaded, shown: Reporter, pool: Any
) -> Any:
    from transfer_reasoning.rollouts.offline import Offline

    groups = served.groups(config, loaded.text, shown)
    return Offline(
        groups,
        groups_per_step=config.source.per_step,
        seed=config.seed,
        row_length=config.objective.row_length,
    )


def _on_policy(
    config: ConfigDict, loaded: build.Loaded, shown: Reporter, pool: Any
) -> Any:
    from transfer_reasoning.rollouts.on_policy import OnPolicy, Plan
    from transfer_reasoning.rollouts.reward import Reward

    source = config.source
    plan = Plan(
        problems_per_step=source.per_step,
        samples_per_problem=source.samples,
        max_tokens=source.max_tokens,
        temperature=source.temperature,
        dynamic_batches=source.dynamic_batches,
        seed=config.seed,
    )
    problems = served.problems(config, loaded.text)
    return OnPolicy(
        build.make_sampler(loaded, config.sampler),
        problems,
        plan,
        grade=build.grade_with(pool, config.grader.name),
        decode=loaded.text.decode,
        reward=Reward(**config.reward.to_dict()),
    )


SOURCES = {"offline": _offline, "on_policy": _on_policy}
