"""Benchmarks on a model: ask, sample, grade, record.

    1. every item of every benchmark becomes requests, one per sample, with its own key
    2. requests that are drawn alike run through the sampler together
    3. responses are graded in worker processes; one record per sample is kept

Every sample's key is (seed, benchmark, item, sample), so a score does not depend on
which benchmarks ran beside it.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transfer_reasoning.benchmarks.base import Benchmark, Decoding, Message
from transfer_reasoning.grading.pool import GraderPool
from transfer_reasoning.sampling.choose import Sampling
from transfer_reasoning.sampling.engine import Completion, Request, Sampler
from transfer_reasoning.text import Text, truncate_at_stop
from transfer_reasoning.types import Example, InputError, Verdict

Record = dict[str, Any]
Asked = tuple[Benchmark, Example, int]  # one sample of one item


def evaluate(
    items: Mapping[str, tuple[Benchmark, Sequence[Example]]],
    *,
    protocol: str,
    sampler: Sampler,
    text: Text,
    pool: GraderPool,
    seed: int,
    thinking: bool | None = None,
    max_tokens: int = 0,
    samples: int = 0,
    on_finished: Callable[[int], None] = lambda count: None,
    on_records: Callable[[str, list[Record]], None] = lambda name, records: None,
) -> dict[str, list[Record]]:
    """Records of every benchmark's samples, in item order.

    `thinking` is the chat template's switch; `max_tokens`, where not 0, lowers the
    protocol's budget, and `samples` replaces its number of samples. `on_finished` is
    told how many responses ended, `on_records` a benchmark's records when all are
    there: first those of all benchmarks that are drawn like the first.

    Raises:
        InputError: there is no benchmark, or one without items.
    """
    if not items or not all(examples for _, examples in items.values()):
        raise InputError(
            f"got no items to ask ({', '.join(items) or 'no benchmark'}); expected at"
            " least one benchmark, each with items"
        )
    asked: dict[Decoding, list[Asked]] = {}
    for benchmark, examples in items.values():
        decoding = benchmark.protocols[protocol].decoding
        for example in examples:
            for sample in range(samples or decoding.samples):
                asked.setdefault(decoding, []).append((benchmark, example, sample))
    records: dict[str, list[Record]] = {name: [] for name in items}
    for decoding, batch in asked.items():
        messages = [b.protocols[protocol].to_messages(e) for b, e, _ in batch]
        prompts = _prompts(messages, text, thinking)
        budget = min(max_tokens or decoding.max_tokens, decoding.max_tokens)
        requests = [
            Request(prompt=prompt, max_tokens=budget, seed=seed, address=_address(a))
            for prompt, a in zip(prompts, batch, strict=True)
        ]
        completions = _generate(sampler, requests, decoding, text, on_finished)
        replies = [
            truncate_at_stop(text.decode(c.tokens), decoding.stop) for c in completions
        ]
        verdicts = pool.grade(
            (benchmark.protocols[protocol].grader, example.gold, reply)
            for (benchmark, example, _), reply in zip(batch, replies, strict=True)
        )
        for who, request, completion, reply, verdict in zip(
            batch, requests, completions, replies, verdicts, strict=True
        ):
            record = _record(who, request, completion, reply, verdict)
            records[who[0].name].append(record)
        for name in dict.fromkeys(benchmark.name for benchmark, _, _ in batch):
            on_records(name, records[name])
    return records


def count_samples(
    items: Mapping[str, tuple[Benchmark, Sequence[Example]]],
    protocol: str,
    samples: int,
) -> int:
    """How many responses `evaluate` will draw."""
    each = lambda b: samples or b.protocols[protocol].decoding.samples
    return sum(len(examples) * each(b) for b, examples in items.values())


def _generate(
    sampler: Sampler,
    requests: Sequence[Request],
    decoding: Decoding,
    text: Text,
    on_finished: Callable[[int], None],
) -> list[Completion]:
    sampling = Sampling(
        temperature=decoding.temperature, top_k=decoding.top_k, top_p=decoding.top_p
    )
    stop = tuple(decoding.stop)
    cut = (lambda tokens: text.cut_at_stop(tokens, stop)) if stop else None
    return sampler.generate(requests, sampling, cut=cut, on_finished=on_finished)


def _prompts(
    messages: Sequence[Sequence[Message]], text: Text, thinking: bool | None
) -> list[tuple[int, ...]]:
    return text.encode_all(text.render(m, thinking=thinking) for m in messages)


def _address(asked: Asked) -> tuple[int, int, int]:
    """Which draw this is, whatever else runs: benchmark, item and sample."""
    benchmark, example, sample = asked
    number = lambda name: zlib.crc32(name.encode())
    return number(benchmark.name), number(example.id), sample


def _record(
    asked: Asked, request: Request, completion: Completion, reply: str, verdict: Verdict
) -> Record:
    _, example, sample = asked
    return {
        "id": example.id,
        "sample": sample,
        "prompt_tokens": list(request.prompt),
        "tokens": list(completion.tokens),
        "response": reply,
        "finish_reason": completion.finish_reason,
        "fields": dict(example.fields),
        "gold": dict(example.gold),
        "correct": verdict.correct,
        "extracted": verdict.extracted,
        "reason": verdict.reason,
        "metrics": dict(verdict.metrics),
    }
