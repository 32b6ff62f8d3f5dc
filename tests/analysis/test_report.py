"""The tables as files, and the page: whole, well-formed, and without a network."""

import csv
import re
from html.parser import HTMLParser

import pytest

from analysis import tables
from analysis.figures import draw_all
from analysis.names import GROUPS, label
from analysis.report.page import render
from tests.analysis.made_up import COUNTS, SWEPT

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What is on a page: tags must close in order, links must lead into it."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html(workdir):
    return (workdir / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def rows_of(workdir, name):
    with (workdir / "tables" / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_table_holds_the_numbers_of_the_summary(workdir, built, name):
    expected = [
        {key: str(value) for key, value in row.items()}
        for row in tables.TABLES[name](built)
    ]
    found = rows_of(workdir, name)
    assert found
    for row, numbers in zip(found, expected, strict=True):
        assert {key: value for key, value in row.items() if value} == numbers


def test_every_score_of_the_summary_is_in_its_table(workdir, summary):
    entries = {"base": summary["settings"]["base"], **tables.models(summary)}
    rows = rows_of(workdir, "scores")
    assert len(rows) == len(COUNTS) * 12
    for row in rows:
        entry = entries[row["model"]]
        assert row["benchmark"] in summary["groups"][row["group"]]
        for key, value in entry["scores"][row["benchmark"]].items():
            assert float(row[key]) == value
        gain = entry.get("gains_by_benchmark", {}).get(row["benchmark"])
        if gain is None:
            assert row["gain_mean"] == row["gain_ci_low"] == ""
        else:
            assert float(row["gain_mean"]) == gain["mean"]


def test_a_missing_index_is_its_reason_in_table_and_page(workdir, page):
    (row,) = [row for row in rows_of(workdir, "index") if row["model"] == SWEPT]
    assert row["v1_other"] == "math did not improve"
    assert row["v2_non"] == "all changes in a group are equal"
    assert "math did not improve" in page.text


def test_the_page_loads_nothing(html, page):
    for _, attributes in page.tags:
        for name, value in attributes.items():
            if name in ("href", "src", "xlink:href", "data", "action", "srcset"):
                assert value.startswith("#"), (name, value)
    assert not {"script", "link", "img", "iframe", "object", "base", "image"} & {
        tag for tag, _ in page.tags
    }
    assert not re.search(r"url\((?!#)|@import|@font-face", html)
    names = set(re.findall(r"https?://[^\"'\s<]+", html))
    assert names == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_links_lead_to_sections(page):
    sections = [attributes["id"] for attributes in page.all("section")]
    links = [a["href"][1:] for a in page.all("a")]
    assert links == sections
    assert len(set(sections)) == len(sections) == 8


def test_the_page_is_a_page(html, page):
    assert html.startswith("<!doctype html>\n<html lang=")
    assert [name for name, _ in page.tags].count("title") >= 1
    viewport = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    assert viewport in page.all("meta")
    assert {"charset": "utf-8"} in page.all("meta")


def test_light_and_dark_set_the_same_colours(html):
    style = html[html.index("<style>") : html.index("</style>")]
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    dark = rest[: rest.index("}")]
    names = lambda part: set(re.findall(r"(--\w+):", part))
    assert names(light) == names(dark) >= {"--ink", "--paper", "--muted", "--grid"}
    used = set(re.findall(r"var\((--\w+)\)", html))
    assert used <= names(light)


def test_figures_are_drawn_in_the_colours_of_the_page(html, page, workdir):
    """No text, axis or grid keeps a colour of its own, so both styles can be read."""
    assert len(page.all("figure")) == len(page.all("svg")) > 20
    for marker in ("#010203", "#040506", "#070809", "#000000"):
        assert marker not in html
    for svg in page.all("svg"):
        assert "viewbox" in svg
        assert not {"width", "height"} & svg.keys()
    files = {file.stem for file in (workdir / "figures").glob("*.svg")}
    assert len(files) == len(page.all("svg"))
    for file in (workdir / "figures").glob("*.svg"):
        Page(file.read_text())
        assert "--ink: #" in file.read_text()


def test_the_page_shows_every_model_group_and_finding(summary, page):
    unbroken = page.text.replace("\N{NON-BREAKING HYPHEN}", "-")
    for name in COUNTS:
        assert label(name) in unbroken
    for text in (*GROUPS.values(), *summary["findings"]):
        assert text in page.text
    for names in summary["groups"].values():
        for name in names:
            assert name in page.text
    assert "solve (held out)" in page.text


def test_gains_on_the_page_are_those_of_the_summary(summary, page):
    for entry in tables.models(summary).values():
        for value in entry["gains"].values():
            shown = f"{value['mean']:+.1f} [{value['ci_low']:+.1f}"
            assert shown in page.text


def test_the_same_study_draws_the_same_bytes(study, built, html):
    assert render(built, draw_all(study, built)) == html


def test_text_from_files_is_no_markup(summary):
    hostile = '<script>alert("1")</script> & <b>'
    changed = {
        **summary,
        "findings": [hostile, hostile],
        "git_revision": "<b><i>",
        "held_out": hostile,
        "times": {hostile: 1.0},
        "versions": {hostile: hostile},
        "groups": {**summary["groups"], "math": [hostile]},
    }
    for entries in ("settings", "controls", "sweep"):
        changed[entries] = {
            name: {
                **entry,
                "scores": {**entry["scores"], hostile: entry["scores"]["chain"]},
                "gains_by_benchmark": {
                    **entry.get("gains_by_benchmark", {}),
                    hostile: entry.get("gains_by_benchmark", {}).get("chain"),
                },
            }
            for name, entry in summary[entries].items()
        }

    class AnyFigure(dict):
        __missing__ = staticmethod(lambda name: "")

    page = Page(render(changed, AnyFigure()))
    assert not page.all("script")
    assert page.text.count(hostile) >= 6
