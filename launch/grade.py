r"""Grade recorded responses: no model, no jax.

    python -m launch.grade --benchmark=math500 --protocol=standard \
        --responses=IN.jsonl --output=OUT.jsonl [--data_dir=DATA]

A row of IN has `response` and the benchmark's gold fields; where they are missing they
are taken from the items in DATA, by `id`, `unique_id` or `index`. A row of OUT has
`index` or `id`, `correct` (true, false, null = could not grade), `extracted`, `reason`
and the benchmark's own metrics. The last line printed is a JSON summary.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from launch import build, door
from transfer_reasoning.benchmarks import BENCHMARKS
from transfer_reasoning.benchmarks.base import PROTOCOLS, Benchmark, load_examples
from transfer_reasoning.data.sources import field
from transfer_reasoning.grading.pool import GraderPool
from transfer_reasoning.runtime.records import read_jsonl, write_jsonl
from transfer_reasoning.types import InputError, Verdict

_BENCHMARK = flags.DEFINE_string("benchmark", None, "which benchmark's graders to use")
_PROTOCOL = flags.DEFINE_enum("protocol", "standard", PROTOCOLS, "which of its graders")
_RESPONSES = flags.DEFINE_string("responses", None, "JSON lines to grade")
_OUTPUT = flags.DEFINE_string("output", None, "JSON lines to write")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "folder with the benchmarks' items")
_WORKERS = flags.DEFINE_integer("workers", 2, "grading processes", lower_bound=1)
_LIMIT_S = flags.DEFINE_float(
    "limit_s", 5.0, "processor seconds an answer may take", 0.1
)


def main() -> None:
    """Grade a file."""
    for flag in (_BENCHMARK, _RESPONSES, _OUTPUT):
        if not flag.value:
            raise InputError(f"flag --{flag.name} is not set; see --help")
    benchmark = build.choose(BENCHMARKS, _BENCHMARK.value, "flag --benchmark")
    rows = read_jsonl(Path(_RESPONSES.value))
    golds = _golds(benchmark, rows)
    grader = benchmark.protocols[_PROTOCOL.value].grader
    with GraderPool(_WORKERS.value, limit_s=_LIMIT_S.value) as pool:
        verdicts = pool.grade(
            (grader, gold, str(field(row, "response", _where(number))))
            for number, (row, gold) in enumerate(zip(rows, golds, strict=True))
        )
    graded = [
        _graded(n, row, v)
        for n, (row, v) in enumerate(zip(rows, verdicts, strict=True))
    ]
    write_jsonl(Path(_OUTPUT.value), graded)
    print(json.dumps(_summary(benchmark, verdicts)))


def _golds(benchmark: Benchmark, rows: Sequence[Mapping]) -> list[Mapping[str, Any]]:
    """Gold fields of every row, its own or those of the item it names."""
    own = [benchmark.gold_of(row) for row in rows]
    if all(gold is not None for gold in own):
        return own
    if not _DATA_DIR.value:
        number = own.index(None)
        raise InputError(
            f"{_where(number)} has no gold answer (it has:"
            f" {', '.join(sorted(rows[number]))}); expected one, or --data_dir with the"
            " benchmark's items"
        )
    examples = load_examples(benchmark, data_dir=Path(_DATA_DIR.value))
    by_id: dict[Any, Mapping] = {example.id: example.gold for example in examples}
    by_id |= {number: example.gold for number, example in enumerate(examples)}
    return [
        gold if gold is not None else _lookup(by_id, row, number)
        for number, (row, gold) in enumerate(zip(rows, own, strict=True))
    ]


def _lookup(by_id: Mapping[Any, Mapping], row: Mapping, number: int) -> Mapping:
    for key in ("id", "unique_id", "index"):
        if row.get(key) in by_id:
            return by_id[row[key]]
    raise InputError(
        f"{_where(number)} names no item of the benchmark by id, unique_id or index;"
        " expected one that --data_dir has"
    )


def _graded(number: int, row: Mapping, verdict: Verdict) -> dict[str, Any]:
    key = "id" if "id" in row else "index"
    return {
        key: row.get(key, number),
        "correct": verdict.correct,
        "extracted": verdict.extracted,
        "reason": verdict.reason,
        **verdict.metrics,
    }


def _summary(benchmark: Benchmark, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    count = lambda found: sum(map(found, verdicts))
    right = count(lambda v: v.correct is True)
    return {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "protocol": _PROTOCOL.value,
        "n": len(verdicts),
        "correct": right,
        "accuracy_percent": round(100 * right / len(verdicts), 2),
        "unparsable": count(lambda v: v.extracted is None),
        "could_not_grade": count(lambda v: v.correct is None),
        "reasons": dict(Counter(v.reason for v in verdicts if v.reason).most_common()),
    }


def _where(number: int) -> str:
    return f"{_RESPONSES.value}, row {number + 1}"


if __name__ == "__main__":
    door.start_tool(main)
