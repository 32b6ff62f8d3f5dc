r"""Tables, figures and one offline HTML page from a finished study.

python -m launch.report --workdir=study
"""

from pathlib import Path

from absl import flags

from launch import door
from transfer_reasoning.types import InputError

_WORKDIR = flags.DEFINE_string("workdir", None, "the workdir of launch.study")


def main() -> None:
    """Write the report and say where it is."""
    if not _WORKDIR.value:
        raise InputError("flag --workdir is not set; expected the workdir of a study")
    from analysis.report import write_report

    print(f"report: {write_report(Path(_WORKDIR.value))}")


if __name__ == "__main__":
    door.start_tool(main)
