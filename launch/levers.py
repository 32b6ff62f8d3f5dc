"""The levers of a training config as parts of the loop: source, credit, objective."""

from typing import Any

from ml_collections import ConfigDict

from launch import build
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.types import InputError


def make_source(
    config: ConfigDict,
    loaded: build.Loaded,
    shown: Reporter,
    *,
    sampler: Any,
    grade: Any,
) -> Any:
    """Lever q: a file of responses, or the policy drawn by `sampler`, then graded."""
    return SOURCES[config.source.kind](config, loaded, shown, sampler, grade)


def on_policy(config: ConfigDict) -> bool:
    """Are responses drawn from the policy?"""
    return config.source.kind == "on_policy"


def graded(config: ConfigDict) -> bool:
    """Is a response to have a grade? Where all weigh alike, a stored one need not."""
    return on_policy(config) or config.credit.kind != "uniform"


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

    temperature = config.source.temperature if on_policy(config) else 1.0
    return Objective(**config.objective.to_dict(), temperature=temperature)


def _offline(
    config: ConfigDict, loaded: build.Loaded, shown: Reporter, sampler: Any, grade: Any
) -> Any:
    from transfer_reasoning.data.responses import response_groups
    from transfer_reasoning.data.sources import read_rows
    from transfer_reasoning.rollouts.offline import Offline

    data, longest = config.source.data, config.objective.row_length
    groups, too_long = response_groups(
        read_rows(data),
        loaded.text,
        template=config.prompt.template,
        thinking=build.thinking(config.prompt.thinking),
        max_length=longest,
        where=data,
    )
    if too_long:
        shown.line(f"{data}: left out {too_long} rows longer than row_length {longest}")
    return Offline(groups, groups_per_step=config.source.per_step, seed=config.seed)


def _on_policy(
    config: ConfigDict, loaded: build.Loaded, shown: Reporter, sampler: Any, grade: Any
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
    problems = build.problems(source.data, loaded.text, config.prompt)
    longest = max((len(problem.prompt) for problem in problems), default=0)
    if longest + source.max_tokens > config.objective.row_length:
        raise InputError(
            f"config.objective.row_length is {config.objective.row_length}; expected"
            f" room for the longest prompt, {longest} tokens, and"
            f" config.source.max_tokens, {source.max_tokens}"
        )
    return OnPolicy(
        sampler,
        problems,
        plan,
        grade=grade,
        decode=loaded.text.decode,
        reward=Reward(**config.reward.to_dict()),
    )


SOURCES = {"offline": _offline, "on_policy": _on_policy}
