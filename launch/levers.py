"""The levers of a training config as parts of the loop: source, credit, objective."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ml_collections import ConfigDict

from launch import build, combinations, reward_kl, served
from transfer_reasoning.runtime.progress import Reporter


def grading(config: ConfigDict) -> AbstractContextManager[Any]:
    """The pool that grades rollouts, or nothing where none are drawn."""
    on_policy = config.source.kind == "on_policy"
    return build.grading(config.grader) if on_policy else nullcontext()


def make_source(
    config: ConfigDict,
    loaded: build.Loaded,
    shown: Reporter,
    pool: Any,
    *,
    reference: Any = None,
) -> Any:
    """Lever q: a file of responses, or the policy sampled and graded by `pool`.

    `reference` is the weights of a KL term; read where that is in the reward.
    """
    source = SOURCES[config.source.kind](config, loaded, shown, pool)
    if config.objective.kl_weight and config.objective.kl_place == "reward":
        return reward_kl.lowered(source, make_objective(config), loaded, reference)
    return source


def make_credit(credit: ConfigDict) -> Any:
    """Lever w by name."""
    from transfer_reasoning.objectives import credit as credits

    advantage = credits.GroupAdvantage(
        baseline=credit.baseline,
        scale=credit.scale,
        keep=credit.keep,
        negatives=credit.negatives,
    )
    options = {
        "uniform": credits.uniform,
        "positives_only": credits.positives_only,
        "signs": credits.signs,
        "group_advantage": advantage,
    }
    return build.choose(options, credit.kind, "config.credit.kind")


def make_objective(config: ConfigDict) -> Any:
    """Lever beta, and how a step is cut."""
    from transfer_reasoning.training.step import Objective

    source = config.source
    drawn = {"temperature": source.temperature, "budget": source.max_tokens}
    given = drawn if source.kind == "on_policy" else {}
    return Objective(**config.objective.to_dict(), **given)


def _offline(
    config: ConfigDict, loaded: build.Loaded, shown: Reporter, pool: Any
) -> Any:
    from transfer_reasoning.rollouts.offline import Offline

    groups = served.groups(config, loaded.text, shown)
    combinations.check_logprobs(config, groups)
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
