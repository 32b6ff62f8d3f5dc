r"""The whole study from one command: data, models, tuning, evaluation, probes, report.

    python -m launch.study --config=configs/study.py --workdir=study

Every stage is the command of its own name with a config of ours; this one orders them
by what they need and runs them side by side, one core each. Killed anywhere, the same
command goes on; once done, it does nothing but say where the report is.
"""

from pathlib import Path

from ml_collections import ConfigDict

from launch import door
from launch.schedule import run_tasks
from launch.stages import study_tasks
from launch.view import View
from transfer_reasoning.runtime.progress import Reporter
from transfer_reasoning.runtime.records import DONE
from transfer_reasoning.types import InputError

# They only add tasks, or say how many run at once.
FREE_KEYS = ("num_seeds", "sweep", "sweep_settings", "sweep_rates", "lanes")


def run(config: ConfigDict, workdir: Path, shown: Reporter) -> None:
    """Run all tasks, then write summary and report."""
    if config.num_seeds < 1:
        raise InputError(f"config.num_seeds is {config.num_seeds}; expected 1 or more")
    tasks, view = study_tasks(config), View()
    try:
        run_tasks(tasks, workdir, lanes=config.lanes, view=view)
    finally:
        view.close()
    page = workdir / "report.html"
    newest = max((workdir / task.name / DONE).stat().st_mtime for task in tasks)
    if not page.is_file() or page.stat().st_mtime < newest:
        from analysis.report import write_report

        write_report(workdir)
    shown.line(f"report: {page}")


if __name__ == "__main__":
    door.start_run(run, free_keys=FREE_KEYS, once=False)
