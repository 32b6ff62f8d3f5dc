r"""Equality of two mathematical answers as mathematics, by math-verify.

Both are put into `\boxed{}` and parsed alike, gold first: math-verify is not
symmetric (1/3 accepts 0.333333, 0.333 does not accept 1/3). It has no time limit
here: its own uses a signal that only works on a main thread, and hostile answers such
as 9^9^9^9 compute for ever. Call it where the process can be killed (`pool`).
"""

import functools

MAX_ANSWER_CHARACTERS = 2_000


class UngradableError(Exception):
    """The comparison cannot be made; the text says why in a few words."""


@functools.lru_cache(maxsize=65_536)
def equal_as_mathematics(gold: str, answer: str) -> bool:
    """Does `answer` equal `gold`?

    Raises:
        UngradableError: the gold answer cannot be parsed, or the answer is longer than
            any answer is.
    """
    if gold.strip() and answer.strip() == gold.strip():
        return True
    if len(answer) > MAX_ANSWER_CHARACTERS:
        raise UngradableError(f"answer longer than {MAX_ANSWER_CHARACTERS} characters")
    from math_verify import verify  # sympy: half a second

    return bool(verify(_parse_gold(gold), _parse(answer), timeout_seconds=None))


@functools.lru_cache(maxsize=65_536)
def _parse_gold(gold: str) -> list:
    parsed = _parse(gold)
    if not parsed:
        raise UngradableError("gold answer cannot be parsed")
    return parsed


def _parse(answer: str) -> list:
    from math_verify import parse

    # None, though annotated as a number: no alarm signal; the worker has its watchdog.
    return parse(f"\\boxed{{{answer}}}", parsing_timeout=None)  # pyright: ignore
