r"""Benchmarks on a model: records of every response, and scores with intervals.

    python -m launch.evaluate --config=configs/evaluate.py --workdir=DIR \
        --config.model.path=MODEL --config.benchmarks='("math500",)'

Writes records/NAME.jsonl (one row per sample) and scores.json.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch import build, door, models
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.types import InputError

Items = Mapping[str, tuple[Any, Sequence[Any]]]  # benchmark and examples by name


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Run the benchmarks of the config."""
    items = _items(config)
    models.check(config.model.path)
    from launch.device import prepare
    from transfer_reasoning.evaluation.run import count_samples, evaluate

    prepare()
    loaded = build.load_model(config.model, config.mesh)
    sampler = build.make_sampler(loaded, config.sampler)
    sampler.update(loaded.params)
    total = count_samples(items, config.protocol, config.samples)
    with build.grading(config.grader) as pool:
        records = evaluate(
            items,
            protocol=config.protocol,
            sampler=sampler,
            text=loaded.text,
            pool=pool,
            seed=config.seed,
            thinking=build.thinking(config.thinking),
            max_tokens=config.max_tokens,
            samples=config.samples,
            on_finished=build.Counter(shown, "evaluate", total),
        )
    _write(config, workdir, items, records, shown)


def _items(config: ConfigDict) -> Items:
    """Benchmarks by name with their examples, in the order asked for."""
    from transfer_reasoning.benchmarks import BENCHMARKS
    from transfer_reasoning.benchmarks.base import PROTOCOLS, load_examples
    from transfer_reasoning.small_suite import tasks

    known = BENCHMARKS | tasks.benchmarks(config.split)
    build.choose(dict.fromkeys(PROTOCOLS), config.protocol, "config.protocol")
    build.thinking(config.thinking)
    if not config.benchmarks:
        raise InputError(
            f"config.benchmarks is empty; expected some of {', '.join(known)}"
        )
    chosen = {
        name: build.choose(known, name, "config.benchmarks")
        for name in config.benchmarks
    }
    folder = Path(config.data_dir) if config.data_dir else None
    return {
        name: (b, load_examples(b, data_dir=folder, limit=config.limit))
        for name, b in chosen.items()
    }


def _write(
    config: ConfigDict,
    workdir: Path,
    items: Items,
    records: Mapping[str, list[dict[str, Any]]],
    shown: Reporter,
) -> None:
    """Records, scores, and the scores as lines."""
    from transfer_reasoning.evaluation.scores import group_means, score
    from transfer_reasoning.runtime.records import write_json, write_jsonl

    for name, rows in records.items():
        write_jsonl(workdir / "records" / f"{name}.jsonl", rows)
    scores = {name: score(rows) for name, rows in records.items()}
    groups = {name: benchmark.group for name, (benchmark, _) in items.items()}
    write_json(
        workdir / "scores.json",
        {
            "model": config.model.path,
            "protocol": config.protocol,
            "groups": groups,
            "versions": {name: b.version for name, (b, _) in items.items()},
            "scores": scores,
            "group_means": group_means(scores, groups),
        },
    )
    for name, values in scores.items():
        shown.line(
            f"{name:14s} {values['mean']:5.1f}% [{values['ci_low']:.1f},"
            f" {values['ci_high']:.1f}]  n {values['n']}  truncated"
            f" {values['truncated']:.1f}%  unparsable {values['unparsable']:.1f}%"
        )


if __name__ == "__main__":
    door.start_run(run)
