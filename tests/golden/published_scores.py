"""Scores and indices printed in arXiv 2507.00432 v2, Tables 1, 5 and 9 to 11.

Columns: AIME24 AIME25 MATH-500 OlympiadBench | GPQA-D LiveCodeBench ACPBench HeadQA |
CoQA MC-TACO IFEval HaluEval, percent; then TI_other and TI_non as printed.
"""

from typing import NamedTuple

COLUMNS = [
    *("aime24", "aime25", "math500", "olympiadbench"),
    *("gpqa_diamond", "livecodebench", "acpbench", "headqa"),
    *("coqa", "mc_taco", "ifeval", "halueval"),
]

BASES = {
    "mistral_24b": "8.3 5.3 71.2 23.1 49.3 26.4 62.9 45.6 31.5 76.2 81.8 72.4",
    "qwen25_1b5": "0.0 0.0 27.4 6.6 2.5 0.4 8.2 28.2 0.3 38.8 30.7 1.1",
    "qwen25_math_7b": "8.9 6.8 62.1 21.6 29.8 14.7 42.7 27.9 0.6 46.6 32.2 5.1",
    "qwen25_7b": "3.3 1.6 59.1 11.6 37.5 7.8 26.8 38.4 0.9 61.7 47.4 17.2",
    "qwen25_7b_it": "12.0 9.7 72.8 29.6 23.4 32.9 57.5 33.7 8.1 74.6 80.0 64.6",
    "llama31_8b": "0.0 0.0 13.1 2.1 2.4 0.2 0.3 32.9 0.2 62.6 33.1 2.9",
    "qwen25_14b": "8.0 2.7 64.2 23.0 49.2 15.3 30.2 37.3 0.5 66.7 57.2 24.5",
    "qwen25_32b_it": "16.7 16.7 80.0 30.1 40.4 49.0 72.1 38.6 9.4 75.3 79.1 77.5",
    "qwen25_32b": "10.7 3.7 42.8 15.0 33.8 28.6 42.1 38.4 7.3 76.0 83.8 52.1",
    "qwen3_14b": "13.0 9.3 60.4 27.9 42.6 29.7 10.7 37.6 10.0 67.7 69.2 35.7",
}


class Row(NamedTuple):
    """A tuned model: its base, its scores, the index as printed."""

    base: str
    scores: str
    other: float
    non: float


TUNED = {
    "R1-Distill-Qwen-7B": Row(
        "qwen25_math_7b",
        "57.3 40.0 87.0 37.2 53.0 55.3 56.4 26.8 0.7 33.9 46.3 1.6",
        60.4,
        -4.2,
    ),
    "OpenThinker2-7B": Row(
        "qwen25_7b_it",
        "56.3 39.6 88.4 39.1 47.6 55.6 66.1 31.0 1.3 53.0 47.7 0.1",
        52.0,
        -76.2,
    ),
    "OpenThinker3-7B": Row(
        "qwen25_7b_it",
        "67.8 56.6 90.0 44.1 66.8 65.2 57.5 26.3 1.5 33.9 41.4 0.9",
        44.5,
        -70.0,
    ),
    "S1.1-7B": Row(
        "qwen25_7b_it",
        "23.3 13.3 75.8 28.7 41.4 10.7 36.7 31.4 1.1 70.0 40.2 14.3",
        -65.5,
        -213.3,
    ),
    "General-Reasoner-SFT": Row(
        "qwen3_14b",
        "35.0 22.6 78.4 30.6 43.9 19.7 64.3 39.9 1.4 49.4 31.7 10.8",
        77.8,
        -127.6,
    ),
    "Mistral-24B-Reasoning": Row(
        "mistral_24b",
        "63.7 43.0 89.6 41.9 66.8 34.6 66.4 33.9 0.5 66.2 24.7 4.2",
        22.6,
        -89.5,
    ),
    "OpenThinker2-32B": Row(
        "qwen25_32b_it",
        "76.3 57.7 94.2 43.0 63.5 71.6 83.2 33.8 4.2 43.8 45.5 59.6",
        39.1,
        -53.5,
    ),
    "S1.1-32B": Row(
        "qwen25_32b_it",
        "59.0 44.0 92.8 41.6 59.9 58.2 74.3 36.0 0.2 69.4 52.8 50.8",
        33.8,
        -62.2,
    ),
    "LIMO-32B": Row(
        "qwen25_32b_it",
        "56.7 46.0 86.4 42.2 62.3 58.7 77.9 37.0 7.9 73.0 75.9 71.2",
        40.5,
        -27.3,
    ),
    "Qwen2.5-1.5B-SimpleRL": Row(
        "qwen25_1b5",
        "0.3 0.0 60.1 11.9 4.5 0.6 28.2 28.3 1.3 38.3 28.9 2.1",
        85.6,
        9.5,
    ),
    "SimpleRL-7B": Row(
        "qwen25_7b",
        "15.7 7.6 69.8 24.1 29.3 14.7 35.4 34.1 1.2 59.7 48.4 28.9",
        15.4,
        34.4,
    ),
    "SimpleRL-14B": Row(
        "qwen25_14b",
        "11.3 10.7 75.0 29.9 39.1 37.9 60.4 38.4 1.0 68.9 63.1 68.8",
        95.9,
        101.5,
    ),
    "General-Reasoner-RL": Row(
        "qwen3_14b",
        "24.4 19.2 83.0 33.5 56.1 32.9 75.0 44.0 4.8 51.19 72.0 55.7",
        121.6,
        66.5,
    ),
    "DAPO-Qwen-32B": Row(
        "qwen25_32b",
        "57.0 34.7 88.4 39.3 52.5 52.6 86.1 38.0 4.2 72.2 59.8 25.5",
        60.7,
        -39.5,
    ),
    "Llama3.1-8B-SimpleRL": Row(
        "llama31_8b",
        "0.0 0.0 24.3 3.3 5.6 0.5 15.4 33.7 0.7 60.3 36.0 1.8",
        72.6,
        7.0,
    ),
    "UniReason think-SFT": Row(
        "qwen3_14b",
        "52.0 37.0 85.0 25.0 55.9 21.9 68.6 34.8 1.7 38.2 42.3 2.3",
        52.2,
        -104.1,
    ),
    "UniReason no-think-SFT": Row(
        "qwen3_14b",
        "16.0 13.0 77.2 22.7 48.7 23.5 69.3 35.0 5.3 66.1 41.4 3.3",
        165.4,
        -278.9,
    ),
    "UniReason RL": Row(
        "qwen3_14b",
        "55.7 38.0 87.8 33.8 57.7 40.6 65.4 40.2 28.2 74.0 70.0 40.7",
        82.3,
        52.2,
    ),
}


def scores(text: str) -> dict[str, float]:
    """Percent by benchmark of one row."""
    return dict(zip(COLUMNS, map(float, text.split()), strict=True))
