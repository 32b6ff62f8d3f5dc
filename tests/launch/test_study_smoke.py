"""The whole pipeline from one command, small enough only to show that it connects."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.launch.commands import ROOT, STUDY, run

SCHEMA = ROOT / "analysis" / "schema" / "summary.schema.json"
RERUN_S = 20


def changed_times(workdir: Path) -> dict[Path, int]:
    files = (file for file in workdir.rglob("*") if file.is_file())
    return {file: file.stat().st_mtime_ns for file in files if file.name != ".lock"}


def test_the_last_line_names_the_report(smoke_study):
    last = smoke_study.output.splitlines()[-1]
    assert last == f"report: {smoke_study.workdir / 'report.html'}"


def test_the_report_holds_every_figure_and_needs_no_network(smoke_study):
    page = (smoke_study.workdir / "report.html").read_text(encoding="utf-8")
    figures = sorted((smoke_study.workdir / "figures").glob("*.svg"))
    assert len(figures) > 10
    assert page.count("<svg") >= len(figures) - 1  # a legend may stand by itself
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_the_summary_is_what_its_schema_says(smoke_study):
    if not SCHEMA.is_file():
        pytest.skip(f"{SCHEMA.name} is not there")
    jsonschema = pytest.importorskip("jsonschema")
    summary = json.loads((smoke_study.workdir / "summary.json").read_text())
    jsonschema.validate(summary, json.loads(SCHEMA.read_text()))


def test_every_setting_was_trained_evaluated_and_probed(smoke_study):
    summary = json.loads((smoke_study.workdir / "summary.json").read_text())
    config = json.loads((smoke_study.workdir / "config.json").read_text())
    assert set(summary["settings"]) == {"base", *config["settings"]}
    assert set(summary["controls"]) == set(config["controls"])
    for name in [*config["settings"], *config["controls"]]:
        marks = smoke_study.workdir.glob(f"seed_0/{name}/*/done.json")
        assert {m.parent.name for m in marks} == {"train", "evaluate", "probe"}


def test_the_same_command_again_recomputes_nothing(smoke_study):
    before, began = changed_times(smoke_study.workdir), time.monotonic()
    again = run(*STUDY, f"--workdir={smoke_study.workdir}")
    took = time.monotonic() - began
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == smoke_study.output.splitlines()[-1]
    study_mark = smoke_study.workdir / "done.json"  # says that the study was run again
    after = changed_times(smoke_study.workdir)
    assert {f: t for f, t in after.items() if f != study_mark} == {
        f: t for f, t in before.items() if f != study_mark
    }
    assert took < RERUN_S
