"""Graders in processes that can be killed.

Grading runs model-written text through a computer-algebra system, which can hang or
take all memory. So it happens in worker processes with a time and a memory limit; a
worker that dies costs the one answer it was at, which becomes "could not grade".
"""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from transfer_reasoning.types import Verdict

Question = tuple[str, Mapping[str, Any], str]  # grader name, gold, response


class GraderPool:
    """`workers` grading processes; use as a context manager.

    Args:
        workers: processes; 1 grades in order and costs one idle process.
        limit_s: seconds of processor time that one answer may take.
        memory_bytes: address space of a worker.
    """

    def __init__(
        self, workers: int = 1, *, limit_s: float = 5.0, memory_bytes: int = 4 << 30
    ):
        self._command = [
            sys.executable, "-m", "transfer_reasoning.grading.worker",
            str(limit_s), str(memory_bytes),
        ]  # fmt: skip
        self._limit_s = limit_s
        self._local = threading.local()
        self._processes: list[subprocess.Popen] = []
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="grader")

    def __enter__(self) -> "GraderPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; nothing of them remains."""
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.kill()
            process.communicate()
        self._processes.clear()

    def grade(self, questions: Iterable[Question]) -> list[Verdict]:
        """Verdicts in the order of `questions`."""
        return list(self._threads.map(self._ask, questions))

    def _ask(self, question: Question) -> Verdict:
        grader, gold, response = question
        line = json.dumps({"grader": grader, "gold": dict(gold), "response": response})
        process = self._worker()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer.endswith("\n"):  # a worker can die in the middle of a line
            return Verdict(**json.loads(answer))
        return Verdict(None, None, self._bury(process))

    def _worker(self) -> subprocess.Popen:
        """This thread's process, started on first use and after each death."""
        process = getattr(self._local, "process", None)
        if process is None:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the parent to handle
            )
            self._local.process = process
            self._processes.append(process)
        return process

    def _bury(self, process: subprocess.Popen) -> str:
        """Why the worker died; the next question gets a new one."""
        process.kill()
        process.communicate()
        self._processes.remove(process)
        self._local.process = None
        if process.returncode == -signal.SIGPROF:
            return f"grader stopped after {self._limit_s:g} s"
        return f"grader died (exit code {process.returncode})"
