"""What a run does otherwise where it is one of several processes (`launch.several`)."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ml_collections import ConfigDict

from transfer_reasoning.runtime.stopping import Stop
from transfer_reasoning.types import InputError

LOG = "metrics.jsonl"


def refuse(config: ConfigDict) -> None:
    """Nothing, if there is one process, or several can run the config.

    Raises:
        InputError: several cannot: they would have to share sampling and grading.
    """
    from transfer_reasoning.runtime.processes import several

    asks = {"config.source.kind": config.source.kind == "on_policy"}
    asks["config.eval_every"] = config.eval_every > 0
    field = next((name for name, sampled in asks.items() if sampled), "")
    if field and several():
        raise InputError(
            f"{field} asks for samples and there are several processes; expected"
            " responses of a file: sample in one process, or draw with launch.distill"
        )


def make_stop() -> Stop:
    """Whether the run is asked to end, at all of its processes together."""
    from transfer_reasoning.runtime.processes import LateLargest, several

    return Stop(shared=LateLargest()) if several() else Stop()


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
