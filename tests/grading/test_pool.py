"""Grading processes: hostile answers, killed workers, order, and who outlives whom."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from transfer_reasoning.grading.graders import GRADERS
from transfer_reasoning.grading.pool import GraderPool

LIMIT_S = 0.6
ENDLESS = [r"9^{9^{9^{9}}}", r"((10!)!)!", "(" * 900 + "1" + ")" * 900]
# Verdicts may be wrong or "could not grade", as long as they come and are not right.
HOSTILE = {
    "nested parentheses": "(" * 10**5 + "1" + ")" * 10**5,
    "nested fractions": r"\frac{1}{" * 150 + "2" + "}" * 150,
    "megabytes": "1" * 3_000_000,
    "megabytes of words": "a b " * 500_000,
    "a NUL byte": "5\x00",
    "a lone surrogate": "\ud8005\udfff",
    "lines": '5\n{"grader": "plain_text"}\r\n\x85\u2028',
    "control characters": "\x01\x1b[31m\"\\'",
    "digits": "7" * 1_999,
    "a format string": "%s %n {0}",
    "nothing": "",
}


def question(answer: str, grader: str = "math_verify", gold: str = "5"):
    return grader, {"answer": gold}, f"It is \\boxed{{{answer}}}."


def alive(process: int) -> bool:
    """Is it there, and not merely waiting to be buried?"""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def workers_of(parent: int) -> list[int]:
    """Grading processes whose parent is `parent`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(state[1]) == parent and b"grading.worker" in command:
            found.append(int(entry.name))
    return found


def wait_until(holds, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


@pytest.fixture(scope="module")
def pool():
    with GraderPool(1, limit_s=LIMIT_S) as pool:
        yield pool


@pytest.mark.parametrize("endless", ENDLESS, ids=["tower", "factorial", "nest"])
def test_an_endless_answer_is_stopped_and_its_neighbours_are_graded(pool, endless):
    before, stopped, after = pool.grade(map(question, ["5", endless, "5"]))
    assert before.correct is True
    assert stopped.correct is None
    assert stopped.reason == "grader stopped after 0.6 s"
    assert after.correct is True


@pytest.mark.parametrize("grader", GRADERS)
def test_hostile_text_gets_a_verdict_and_spares_its_neighbours(pool, grader):
    right = "5" if grader == "plain_text" else r"\boxed{5}"
    neighbour = (grader, {"answer": "5"}, right)
    for name, text in HOSTILE.items():
        verdict, after = pool.grade([question(text, grader), neighbour])
        assert verdict.correct in (False, None), name
        assert verdict.reason, name
        assert after.correct is True, name


def test_text_comes_back_as_it_was(pool):
    for name in ("a lone surrogate", "lines", "control characters", "a NUL byte"):
        (verdict,) = pool.grade([question(HOSTILE[name], "math_string")])
        assert verdict.extracted == HOSTILE[name], name


def test_memory_that_runs_out_costs_one_answer():
    with GraderPool(1, limit_s=30, memory_bytes=200 << 20) as pool:
        answers = ["5", "a " * 8_000_000, "6", "5"]
        verdicts = pool.grade(question(answer, "boxed_text") for answer in answers)
    assert [v.correct for v in verdicts] == [True, None, False, True]
    assert "grader" in verdicts[1].reason


@pytest.fixture(scope="module")
def mixed():
    """Right, wrong and missing answers in turn, one of them endless; and verdicts."""
    answers = ["5", "5.0", r"\frac{10}{2}", "6", r"\text{five}", "2+3", "x=5", "5,5"]
    questions = [question(answer) for answer in answers * 4]
    questions[9] = question(ENDLESS[0])
    questions[11] = ("math_verify", {"answer": "5"}, "no box")
    with GraderPool(1, limit_s=LIMIT_S) as pool:
        return questions, pool.grade(questions)


def test_verdicts_come_in_the_order_of_the_questions(mixed):
    questions, verdicts = mixed
    for (_, _, response), verdict in zip(questions, verdicts, strict=True):
        if verdict.extracted is not None:
            assert response == f"It is \\boxed{{{verdict.extracted}}}."
    assert [n for n, v in enumerate(verdicts) if v.correct is None] == [9]
    assert verdicts[11].extracted is None


def test_three_workers_say_what_one_says(mixed):
    questions, verdicts = mixed
    with GraderPool(3, limit_s=LIMIT_S) as pool:
        assert pool.grade(questions) == verdicts
        assert pool.grade(questions[::-1]) == verdicts[::-1]


def test_no_questions_give_no_verdicts_and_start_nothing():
    with GraderPool(2) as pool:
        before = workers_of(os.getpid())
        assert pool.grade([]) == []
        assert workers_of(os.getpid()) == before


def test_a_worker_killed_from_outside_costs_one_answer():
    others = set(workers_of(os.getpid()))
    with GraderPool(1) as pool:
        assert pool.grade([question("5")])[0].correct is True
        (worker,) = set(workers_of(os.getpid())) - others
        os.kill(worker, signal.SIGKILL)
        assert wait_until(lambda: not alive(worker))
        verdicts = pool.grade([question("5")] * 3)
    assert [v.correct for v in verdicts] == [None, True, True]
    assert verdicts[0].reason == "grader died (exit code -9)"


def test_a_worker_that_dies_inside_a_line_costs_one_answer(tmp_path):
    """Its answer is longer than a pipe holds, so a part of it is read."""
    others = set(workers_of(os.getpid()))
    gold, response = {"answer": "5"}, f"\\boxed{{{'x' * 3_000_000}}}"
    smuggled = {"grader": "boxed_text", "gold": gold, "response": response}
    with GraderPool(1) as pool:
        assert pool.grade([question("5", "boxed_text")])[0].correct is True
        (worker,) = set(workers_of(os.getpid())) - others
        process = pool._processes[0]
        process.stdin.write(json.dumps(smuggled) + "\n")
        process.stdin.flush()
        process.stdout.buffer.peek(1)
        os.kill(worker, signal.SIGKILL)
        torn, after = pool.grade([question("5", "boxed_text")] * 2)
    assert torn.correct is None
    assert after.correct is True


def test_nothing_remains_after_the_pool_is_closed():
    others = set(workers_of(os.getpid()))
    with GraderPool(3) as pool:
        pool.grade([question("5", "boxed_text")] * 30)
        mine = set(workers_of(os.getpid())) - others
        assert 1 <= len(mine) <= 3
    assert set(workers_of(os.getpid())) == others
    assert not any(map(alive, mine))


PARENT = """
import sys
from transfer_reasoning.grading.pool import GraderPool
pool = GraderPool(2, limit_s=1.0)
busy = ("math_verify", {"answer": "5"}, "\\\\boxed{%s}")
idle = ("boxed_text", {"answer": "5"}, "\\\\boxed{5}")
print(pool.grade([idle] * 20)[0].correct, flush=True)
pool.grade([busy] * 2)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_do_not_outlive_a_killed_parent(how):
    """Neither an idle worker nor one that is at an endless answer."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT % ENDLESS[0]], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "True\n"
    workers = workers_of(parent.pid)
    assert workers
    parent.send_signal(how)
    parent.communicate()
    assert wait_until(lambda: not any(map(alive, workers)))
