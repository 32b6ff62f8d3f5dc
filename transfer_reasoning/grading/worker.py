"""A grading process: JSON lines in, JSON lines out, one answer per question.

    python -m transfer_reasoning.grading.worker LIMIT_S MEMORY_BYTES

Imports no jax. A question that computes for more than LIMIT_S seconds ends the
process: the kernel's timer does it even while sympy holds the interpreter's lock, and
even if the parent has died meanwhile. It counts processor time, so a verdict does not
depend on what else the machine is doing; a watchdog on the wall clock is behind it.
"""

import contextlib
import dataclasses
import faulthandler
import importlib
import json
import logging
import os
import resource
import signal
import sys

from transfer_reasoning.grading.graders import GRADERS, LIBRARIES
from transfer_reasoning.types import Verdict

WALL_PER_LIMIT = 20  # a machine may be that busy with other work


def main(limit_s: float, memory_bytes: int) -> None:
    """Answer questions until standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    sys.set_int_max_str_digits(0)
    # It would warn that its own time limit is off: ours is the watchdog.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # it ends the process
    answers = sys.stdout
    # A library that prints would shift every later verdict by a line.
    with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
        for line in sys.stdin:
            question = json.loads(line)
            if library := LIBRARIES.get(question["grader"]):
                importlib.import_module(library)
            signal.setitimer(signal.ITIMER_PROF, limit_s)
            faulthandler.dump_traceback_later(
                WALL_PER_LIMIT * limit_s, exit=True, file=silence
            )
            verdict = _answer(question)
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
            print(json.dumps(dataclasses.asdict(verdict)), file=answers, flush=True)


def _answer(question: dict) -> Verdict:
    try:
        grader = GRADERS[question["grader"]]
        return grader(question["gold"], question["response"])
    except MemoryError:
        return Verdict(None, None, "grader out of memory")
    except RecursionError:
        return Verdict(None, None, "answer nested too deeply")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
