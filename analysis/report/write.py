"""Summary, tables, figures and page of a study, written beside its runs."""

from pathlib import Path

from analysis import figures, tables
from analysis.report.page import render
from analysis.results import load_study
from analysis.summary import SUMMARY, build_summary
from transfer_reasoning.runtime.records import write_json, write_text

PAGE = "report.html"


def write_report(workdir: Path) -> Path:
    """Write summary.json, tables/*.csv, figures/*.svg and report.html.

    Returns the page. Everything is made anew from the records, in a few seconds; the
    page comes last, so where it is new the rest is too.
    """
    study = load_study(workdir)
    summary = build_summary(study)
    write_json(workdir / SUMMARY, summary)
    tables.write_tables(workdir / "tables", summary)
    drawn = figures.draw_all(study, summary)
    for name, svg in drawn.items():
        write_text(workdir / "figures" / f"{name}.svg", figures.standalone(svg))
    write_text(workdir / PAGE, render(summary, drawn))
    return workdir / PAGE
