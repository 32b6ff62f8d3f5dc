"""A grading process: JSON lines in, JSON lines out, one answer per question.

    python -m transfer_reasoning.grading.worker LIMIT_S MEMORY_BYTES

Imports no jax. A question that computes for more than LIMIT_S seconds ends the
process: a watchdog thread of the interpreter (`faulthandler`) does it even while
sympy holds the lock, and even if the parent has died meanwhile.
"""

import dataclasses
import faulthandler
import json
import logging
import os
import resource
import sys

from transfer_reasoning.grading.graders import GRADERS
from transfer_reasoning.types import Verdict


def main(limit_s: float, memory_bytes: int) -> None:
    """Answer questions until standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    sys.set_int_max_str_digits(0)
    # It would warn that its own time limit is off: ours is the watchdog.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    with open(os.devnull, "w") as silence:
        for line in sys.stdin:
            faulthandler.dump_traceback_later(limit_s, exit=True, file=silence)
            verdict = _answer(json.loads(line))
            faulthandler.cancel_dump_traceback_later()
            print(json.dumps(dataclasses.asdict(verdict)), flush=True)


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
