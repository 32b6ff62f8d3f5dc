r"""Benchmarks on a model: records of every response, and scores with intervals.

    python -m launch.evaluate --config=configs/evaluate.py --workdir=DIR \
        --config.model.path=MODEL --config.benchmarks='("math500",)'

Writes records/NAME.jsonl (one row per sample) and scores.json. Benchmarks whose records
are there, from a run that was stopped, are not asked again.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch import build, door
from transfer_reasoning.runtime.progress import Counter, Reporter
from transfer_reasoning.types import InputError


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Run the benchmarks of the config."""
    from transfer_reasoning.benchmarks import BENCHMARKS
    from transfer_reasoning.benchmarks.base import PROTOCOLS, load_examples
    from transfer_reasoning.small_suite import tasks

    if not config.benchmarks:
        raise InputError("config.benchmarks is empty; expected at least one name")
    known = BENCHMARKS | tasks.benchmarks(config.split)
    build.choose(dict.fromkeys(PROTOCOLS), config.protocol, "config.protocol")
    chosen = {
        name: build.choose(known, name, "config.benchmarks")
        for name in config.benchmarks
    }
    data_dir = Path(config.data_dir) if config.data_dir else None
    items = {
        name: (
            benchmark,
            load_examples(benchmark, data_dir=data_dir, limit=config.limit),
        )
        for name, benchmark in chosen.items()
    }
    from transfer_reasoning.evaluation.records import keep, kept
    from transfer_reasoning.evaluation.scores import group_means, score
    from transfer_reasoning.runtime.records import write_json

    folder = workdir / "records"
    records = kept(folder, items)
    missing = {name: items[name] for name in items if name not in records}
    if missing:
        records |= _ask(config, missing, shown, partial(keep, folder))
    scores = {name: score(records[name]) for name in items}
    groups = {name: benchmark.group for name, benchmark in chosen.items()}
    means = group_means(scores, groups)
    write_json(
        workdir / "scores.json",
        {
            "model": config.model.path,
            "protocol": config.protocol,
            "groups": groups,
            "versions": {name: b.version for name, b in chosen.items()},
            "scores": scores,
            "group_means": means,
        },
    )
    for name, values in scores.items():
        shown.line(
            f"{name:14s} {values['mean']:5.1f}% [{values['ci_low']:.1f},"
            f" {values['ci_high']:.1f}]  n {values['n']}  truncated"
            f" {values['truncated']:.1f}%  unparsable {values['unparsable']:.1f}%"
        )


def _ask(
    config: ConfigDict,
    items: Mapping[str, Any],
    shown: Reporter,
    on_records: Callable[[str, list], None],
) -> dict[str, list]:
    """Records of what the model answers."""
    from launch.device import prepare
    from transfer_reasoning.evaluation.run import count_samples, evaluate

    prepare()
    loaded = build.load_model(config.model, config.mesh)
    sampler = build.make_sampler(loaded, config.sampler)
    sampler.update(loaded.params)
    total = count_samples(items, config.protocol, config.samples)
    with build.grading(config.grader) as pool:
        return evaluate(
            items,
            protocol=config.protocol,
            sampler=sampler,
            text=loaded.text,
            pool=pool,
            seed=config.seed,
            thinking=build.thinking(config.thinking),
            max_tokens=config.max_tokens,
            samples=config.samples,
            on_finished=Counter(shown, "evaluate", total),
            on_records=on_records,
        )


if __name__ == "__main__":
    door.start_run(run)
