"""What a run does otherwise where it is one of several processes (`launch.several`)."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ml_collections import ConfigDict

from transfer_reasoning.runtime.stopping import Stop
from transfer_reasoning.types import InputError, Verdict

LOG = "metrics.jsonl"


def refuse(config: ConfigDict) -> None:
    """Nothing, if there is one process, or several can run the config.

    Raises:
        InputError: several cannot: they would have to share an evaluation.
    """
    from transfer_reasoning.runtime.processes import several

    if config.eval_every and several():
        raise InputError(
            f"config.eval_every is {config.eval_every} and there are several processes;"
            " expected 0: evaluate the model that comes out, with launch.evaluate"
        )


def make_stop() -> Stop:
    """Whether the run is asked to end, at all of its processes together."""
    from transfer_reasoning.runtime.processes import LateLargest, several

    return Stop(shared=LateLargest()) if several() else Stop()


def grades() -> bool:
    """Does this process grade? The first does, for all: time may run out in one."""
    from transfer_reasoning.runtime.processes import is_first

    return is_first()


def graded_once(
    grade: Callable[[Sequence], list[Verdict]],
) -> Callable[[Sequence], list[Verdict]]:
    """`grade` of the first process, whose verdicts all get."""
    from transfer_reasoning.runtime.processes import several, texts

    if not several():
        return grade

    def told(pairs: Sequence) -> list[Verdict]:
        mine = [dataclasses.asdict(v) for v in grade(pairs)] if grades() else []
        return [Verdict(**fields) for fields in json.loads(texts(json.dumps(mine))[0])]

    return told


@contextmanager
def home(workdir: Path) -> Iterator[Path]:
    """Where this process writes what the first alone writes for all."""
    from transfer_reasoning.runtime.processes import is_first

    if is_first():
        yield workdir
        return
    with TemporaryDirectory() as folder:
        if (workdir / LOG).is_file():  # whose last steps count for the limits
            shutil.copy(workdir / LOG, folder)
        yield Path(folder)
