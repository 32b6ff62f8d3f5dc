"""Text to tokens and back: the tokenizer, the chat template, stop strings.

The only module that knows transformers. A prompt is rendered to text once and encoded
once; sampled tokens are never decoded and encoded again (two token sequences can have
one text, and then a trainer would score what was never sampled).
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer_reasoning.types import InputError

Message = Mapping[str, str]

# Said at every import where torch is absent, which here it always is.
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "generation_config.json",
)


class Text:
    """A Hugging Face tokenizer and its chat template.

    Attributes:
        vocab_size: number of token ids the tokenizer knows; the model's table may be
            padded beyond it.
        stop_ids: ids that end a response: the tokenizer's end-of-sequence token and
            those the folder's generation_config.json adds.
    """

    def __init__(self, folder: Path):
        """Load from a folder.

        Raises:
            InputError: the folder has no tokenizer, or an unreadable one.
        """
        if not (folder / "tokenizer.json").is_file():
            raise InputError(
                f"{folder} has no tokenizer.json; expected a Hugging Face folder with a"
                " fast tokenizer"
            )
        from transformers import AutoTokenizer  # a second to import

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{folder}: the tokenizer does not load ({reason}); expected"
                " tokenizer.json and tokenizer_config.json of one model"
            ) from error
        self.folder = folder
        self.vocab_size = len(self._tokenizer)
        self.stop_ids = self._read_stop_ids()

    @property
    def end_id(self) -> int:
        """The end-of-sequence token, which closes a response that is trained on.

        Raises:
            InputError: the tokenizer has none.
        """
        if self._tokenizer.eos_token_id is None:
            raise InputError(
                f"{self.folder} names no eos_token; expected one in"
                " tokenizer_config.json: a response to train on ends with it"
            )
        return self._tokenizer.eos_token_id

    def render(self, messages: Sequence[Message], *, thinking: bool | None) -> str:
        """The prompt of a conversation, ready for the assistant's turn.

        `thinking` is the template's `enable_thinking`: True lets the model think, False
        closes an empty thinking block for it, None leaves the template its default.

        Raises:
            InputError: there is no template, or it refuses the conversation.
        """
        from jinja2 import TemplateError

        if self._tokenizer.chat_template is None:
            raise InputError(
                f"{self.folder} has no chat template; expected one in"
                " tokenizer_config.json or chat_template.jinja: give prompts as text"
            )
        options = {} if thinking is None else {"enable_thinking": thinking}
        try:
            return self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True, **options
            )
        except (TemplateError, ValueError) as error:
            raise InputError(
                f"{self.folder}: the chat template refuses a conversation ({error});"
                " expected roles in an order it knows"
            ) from error

    def encode(self, text: str) -> list[int]:
        """Token ids of `text` as it stands: nothing is added."""
        return list(self.encode_all([text])[0])

    def encode_all(self, texts: Iterable[str]) -> list[tuple[int, ...]]:
        """`encode` of many texts at once."""
        # Lone surrogates cannot be encoded and crash fast tokenizers.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        if not clean:
            return []
        encoded = self._tokenizer(clean, add_special_tokens=False)["input_ids"]
        return [tuple(ids) for ids in encoded]

    def prompt(
        self, messages: Sequence[Message], *, thinking: bool | None
    ) -> list[int]:
        """Token ids of a rendered conversation."""
        return self.encode(self.render(messages, thinking=thinking))

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of `tokens` without control tokens (thinking marks are kept)."""
        return self._tokenizer.decode(list(tokens), skip_special_tokens=True)

    def cut_at_stop(
        self, tokens: Sequence[int], stop_strings: Sequence[str]
    ) -> int | None:
        """How many tokens it took to complete the first stop string; None if none is.

        Found by bisection: once the text of a prefix holds a stop string, every longer
        prefix does.
        """
        holds = lambda count: any(
            stop in self.decode(tokens[:count]) for stop in stop_strings
        )
        if not holds(len(tokens)):
            return None
        low, high = 1, len(tokens)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) else (middle + 1, high)
        return low

    def _read_stop_ids(self) -> tuple[int, ...]:
        ids = {self._tokenizer.eos_token_id} - {None}
        file = self.folder / "generation_config.json"
        if file.is_file():
            try:
                extra: Any = json.loads(file.read_text()).get("eos_token_id")
            except (ValueError, AttributeError) as error:
                raise InputError(
                    f"{file} is no JSON object ({error}); expected generation settings,"
                    " or no such file"
                ) from error
            ids |= set(extra if isinstance(extra, list) else [extra]) - {None}
        return tuple(sorted(ids))


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy a folder's tokenizer files, byte for byte, beside exported weights."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            (target / name).write_bytes((source / name).read_bytes())


def truncate_at_stop(text: str, stop_strings: Sequence[str]) -> str:
    """`text` up to the first stop string, which is left out."""
    ends = [text.find(stop) for stop in stop_strings if stop in text]
    return text[: min(ends)] if ends else text
