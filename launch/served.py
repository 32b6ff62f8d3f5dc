"""What a source of the loop serves, from rows of a file or from prepared files.

Rows of a file are read and made tokens of at the start. Of prepared files a step reads
and makes tokens of its own records, so the start costs nothing and a step the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ml_collections import ConfigDict

from launch import build
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.types import InputError


def groups(config: ConfigDict, text: Any, shown: Reporter) -> Sequence[Any]:
    """Responses by problem; those longer than a row are left out, and counted."""
    from transfer_reasoning.data.lazy import Lazy
    from transfer_reasoning.data.prepared import open_prepared
    from transfer_reasoning.data.responses import response_groups
    from transfer_reasoning.data.sources import read_rows

    data, longest = config.source.data, config.objective.row_length

    def grouped(rows: Sequence[dict], where: str) -> tuple[list[Any], int]:
        return response_groups(
            rows,
            text,
            template=config.prompt.template,
            thinking=build.thinking(config.prompt.thinking),
            max_length=longest,
            where=where,
            as_drawn=config.source.as_drawn,
        )

    prepared = open_prepared(data)
    if prepared is None:
        found, too_long = grouped(read_rows(data), data)
        if too_long:
            shown.line(
                f"{data}: left out {too_long} rows longer than row_length {longest}"
            )
        return found
    _check_complete(data, prepared.counts["without_response"], "response")
    left_out = _Count(data, longest, shown.line)

    def group(number: int) -> Any:
        where = f"{data}, record {number + 1}"
        found, too_long = grouped(prepared.responses(number), where)
        left_out.add(too_long)
        return found[0] if found else []

    return Lazy(len(prepared), group)


def problems(config: ConfigDict, text: Any) -> Sequence[Any]:
    """Prompts with their gold answers, each with room for a response after it.

    Raises:
        InputError: the longest prompt leaves no room; of prepared files, the one of
            most bytes, any other when its step comes.
    """
    from transfer_reasoning.data.lazy import Lazy
    from transfer_reasoning.data.prepared import open_prepared
    from transfer_reasoning.data.responses import prompt_tokens
    from transfer_reasoning.rollouts.on_policy import Problem

    source = config.source
    prepared = open_prepared(source.data)
    if prepared is None:
        found = build.problems(source.data, text, config.prompt)
        longest = max((len(problem.prompt) for problem in found), default=0)
        _check_room(longest, config, "the longest prompt")
        return found
    _check_complete(source.data, prepared.counts["without_answer"], "answer")

    def problem(number: int) -> Any:
        row, where = prepared.problem(number), f"{source.data}, record {number + 1}"
        thinking = build.thinking(config.prompt.thinking)
        template = config.prompt.template
        (tokens,) = prompt_tokens(
            [row], text, template=template, thinking=thinking, where=where
        )
        _check_room(len(tokens), config, f"the prompt of {where}")
        return Problem(tokens, {"answer": row["answer"]})

    found = Lazy(len(prepared), problem, keep=source.per_step)
    found[prepared.longest["record"]]
    return found


class _Count:
    """Says how many responses were left out so far, whenever that has doubled."""

    def __init__(self, data: str, longest: int, say: Callable[[str], None]):
        self._data, self._longest, self._say = data, longest, say
        self._total, self._next = 0, 1

    def add(self, count: int) -> None:
        self._total += count
        if self._total >= self._next:
            self._next = 2 * self._total
            self._say(
                f"{self._data}: left out {self._total} responses so far, longer than"
                f" row_length {self._longest}"
            )


def _check_complete(data: str, without: int, part: str) -> None:
    if without:
        raise InputError(
            f"{data} has {without} problems without {part}; expected one for each:"
            " prepare rows that have it"
        )


def _check_room(tokens: int, config: ConfigDict, what: str) -> None:
    budget = config.source.max_tokens
    if tokens + budget > config.objective.row_length:
        raise InputError(
            f"config.objective.row_length is {config.objective.row_length}; expected"
            f" room for {what}, {tokens} tokens, and config.source.max_tokens, {budget}"
        )
