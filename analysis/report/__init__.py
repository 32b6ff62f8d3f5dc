"""One offline HTML page from a finished study, with its tables and figures as files."""

from analysis.report.write import write_report

__all__ = ["write_report"]
