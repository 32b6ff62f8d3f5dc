"""Rows of text to the token sequences a source serves.

A row of responses has `problem` and `response`, and may have `id` (rows with one id
form a group, wherever they stand; a row without one is a group of its own), `correct`
and `finish_reason`. A row of problems has `problem` and `answer`. The problem becomes
one user message through a template; the response gets the stop token unless it was cut
off.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transfer_reasoning.data.sources import text_field
from transfer_reasoning.text import Text
from transfer_reasoning.types import Group, InputError, Rollout


def prompt_messages(problem: str, template: str) -> list[dict[str, str]]:
    """One user turn; `{problem}` in the template stands for the problem.

    Raises:
        InputError: the template has no such place.
    """
    if "{problem}" not in template:
        raise InputError(
            f"prompt template {template!r} has no place for the problem; expected"
            " {problem} in it"
        )
    return [{"role": "user", "content": template.replace("{problem}", problem)}]


def prompt_tokens(
    rows: Sequence[Mapping[str, Any]],
    text: Text,
    *,
    template: str,
    thinking: bool | None,
    where: str,
) -> list[tuple[int, ...]]:
    """The prompt of every row."""
    problems = [
        text_field(row, "problem", f"{where}, row {number}")
        for number, row in enumerate(rows, start=1)
    ]
    rendered = [
        text.render(prompt_messages(problem, template), thinking=thinking)
        for problem in problems
    ]
    return text.encode_all(rendered)


def response_groups(
    rows: Sequence[Mapping[str, Any]],
    text: Text,
    *,
    template: str,
    thinking: bool | None,
    max_length: int,
    where: str,
) -> tuple[list[Group], int]:
    """(responses grouped by problem, how many rows were too long and left out)."""
    prompts = prompt_tokens(
        rows, text, template=template, thinking=thinking, where=where
    )
    responses = text.encode_all(
        text_field(row, "response", f"{where}, row {number}")
        for number, row in enumerate(rows, start=1)
    )
    groups: dict[str | int, Group] = {}
    too_long = 0
    rendered = zip(rows, prompts, responses, strict=True)
    for number, (row, prompt, response) in enumerate(rendered, start=1):
        here = f"{where}, row {number}"
        finish = _finish_reason(row, here)
        if finish == "stop":
            response = (*response, text.end_id)
        if len(prompt) + len(response) > max_length:
            too_long += 1
            continue
        rollout = Rollout(prompt, response, _reward(row, here), finish_reason=finish)
        key = number if row.get("id") is None else str(row["id"])
        group = groups.setdefault(key, [])
        if group and group[0].prompt != prompt:
            raise InputError(
                f"{here} has id {key!r} of a row with another problem; expected one id"
                " per problem"
            )
        group.append(rollout)
    return list(groups.values()), too_long


def _finish_reason(row: Mapping[str, Any], where: str) -> str:
    reason = row.get("finish_reason") or "stop"
    if reason not in ("stop", "length"):
        raise InputError(
            f"{where} has finish_reason {reason!r}; expected stop or length"
        )
    return reason


def _reward(row: Mapping[str, Any], where: str) -> float | None:
    correct = row.get("correct")
    if correct is not None and not isinstance(correct, (bool, int, float)):
        raise InputError(
            f"{where} has correct {correct!r}; expected true, false, null or a number"
        )
    return None if correct is None else float(correct)
