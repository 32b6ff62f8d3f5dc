r"""Benchmarks on a model: records of every response, and scores with intervals.

    python -m launch.evaluate --config=configs/evaluate.py --workdir=DIR \
        --config.model.path=MODEL --config.benchmarks='("math500",)'

Writes records/NAME.jsonl (one row per sample) and scores.json.
"""

from pathlib import Path

from ml_collections import ConfigDict

from launch import build, door
from transfer_reasoning.runtime.progress import Counter, Reporter


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Run the benchmarks of the config."""
    from transfer_reasoning.benchmarks import BENCHMARKS
    from transfer_reasoning.benchmarks.base import PROTOCOLS, load_examples
    from transfer_reasoning.small_suite import tasks

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
    from launch.device import prepare
    from transfer_reasoning.evaluation.run import count_samples, evaluate
    from transfer_reasoning.evaluation.scores import group_means, score
    from transfer_reasoning.runtime.records import write_json, write_jsonl

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
            on_finished=Counter(shown, "evaluate", total),
        )
    for name, rows in records.items():
        write_jsonl(workdir / "records" / f"{name}.jsonl", rows)
    scores = {name: score(rows) for name, rows in records.items()}
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


if __name__ == "__main__":
    door.start_run(run)
