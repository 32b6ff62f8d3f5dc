"""Where the answer of a response is: after the thinking, in the last box.

A response that thinks may lack the opening mark, because the prompt ended with it. A
response cut off inside its thinking has no answer, whatever stands in the thinking.
"""

THINK_END = "</think>"
BOX_MARKS = ("\\boxed", "\\fbox")


def after_thinking(response: str) -> str:
    """The part that answers: what follows the last closing mark, or everything.

    A response that opens its thinking and never closes it has no such part.
    """
    _, closed, answer = response.rpartition(THINK_END)
    if closed:
        return answer
    return "" if response.lstrip().startswith("<think>") else response


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` or `\fbox{...}`; None if there is none.

    Braces are matched; a box that is never closed is no box (the text was cut off).
    `\boxed x` without braces holds what follows up to a dollar sign, as in the
    evaluation code of the MATH dataset (Hendrycks et al. 2021).
    """
    start = max(text.rfind(mark) for mark in BOX_MARKS)
    if start < 0:
        return None
    mark = BOX_MARKS[0] if text.startswith(BOX_MARKS[0], start) else BOX_MARKS[1]
    rest = text[start + len(mark) :]
    if rest.startswith(" ") and "{" not in rest[:2]:
        return rest[1:].split("$")[0]
    return _braced(rest)


def _braced(text: str) -> str | None:
    """What stands in the first balanced pair of braces."""
    depth, begin = 0, None
    for place, character in enumerate(text):
        if character == "{":
            depth += 1
            begin = place + 1 if begin is None else begin
        elif character == "}":
            depth -= 1
            if depth == 0 and begin is not None:
                return text[begin:place]
            if depth < 0:
                return None
    return None
