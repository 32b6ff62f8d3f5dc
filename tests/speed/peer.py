"""Lets a peer's script take turns: a step for every line read, and a line of its times.

    PYTHON tests/speed/peer.py SCRIPT.py [its arguments]

Runs in the peer's own environment. The scripts, those of `../shared/bench` and those
beside this file, time themselves by `common`; of it the clock and the reward, which a
GRPO step asks for once, are replaced here by ones that wait for their turn. After a
turn comes the processor time since the turn before it.
"""

import json
import os
import runpy
import sys
import time
from pathlib import Path

BENCH = Path(os.environ["SPEED_BENCH"])
WARMUP = 3
QUIET_S, SAMPLE_S = 1e-3, 0.05


class Turns:
    """Called between two steps: ends one turn and waits for the next."""

    def __init__(self) -> None:
        self.calls, self.began = 0, (0.0, 0.0)

    def __call__(self) -> None:
        self.calls += 1
        wall = settle() - self.began[0]
        processor = time.process_time() - self.began[1]
        if self.calls == WARMUP:
            say(ready=True)
        elif self.calls > WARMUP:
            say(s=wall, cpu_s=processor)
        if self.calls >= WARMUP and not sys.stdin.readline():
            os._exit(0)  # in the midst of a step, whose end nobody waits for
        self.began = time.perf_counter(), time.process_time()


def settle() -> float:
    """When what runs in the background ended, to `SAMPLE_S`: Tunix is a step ahead."""
    while True:
        now, before = time.perf_counter(), time.process_time()
        time.sleep(SAMPLE_S)
        if time.process_time() - before < QUIET_S:
            return now


def say(**found) -> None:
    print(json.dumps(found), flush=True)


def main(script: str) -> None:
    sys.path.insert(0, str(BENCH))
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    import common

    turn, reward = Turns(), common.byte_reward

    def timed(step, *_):
        while True:
            turn()
            step()

    def waiting_reward(completions, **columns):
        turn()
        return reward(completions, **columns)

    common.timed, common.byte_reward = timed, waiting_reward
    if Path(script).stem == "tunix_bench" and sys.argv[2] == "train":
        from tunix.sft import peft_trainer

        made = peft_trainer.TrainingInput

        def waiting_input(**arrays):
            turn()
            return made(**arrays)

        peft_trainer.TrainingInput = waiting_input
    sys.argv = sys.argv[1:]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
