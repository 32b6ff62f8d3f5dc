"""A distillation that takes seconds: a random teacher, right in some answers."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from tests.launch.commands import run

PROBLEMS, SAMPLES, TOKENS, SLOTS = 130, 4, 20, 8  # in parts of 64 problems
RESULTS = (
    *("rollouts.jsonl", "responses.jsonl", "report.json", "report.md"),
    "manifest.json",
)


class Distilling(NamedTuple):
    """The command but for its workdir, and the workdir of an unbroken run."""

    command: tuple[str, ...]
    unbroken: Path


def write_rows(file: Path, rows) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def rows_of(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().split("\n")[:-1]]


def command_of(model: Path, problems: Path) -> tuple[str, ...]:
    """With the grader that needs no library, and time for it on a busy machine."""
    return (
        *("launch.distill", "--config=configs/distill.py"),
        *(f"--config.model.path={model}", f"--config.problems={problems}"),
        *(f"--config.samples={SAMPLES}", f"--config.max_tokens={TOKENS}"),
        *(f"--config.sampler.slots={SLOTS}", "--config.sampler.prefill_rows=8"),
        *("--config.grader.name=plain_text", "--config.grader.limit_s=30"),
    )


def make(home: Path, model: Path) -> Distilling:
    """Problems whose answer, for every other one, is what the teacher says first."""
    problem = lambda number: f"what is {'1 + ' * (number % 4)}{number}"
    rows = [
        {"problem": problem(n), "answer": "none", "level": n % 3}
        for n in range(PROBLEMS)
    ]
    file = write_rows(home / "problems.jsonl", rows)
    command = command_of(model, file)
    done = run(*command, f"--workdir={home / 'asked'}")
    assert done.returncode == 0, done.stderr
    said = rows_of(home / "asked" / "rollouts.jsonl")[::SAMPLES]
    answers = [row["response"].rpartition("</think>")[2].strip() for row in said]
    for row, answer in list(zip(rows, answers, strict=True))[::2]:
        row["answer"] = answer if answer and "\0" not in answer else "none"
    write_rows(file, rows)
    done = run(*command, f"--workdir={home / 'unbroken'}")
    assert done.returncode == 0, done.stderr
    return Distilling(command, home / "unbroken")


def results(workdir: Path) -> dict[str, bytes]:
    return {name: (workdir / name).read_bytes() for name in RESULTS}


def kept(workdir: Path) -> int:
    """Samples that are on the disk."""
    count = 0
    for file in (workdir / "parts").glob("*.jsonl"):
        try:
            count += file.read_bytes().count(b"\n")
        except FileNotFoundError:  # it was put in order meanwhile
            continue
    return count


# A command that SIGKILLs itself when it has written a file whose name ends so, and
# before that is seen to the disk.
DYING = """
import os, runpy, signal, sys
end, fsync = sys.argv.pop(1), os.fsync
def dying(stream):
    number = stream if isinstance(stream, int) else stream.fileno()
    if os.readlink(f"/proc/self/fd/{number}").endswith(end):
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(stream)
os.fsync = dying
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
assert os.name == "posix"
