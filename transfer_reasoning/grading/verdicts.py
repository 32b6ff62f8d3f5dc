"""What graders share: their type, the words of their reasons, how a verdict is said."""

from collections.abc import Callable, Mapping
from typing import Any

from transfer_reasoning.grading.extract import after_thinking, last_boxed
from transfer_reasoning.types import Verdict

NO_BOX = "no boxed answer"
NO_TEXT = "no text after the thinking"
DIFFERENT = "different answer"
NO_NUMBER = "a log-probability is no number"

Grader = Callable[[Mapping[str, Any], str], Verdict]


def judged(
    correct: bool, answer: str, metrics: Mapping[str, Any] | None = None
) -> Verdict:
    """Right or wrong, with the answer that was found."""
    return Verdict(correct, answer, "" if correct else DIFFERENT, metrics or {})


def in_thinking(response: str) -> dict[str, float]:
    """The metric that counts answers whose only box stands in the thinking."""
    return {"box_in_thinking": float(last_boxed(after_thinking(response)) is None)}
