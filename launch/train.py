r"""The one loop: any setting of {source, credit, KL weight} from one command.

    python -m launch.train --config=configs/ablation/on_policy_rl.py:qwen3_8b \
        --workdir=DIR [--config.optimizer.learning_rate=1e-6]

Writes metrics.jsonl (a line per step), checkpoints/ and model/, a Hugging Face folder.
Killed anywhere, the same command goes on from the newest checkpoint that verifies.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from launch import build, combinations, door, export, levers, models
from transfer_reasoning.runtime.progress import Reporter


class Start(NamedTuple):
    """Where a run begins, or goes on, and what moves it from there."""

    state: Any
    optimizer: Any
    learning_rate: Any
    checkpoints: Any
    reference: Any  # weights of the KL term, or None


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Train as configured; `workdir/model` is the result."""
    _validate(config)
    with levers.grading(config) as pool:  # its processes start before any device does
        _train(config, workdir, shown, pool)


def _train(config: ConfigDict, workdir: Path, shown: Reporter, pool: Any) -> None:
    from launch.device import prepare
    from transfer_reasoning.runtime.tracking import tracking
    from transfer_reasoning.training.hooks import Bookkeeping
    from transfer_reasoning.training.loop import train
    from transfer_reasoning.training.step import Update

    objective = levers.make_objective(config)
    credit = levers.make_credit(config.credit)
    prepare()
    loaded = build.load_model(config.model, config.mesh, seed=config.seed)
    model, layout = loaded.config, loaded.layouts.train
    start = _start(config, workdir, loaded, objective, shown)
    loaded = loaded._replace(params=None)  # a resumed run has no use for them
    name = workdir.resolve().name
    with tracking(config.track, name=name, config=config.to_dict()) as track:
        hook = Bookkeeping(
            workdir / "metrics.jsonl",
            checkpoints=start.checkpoints,
            every_steps=config.checkpoint.every_steps,
            num_steps=config.optimizer.num_steps,
            start=start.state.step,
            learning_rate=start.learning_rate,
            on_policy=config.source.kind == "on_policy",
            shown=shown,
            track=track,
        )
        fixed = start.reference
        state = train(
            start.state,
            source=levers.make_source(config, loaded, shown, pool, reference=fixed),
            credit=credit,
            update=Update(
                model, start.optimizer, objective, layout, reference_params=fixed
            ),
            num_steps=config.optimizer.num_steps,
            hooks=[hook],
        )
        hook.close()
    export.write_model(workdir / "model", state.params, loaded.origin)


def _start(
    config: ConfigDict,
    workdir: Path,
    loaded: build.Loaded,
    objective: Any,
    shown: Reporter,
) -> Start:
    """Step 0, or the newest checkpoint that verifies."""
    from transfer_reasoning.runtime.checkpoint import Checkpoints
    from transfer_reasoning.training.state import make_optimizer, resume_or_init

    model, folder = loaded.config, workdir / "checkpoints"
    with TemporaryDirectory() as beside:
        export.write_shape(Path(beside), loaded.origin, dtype="float32")
        checkpoints = Checkpoints(
            folder,
            keep=config.checkpoint.keep,
            keep_every_steps=config.checkpoint.keep_every_steps,
            beside=Path(beside),
            warn=shown.line,
        )
    optimizer, learning_rate = make_optimizer(
        model,
        updates_per_step=objective.num_updates,
        **config.optimizer.to_dict(),
    )
    reference = loaded.params if objective.kl_weight else None
    state = resume_or_init(
        checkpoints,
        loaded.params,
        config=model,
        optimizer=optimizer,
        layout=loaded.layouts.train,
        keep_params=reference is not None,
    )
    if state.step:
        shown.line(f"{folder}: going on from step {state.step}")
    return Start(state, optimizer, learning_rate, checkpoints, reference)


def _validate(config: ConfigDict) -> None:
    """Refuse what cannot work, by field, before any device is touched."""
    build.choose(levers.SOURCES, config.source.kind, "config.source.kind")
    combinations.check_train(config)
    if config.model.path:
        models.check(config.model.path)


if __name__ == "__main__":
    door.start_run(run)
