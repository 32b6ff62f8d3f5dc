"""Rows of problems, or of responses to them, gathered by problem.

A row has `problem` and `answer`, or `problem` and `response` with what
`data.responses` knows of one; it may have `id`. Problems are the same if they ask the
same (`wording.canonical`): the responses to one stay together, in the order of their
rows, and a problem that comes again without a response is left out and counted.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transfer_reasoning.data import responses
from transfer_reasoning.data.rows import Placed, Row
from transfer_reasoning.data.sources import OnBad, filled_text, text_field
from transfer_reasoning.data.wording import canonical
from transfer_reasoning.types import InputError

OF_A_RESPONSE = ("response", "correct", "finish_reason", "tokens", "logprobs")


@dataclasses.dataclass
class Record:
    """A problem with all that is known of it.

    Attributes:
        answer: what a grader compares with; "" where the rows have none.
        responses: each with the fields of `OF_A_RESPONSE` that its row has.
        where: the first row of the problem.
    """

    id: str
    problem: str
    answer: str
    responses: list[Row]
    where: str


@dataclasses.dataclass(frozen=True)
class Gathered:
    """Problems in the order of their first rows.

    Attributes:
        duplicates: rows left out, because their problem came before and they hold no
            response.
        other_answers: rows whose problem came before with another answer, which stands.
    """

    records: list[Record]
    duplicates: int
    other_answers: int


def own_row(row: Mapping[str, Any], where: str) -> Row:
    """The fields of a row that are kept, each of the type it must have.

    Raises:
        InputError: one is missing or of another type; names it.
    """
    kept: Row = {"problem": filled_text(row, "problem", where), "answer": ""}
    answers = row.get("response") is not None
    if not answers or row.get("answer") is not None:
        kept["answer"] = filled_text(row, "answer", where)
    if row.get("id") is not None:
        kept["id"] = filled_text(row, "id", where)
    if answers:
        text_field(row, "response", where)
        responses.finish_reason(row, where)
        responses.reward(row, where)
        responses.drawn(row, where)
        kept |= {name: row[name] for name in OF_A_RESPONSE if row.get(name) is not None}
    return kept


def gather(rows: Iterable[Placed], on_bad: OnBad) -> Gathered:
    """Rows of `own_row` by problem.

    A problem is called by its first `id`, or by the number of its first row. A row with
    the id of another problem is told to `on_bad`, and left out.
    """
    records: dict[str, Record] = {}
    owners: dict[str, str] = {}  # canonical problem, by id
    duplicates = other_answers = 0
    for number, where, row in rows:
        key, name = canonical(row["problem"]), row.get("id", str(number))
        if owners.setdefault(name, key) != key:
            on_bad(
                InputError(
                    f"{where} has id {name!r} of a row with another problem; expected"
                    " one id per problem"
                )
            )
            continue
        fresh = Record(name, row["problem"], row["answer"], [], where)
        record = records.setdefault(key, fresh)
        if record is not fresh:
            duplicates += "response" not in row
            other_answers += _differ(record.answer, row["answer"])
            record.answer = record.answer or row["answer"]
        if "response" in row:
            record.responses.append(
                {field: row[field] for field in OF_A_RESPONSE if field in row}
            )
    return Gathered(list(records.values()), duplicates, other_answers)


def longest(records: Sequence[Record]) -> dict[str, int]:
    """The problem of the most bytes, by number, and how many they are.

    A token of a byte-level tokenizer is at least a byte.
    """
    sizes = [len(record.problem.encode()) for record in records]
    return {"record": sizes.index(max(sizes)), "bytes": max(sizes)}


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and canonical(one) != canonical(other)
