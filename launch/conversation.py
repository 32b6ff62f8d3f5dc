"""Through which chat template a model is asked: its own, another model's, or none."""

from typing import Any

from launch import models
from transfer_reasoning.types import InputError

OWN, NONE = "own", "none"
SWITCH = "enable_thinking"


def settle(
    text: Any, chat_template: str, thinking: str, *, section: str = "config"
) -> None:
    """Have `text` render prompts as `chat_template` says.

    `own`, `none`, or a folder or hub id of the model whose template is borrowed.

    Raises:
        InputError: there is no such template, or it has no switch for thinking where
            `thinking` is to set it; `section` is where these keys stand.
    """
    if chat_template not in (OWN, NONE):
        from transfer_reasoning.text import Text

        lender = models.locate(chat_template, ["model"])
        text.borrow_template(Text(lender.folder))
    if chat_template != NONE and not text.chat_template:
        raise InputError(
            f"{section}.chat_template is {chat_template!r} and {text.folder} has no"
            f" chat template; expected {NONE!r} for plain prompts, or a folder or hub"
            " id to borrow it from"
        )
    template = "" if chat_template == NONE else text.chat_template
    check_switch(template, thinking, f"{section}.thinking")


def check_switch(template: str, thinking: str, key: str) -> None:
    """Has a chat template the switch for thinking that the config's `key` is to set?

    Raises:
        InputError: it has none.
    """
    if thinking != "default" and SWITCH not in template:
        raise InputError(
            f"{key} is {thinking!r} and the chat template has no {SWITCH};"
            " expected 'default': this model thinks as its template begins"
        )
