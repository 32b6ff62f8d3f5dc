"""Twelve skills small enough for a model of half a million weights.

Four in each of the paper's groups: mathematics, other reasoning, non-reasoning. A skill
makes `Task`s from a random generator: a question, its answer, and for the reasoning
groups the steps to it in two styles, terse (the base model's own) and spoken (the
teacher's). All arithmetic is on one digit, so that steps are facts that can be learned
and mistakes are about which step to take.

Questions come in three wordings; the last of a reasoning skill asks for steps.
"""

import dataclasses
import random
from collections.abc import Callable, Sequence

MATH, OTHER, NON = "math", "other_reasoning", "non_reasoning"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclasses.dataclass(frozen=True)
class Task:
    """One question.

    Attributes:
        key: what is asked, whatever the wording; decides the split.
        question: the text put to the model.
        answer: the right answer.
        steps: terse steps to it; empty for skills that need none.
        spoken: the same steps in words; only in mathematics, where a teacher works.
        asks_steps: does the wording ask for steps?
    """

    key: str
    question: str
    answer: str
    steps: Sequence[str] = ()
    spoken: Sequence[str] = ()
    asks_steps: bool = False


@dataclasses.dataclass(frozen=True)
class Skill:
    """A kind of question: its group, wordings, and a maker of (core, task) draws."""

    name: str
    group: str
    wordings: Sequence[str]
    draw: Callable[[random.Random], Task]

    def task(self, rng: random.Random) -> Task:
        """A random question in a random wording."""
        core = self.draw(rng)
        wording = rng.randrange(len(self.wordings))
        return dataclasses.replace(
            core,
            key=f"{self.name} {core.question}",
            question=self.wordings[wording].format(core.question),
            asks_steps=bool(core.steps) and wording == len(self.wordings) - 1,
        )


WORDS = {"+": "plus", "-": "minus", "*": "times"}


def _arithmetic(rng: random.Random, operators: str, modulus: int, least: int) -> Task:
    """Two or three operations from left to right, every result modulo `modulus`."""
    value = rng.randrange(least, modulus)
    text, steps, spoken = str(value), [], []
    for _ in range(rng.choice((2, 3))):
        operator, number = rng.choice(operators), rng.randrange(least, modulus)
        result = _apply(value, operator, number) % modulus
        text += f" {operator} {number}"
        steps.append(f"{value} {operator} {number} = {result}")
        spoken.append(f"{value} {WORDS[operator]} {number} makes {result}")
        value = result
    return Task("", text, str(value), steps, spoken)


def _apply(value: int, operator: str, number: int) -> int:
    return {"+": value + number, "-": value - number, "*": value * number}[operator]


def _solve(rng: random.Random) -> Task:
    """x from the result of additions and subtractions modulo 10, undone backwards."""
    x = value = rng.randrange(10)
    text, operations = "x", []
    for _ in range(rng.choice((2, 3))):
        operator, number = rng.choice("+-"), rng.randrange(10)
        value = _apply(value, operator, number) % 10
        text += f" {operator} {number}"
        operations.append((operator, number))
    steps, spoken, text = [], [], f"{text} = {value}"
    for operator, number in reversed(operations):
        undo = "-" if operator == "+" else "+"
        result = _apply(value, undo, number) % 10
        steps.append(f"{value} {undo} {number} = {result}")
        spoken.append(f"{value} {WORDS[undo]} {number} makes {result}")
        value = result
    return Task("", text, str(x), steps, spoken)


def _sort(rng: random.Random) -> Task:
    """Five to seven digits in order; the steps part them at five."""
    digits = [rng.randrange(10) for _ in range(rng.choice((5, 6, 7)))]
    show = lambda values: " ".join(map(str, values)) or "none"
    steps = [
        "low " + show([d for d in digits if d < 5]),
        "high " + show([d for d in digits if d >= 5]),
    ]
    return Task("", show(digits), show(sorted(digits)), steps)


def _largest(rng: random.Random) -> Task:
    """The largest of three or four two-digit numbers; the steps are the best so far."""
    numbers = rng.sample(range(10, 100), rng.choice((3, 4)))
    spaced = [" ".join(str(n)) for n in numbers]
    steps, best = [], 0
    for index in range(1, len(numbers)):
        best = max(range(index + 1), key=numbers.__getitem__)
        steps.append(spaced[best])
    return Task("", " , ".join(spaced), spaced[best], steps)


PROGRAM = {
    "inc": lambda v: v + 1,
    "dec": lambda v: v - 1,
    "dbl": lambda v: 2 * v,
    "neg": lambda v: -v,
}


def _run(rng: random.Random) -> Task:
    """Two to four instructions on one digit; the steps are the values."""
    value = rng.randrange(10)
    text, steps = f"set {value}", []
    for _ in range(rng.choice((2, 3, 4))):
        name = rng.choice(list(PROGRAM))
        value = PROGRAM[name](value) % 10
        text += f" {name}"
        steps.append(f"{name} {value}")
    return Task("", text, str(value), steps)


def _cups(rng: random.Random) -> Task:
    """Where a ball is after two or three swaps of five cups; the steps follow it."""
    place = rng.randrange(1, 6)
    text, steps = f"ball {place}", []
    for _ in range(rng.choice((2, 3))):
        first, second = rng.sample(range(1, 6), 2)
        place = {first: second, second: first}.get(place, place)
        text += f" , {first} {second}"
        steps.append(f"{first} {second} = {place}")
    return Task("", text, str(place), steps)


def _letters(rng: random.Random, least: int, most: int) -> list[str]:
    return [rng.choice(LETTERS) for _ in range(rng.randint(least, most))]


def _reverse(rng: random.Random) -> Task:
    letters = _letters(rng, 5, 7)
    return Task("", " ".join(letters), " ".join(reversed(letters)))


def _upper(rng: random.Random) -> Task:
    text = " ".join(_letters(rng, 5, 7))
    return Task("", text, text.upper())


BRACKETS = {"square": "[]", "round": "()", "curly": "{}", "angle": "<>"}


def _brackets(rng: random.Random) -> Task:
    name = rng.choice(list(BRACKETS))
    text = " ".join(_letters(rng, 4, 6))
    left, right = BRACKETS[name]
    return Task("", f"{name} : {text}", f"{left} {text} {right}")


def _without(rng: random.Random) -> Task:
    letters = _letters(rng, 5, 6)
    unwanted = rng.choice(letters)
    kept = " ".join(letter for letter in letters if letter != unwanted) or "none"
    return Task("", f"{unwanted} : {' '.join(letters)}", kept)


def _math(name: str, what: str, draw: Callable[[random.Random], Task]) -> Skill:
    wordings = (
        f"Compute {what} : {{}}",
        f"What is {{}} {what} ?",
        f"Work out {{}} {what} step by step .",
    )
    return Skill(name, MATH, wordings, draw)


SKILLS = {
    skill.name: skill
    for skill in (
        _math("chain", "mod 10", lambda rng: _arithmetic(rng, "+-", 10, 0)),
        _math("product", "last digit", lambda rng: _arithmetic(rng, "*", 10, 1)),
        _math("mod7", "mod 7", lambda rng: _arithmetic(rng, "+*", 7, 0)),
        Skill(
            "solve",
            MATH,
            ("Find x : {}", "Solve {} for x .", "Solve {} step by step ."),
            _solve,
        ),
        Skill(
            "sort",
            OTHER,
            ("Sort {}", "Put in order : {}", "Sort {} step by step ."),
            _sort,
        ),
        Skill(
            "largest",
            OTHER,
            (
                "Largest of {}",
                "Which is largest : {} ?",
                "Find the largest of {} step by step .",
            ),
            _largest,
        ),
        Skill(
            "run",
            OTHER,
            ("Run {}", "What does {} give ?", "Run {} step by step ."),
            _run,
        ),
        Skill(
            "cups",
            OTHER,
            ("Track {}", "Where is the ball : {} ?", "Track {} step by step ."),
            _cups,
        ),
        Skill(
            "reverse",
            NON,
            ("Reverse {}", "Write backwards : {}", "Say {} in reverse ."),
            _reverse,
        ),
        Skill(
            "upper",
            NON,
            ("Upper case {}", "Capitalise : {}", "Write {} in capitals ."),
            _upper,
        ),
        Skill(
            "brackets",
            NON,
            ("Brackets {}", "Enclose in {}", "Use brackets {} ."),
            _brackets,
        ),
        Skill(
            "without", NON, ("Drop {}", "Copy without {}", "Leave out {} ."), _without
        ),
    )
}
