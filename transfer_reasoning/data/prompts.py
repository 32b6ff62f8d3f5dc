"""Rows that users write to token ids: what to go on from, and what to score.

A prompt is {"prompt_tokens": [...]}, {"messages": [{"role", "content"}, ...]} (through
the chat template) or {"prompt": text}; something to score is {"tokens": [...]} or
{"text": ...}. Where a row has several, the first in this order counts. A row's form can
be checked before any model is loaded, its ids against the model afterwards.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transfer_reasoning.model.config import ModelConfig
from transfer_reasoning.text import Text
from transfer_reasoning.types import InputError

Row = Mapping[str, Any]
PROMPT_FORMS = ("prompt_tokens", "messages", "prompt")
SCORED_FORMS = ("tokens", "text")


def check_form(row: Row, forms: Sequence[str], where: str) -> None:
    """Does the row hold one of `forms`, and is that of the right type?

    Raises:
        InputError: it does not; names the field.
    """
    form = next((form for form in forms if form in row), None)
    if form is None:
        raise InputError(
            f"{where} has {', '.join(sorted(row)) or 'nothing'}; expected"
            f" {' or '.join(forms)}"
        )
    value, is_list = row[form], isinstance(row[form], list)
    if form.endswith("tokens"):
        fits, expected = is_list and all(map(_is_id, value)), "a list of token ids"
    elif form == "messages":
        fits = is_list and value and all(map(_is_message, value))
        expected = 'a list of {"role": text, "content": text}'
    else:
        fits, expected = isinstance(value, str), "text"
    if not fits:
        raise InputError(
            f"{where}, field {form!r} is {value!r:.60}; expected {expected}"
        )


def prompt_ids(row: Row, text: Text, *, thinking: bool | None) -> tuple[int, ...]:
    """Token ids of a prompt; `thinking` is the chat template's switch."""
    if "prompt_tokens" in row:
        return tuple(row["prompt_tokens"])
    if "messages" in row:
        return tuple(text.prompt(row["messages"], thinking=thinking))
    return tuple(text.encode(row["prompt"], document=True))


def scored_ids(row: Row, text: Text) -> tuple[int, ...]:
    """Token ids of something to score."""
    if "tokens" in row:
        return tuple(row["tokens"])
    return tuple(text.encode(row["text"], document=True))


def check_ids(
    ids: Sequence[int], config: ModelConfig, where: str, *, least: int, room: int = 0
) -> None:
    """Are there at least `least` ids the model knows, and `room` places after them?

    Raises:
        InputError: no; says how many there are, or which id it is.
    """
    longest = config.max_positions - room
    if not least <= len(ids) <= longest:
        after = f", with {room} to generate" if room else ""
        raise InputError(
            f"{where} has {len(ids)} tokens; expected {least} to {longest} (the model"
            f" has {config.max_positions} positions{after})"
        )
    for token in ids:
        if not 0 <= token < config.vocab_size:
            raise InputError(
                f"{where} has token id {token}; expected 0 to {config.vocab_size - 1}:"
                " is the tokenizer this model's?"
            )


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) for name in ("role", "content")
    )
