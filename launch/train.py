r"""The one loop: any setting of {source, credit, KL weight} from one command.

    python -m launch.train --config=configs/ablation/on_policy_rl.py:qwen3_8b \
        --workdir=DIR [--config.optimizer.learning_rate=1e-6] \
        [--config.eval_every=20 --config.eval.benchmarks=math500,ifeval]

Writes metrics.jsonl (a line per step), tensorboard/, samples/ (responses to read),
checkpoints/ and model/, a Hugging Face folder. With `eval_every` also eval/, best.json
and best/, the step that scored best. Killed anywhere, the same command goes on from the
newest checkpoint that verifies.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch import (
    build,
    combinations,
    door,
    exam,
    export,
    levers,
    models,
    starting,
    step_scores,
    watching,
)
from transfer_reasoning.runtime.progress import Reporter


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Train as configured; `workdir/model` is the result."""
    _validate(config)
    asked = exam.prepare(config, shown)
    with _grading(config, asked) as pool:  # its processes start before any device does
        _train(config, workdir, shown, pool, asked)


def _train(
    config: ConfigDict, workdir: Path, shown: Reporter, pool: Any, asked: Any
) -> None:
    from launch.device import prepare
    from transfer_reasoning.runtime.stopwatch import Stopwatch
    from transfer_reasoning.training.loop import train
    from transfer_reasoning.training.meter import MeteredSource
    from transfer_reasoning.training.step import Update

    objective, watch = levers.make_objective(config), Stopwatch()
    credit = levers.make_credit(config.credit)
    prepare()
    loaded = build.load_model(config.model, config.mesh, seed=config.seed)
    begun = starting.start(config, workdir, loaded, objective=objective, shown=shown)
    loaded = loaded._replace(params=None)  # a resumed run has no use for them
    sampled, stones = levers.on_policy(config), exam.milestones(config, workdir)
    sampler = build.make_sampler(loaded, config.sampler) if sampled or asked else None
    grade = watch.timed("grade", build.grade_with(pool, config.grader.name))
    drawing = levers.Drawing(sampler, grade, begun.reference)
    source = levers.make_source(config, loaded, shown, drawing)
    update = Update(
        loaded.config,
        begun.optimizer,
        objective,
        loaded.layouts.train,
        reference_params=begun.reference,
        watch=watch,
    )
    with watching.bookkeeping(
        config,
        workdir,
        loaded,
        begun,
        scores_due=stones.is_due,
        watch=watch,
        shown=shown,
    ) as book:
        hooks = [watching.samples(config, workdir, loaded), book]
        if asked:
            run = step_scores.Run(
                loaded, sampler, sampled, pool, begun.checkpoints, book, watch, shown
            )
            hooks.append(step_scores.StepScores(config, stones, asked, run))
            hooks[-1].catch_up(begun.state)
        state = train(
            begun.state,
            source=MeteredSource(source, watch),
            credit=credit,
            update=watching.metered(update, config, loaded),
            num_steps=config.optimizer.num_steps,
            hooks=hooks,
        )
        book.close()
    best, last, params = stones.best(state.step), state.step, state.params
    del state  # the moments: another model may be loaded in their place
    export.write_model(workdir / "model", params, loaded.origin)
    if best:
        _write_best(workdir, loaded, params if best.step == last else None, best.step)
    book.view.summary(watching.places(workdir), best=str(best or ""))


def _write_best(workdir: Path, loaded: build.Loaded, params: Any, step: int) -> None:
    """The best step's model; its weights from the checkpoint, if none are given."""
    params = params or watching.saved(workdir, step, loaded)
    export.write_model(workdir / "best", params, loaded.origin)


def _grading(config: ConfigDict, asked: Any) -> AbstractContextManager[Any]:
    """The pool for the rewards of rollouts and for evaluations, if there are such."""
    graders = {config.grader.name} if levers.on_policy(config) else set()
    if asked:
        return build.grading(
            config.grader, graders | asked.graders, isolation=asked.tier
        )
    return build.grading(config.grader) if graders else nullcontext()


def _validate(config: ConfigDict) -> None:
    """Refuse what cannot work, by field, before any device is touched."""
    build.choose(levers.SOURCES, config.source.kind, "config.source.kind")
    combinations.check_train(config)
    if config.model.path:
        models.check(config.model.path)


if __name__ == "__main__":
    door.start_run(run)
