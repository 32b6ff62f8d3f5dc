r"""The one loop: any setting of {source, credit, KL weight} from one command.

    python -m launch.train --config=configs/ablation/on_policy_rl.py:qwen3_8b \
        --workdir=DIR [--config.optimizer.learning_rate=1e-6]

Writes metrics.jsonl (a line per step), checkpoints/ and, at the end, model/: a Hugging
Face folder. Killed anywhere, the same command goes on from the newest checkpoint that
verifies and ends with the same bits.
"""

from pathlib import Path

from ml_collections import ConfigDict

from launch import build, door, levers, models
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.types import InputError

POSITIVE = (
    "source.per_step",
    "source.samples",
    "source.max_tokens",
    "source.dynamic_batches",
    "optimizer.num_steps",
    "optimizer.learning_rate",
    "optimizer.max_grad_norm",
    "objective.rows",
    "objective.row_length",
    "objective.updates_per_step",
    "sampler.slots",
    "sampler.prefill_rows",
    "checkpoint.every_steps",
    "checkpoint.keep",
)


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Train as configured; `workdir/model` is the result."""
    _validate(config)
    from launch.device import prepare
    from transfer_reasoning.runtime.checkpoint import Checkpoints
    from transfer_reasoning.runtime.tracking import tracking
    from transfer_reasoning.training.hooks import Bookkeeping
    from transfer_reasoning.training.loop import train
    from transfer_reasoning.training.state import make_optimizer, resume_or_init
    from transfer_reasoning.training.step import Update

    objective = levers.make_objective(config)
    credit = levers.make_credit(config.credit)
    prepare()
    loaded = build.load_model(config.model, config.mesh, seed=config.seed)
    model, layout = loaded.config, loaded.layouts.train
    optimizer, learning_rate = make_optimizer(
        model,
        updates_per_step=objective.updates_per_step,
        **config.optimizer.to_dict(),
    )
    folder = workdir / "checkpoints"
    models.write_shape(folder / "model", model, loaded.text)
    checkpoints = Checkpoints(folder, keep=config.checkpoint.keep, warn=shown.line)
    reference = loaded.params if objective.kl_weight else None
    state = resume_or_init(
        checkpoints,
        loaded.params,
        model,
        optimizer,
        layout,
        keep_params=reference is not None,
    )
    loaded = loaded._replace(params=None)  # a resumed run has no use for them
    if state.step:
        shown.line(f"{checkpoints.directory}: going on from step {state.step}")
    described = {"name": workdir.resolve().name, "config": config.to_dict()}
    with (
        tracking(config.track, **described) as track,
        levers.make_source(config, loaded, shown) as source,
    ):
        hook = Bookkeeping(
            workdir / "metrics.jsonl",
            checkpoints=checkpoints,
            every_steps=config.checkpoint.every_steps,
            num_steps=config.optimizer.num_steps,
            start=state.step,
            learning_rate=learning_rate,
            on_policy=config.source.kind == "on_policy",
            shown=shown,
            track=track,
        )
        state = train(
            state,
            source=source,
            credit=credit,
            update=Update(
                model, optimizer, objective, layout, reference_params=reference
            ),
            num_steps=config.optimizer.num_steps,
            hooks=[hook],
        )
        hook.close()
    models.write_model(workdir / "model", state.params, model, loaded.text)


def _validate(config: ConfigDict) -> None:
    """Refuse what cannot work, by field, before any device is touched."""
    if not config.source.data:
        raise InputError("config.source.data is empty; expected a file of rows")
    if config.seed < 0:
        raise InputError(f"config.seed is {config.seed}; expected 0 or more")
    build.choose(levers.SOURCES, config.source.kind, "config.source.kind")
    for name in POSITIVE:
        section, key = name.split(".")
        if config[section][key] <= 0:
            raise InputError(
                f"config.{name} is {config[section][key]}; expected more than 0"
            )


if __name__ == "__main__":
    door.start_run(run)
