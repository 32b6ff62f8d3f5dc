r"""The one loop: any setting of {source, credit, KL weight} from one command.

    python -m launch.train --config=configs/ablation/on_policy_rl.py:qwen3_8b \
        --workdir=DIR [--config.optimizer.learning_rate=1e-6]

Writes metrics.jsonl (a line per step), checkpoints/ and, at the end, model/: a Hugging
Face folder. Killed anywhere, the same command goes on from the newest checkpoint that
verifies and ends with the same bits.
"""

from pathlib import Path
from typing import Any

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
    import jax

    from launch.device import prepare
    from transfer_reasoning.runtime.checkpoint import Checkpoints
    from transfer_reasoning.training.hooks import Bookkeeping
    from transfer_reasoning.training.loop import train
    from transfer_reasoning.training.step import Objective, Update

    prepare()
    loaded = build.load_model(config.model, config.mesh, seed=config.seed)
    model, layout = loaded.config, loaded.layouts.train
    optimizer, schedule = _optimizer(config, model)
    folder = workdir / "checkpoints"
    models.write_shape(folder / "model", model, loaded.text)
    checkpoints = Checkpoints(folder, keep=config.checkpoint.keep, warn=shown.line)
    # The first update donates the weights it starts from: a KL reference is a copy.
    with_kl = config.objective.kl_weight > 0
    reference = jax.tree.map(jax.numpy.copy, loaded.params) if with_kl else None
    state = _start(loaded, optimizer, checkpoints, shown)
    on_policy = config.source.kind == "on_policy"
    temperature = config.source.temperature if on_policy else 1.0
    objective = Objective(**config.objective.to_dict(), temperature=temperature)
    hook = Bookkeeping(
        workdir / "metrics.jsonl",
        checkpoints=checkpoints,
        every_steps=config.checkpoint.every_steps,
        num_steps=config.optimizer.num_steps,
        start=state.step,
        schedule=schedule,
        on_policy=on_policy,
        shown=shown,
    )
    with levers.make_source(config, loaded, shown) as source:
        state = train(
            state,
            source=source,
            credit=levers.make_credit(config.credit),
            update=Update(
                model, optimizer, objective, layout, reference_params=reference
            ),
            num_steps=config.optimizer.num_steps,
            hooks=[hook],
        )
    hook.close()
    models.write_model(workdir / "model", state.params, model, loaded.text)


def _optimizer(config: ConfigDict, model: Any) -> Any:
    """Optimiser and schedule; the schedule counts updates, the config steps."""
    from transfer_reasoning.training.state import make_optimizer

    options, updates = config.optimizer.to_dict(), config.objective.updates_per_step
    return make_optimizer(
        model,
        num_updates=options.pop("num_steps") * updates,
        warmup_updates=options.pop("warmup_steps") * updates,
        **options,
    )


def _start(
    loaded: build.Loaded, optimizer: Any, checkpoints: Any, shown: Reporter
) -> Any:
    """Step 0, or the newest checkpoint that verifies."""
    from transfer_reasoning.training.state import TrainState, abstract_state, init_state

    model, layout = loaded.config, loaded.layouts.train
    resumed = checkpoints.restore_latest(abstract_state(model, optimizer, layout))
    if resumed is None:
        return init_state(loaded.params, model, optimizer, layout)
    step, parts = resumed
    shown.line(f"{checkpoints.directory}: going on from step {step}")
    return TrainState(parts["params"], parts["opt_state"], step)


def _validate(config: ConfigDict) -> None:
    """Refuse what cannot work, by field, before any device is touched."""
    if not config.source.data:
        raise InputError("config.source.data is empty; expected a file of rows")
    for name in POSITIVE:
        section, key = name.split(".")
        if config[section][key] <= 0:
            raise InputError(
                f"config.{name} is {config[section][key]}; expected more than 0"
            )
    if config.credit.keep not in ("all", "best"):
        raise InputError(
            f"config.credit.keep is {config.credit.keep!r}; expected all or best"
        )


if __name__ == "__main__":
    door.start_run(run)
