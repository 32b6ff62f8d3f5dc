"""Rows of text to the token sequences a source serves.

A row of responses has `problem` and `response`, and may have `id` (rows with one id
form a group), `correct` and `finish_reason`. A row of problems has `problem` and
`answer`. The problem becomes one user message through a template; the response gets the
stop token unless it was cut off.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from transfer_reasoning.data.sources import field
from transfer_reasoning.text import Text
from transfer_reasoning.types import Group, Rollout


def prompt_messages(problem: str, template: str) -> list[dict[str, str]]:
    """One user turn; `{problem}` in the template stands for the problem."""
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
        str(field(row, "problem", f"{where}, row {number}"))
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
        str(field(row, "response", f"{where}, row {number}"))
        for number, row in enumerate(rows, start=1)
    )
    rollouts, too_long = [], 0
    for row, prompt, response in zip(rows, prompts, responses, strict=True):
        finish = row.get("finish_reason") or "stop"
        if finish == "stop":
            response = (*response, text.end_id)
        if len(prompt) + len(response) > max_length:
            too_long += 1
            continue
        correct = row.get("correct")
        reward = None if correct is None else float(correct)
        rollout = Rollout(prompt, response, reward, finish_reason=finish)
        rollouts.append((row.get("id"), rollout))
    if not any(key is not None for key, _ in rollouts):
        return [[rollout] for _, rollout in rollouts], too_long
    by_id = itertools.groupby(rollouts, key=lambda pair: pair[0])
    return [[rollout for _, rollout in group] for _, group in by_id], too_long
