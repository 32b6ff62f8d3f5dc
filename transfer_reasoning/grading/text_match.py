"""Equality of short texts that are no mathematics."""


def squeeze(text: str) -> str:
    """`text` without outer blanks, runs of blanks made one."""
    return " ".join(text.split())
