"""What a benchmark is: a record of where its items lie, how they are asked and graded.

A value, not a class to inherit from. Each benchmark has two protocols: `paper`, what
the paper's scripts really did, flaws included, so that numbers can be compared; and
`standard`, the default, with the flaws mended. Prompts are chat messages, never tokens.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer_reasoning.data.sources import field, read_rows
from transfer_reasoning.types import Example, InputError

GROUPS = ("math", "other_reasoning", "non_reasoning")
PROTOCOLS = ("paper", "standard")

Message = dict[str, str]
Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoding:
    """How responses are drawn; `samples` per item are averaged."""

    temperature: float
    max_tokens: int
    top_k: int = 0
    top_p: float = 1.0
    samples: int = 1
    stop: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way to run a benchmark: what is asked, how it is answered, who grades."""

    to_messages: Callable[[Example], list[Message]]
    decoding: Decoding
    grader: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Where the items are: on the hub, and under which path of a local data folder."""

    local: str
    hub: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: also its file's name.
        group: math, other_reasoning or non_reasoning.
        version: raised whenever a change here can change a score.
        source: where rows come from; `to_example` reads one (row, number from 0).
        gold_of: the gold fields of a recorded response; None where the row has none.
        protocols: by name, `paper` and `standard`.
    """

    name: str
    group: str
    version: int
    source: Source
    to_example: Callable[[Row, int], Example]
    gold_of: Callable[[Row], Mapping[str, Any] | None]
    protocols: Mapping[str, Protocol]


def load_examples(
    benchmark: Benchmark, *, data_dir: Path | None, limit: int = 0
) -> list[Example]:
    """The items of a benchmark, from a local data folder or from the hub.

    The first `limit` of them, where it is not 0.

    Raises:
        InputError: they cannot be found or read, or two have one id, or there are none.
    """
    if limit < 0:
        raise InputError(f"limit is {limit}; expected 0 for all items, or how many")
    if data_dir is not None:
        place = benchmark.source.local.format(data_dir=data_dir)
    elif benchmark.source.hub is not None:
        place = benchmark.source.hub
    else:
        raise InputError(
            f"benchmark {benchmark.name} has no copy on the hub; expected --data_dir"
        )
    rows = read_rows(place)
    examples = [benchmark.to_example(row, number) for number, row in enumerate(rows)]
    if not examples:
        raise InputError(f"{place} has no items; expected those of {benchmark.name}")
    ids = {example.id for example in examples}
    if len(ids) < len(examples):
        raise InputError(
            f"{place}: {len(examples) - len(ids)} items share their id with another;"
            " expected unique ids: the file may be two files joined"
        )
    return examples[:limit] if limit else examples


def required(row: Row, name: str, benchmark: str, number: int) -> Any:
    """A field of a benchmark's row, or an error that names benchmark, row and field."""
    return field(row, name, f"{benchmark}, row {number + 1}")
