"""The report: one self-contained HTML page, light and dark, readable on a phone."""

from html import escape
from pathlib import Path

from analysis.report.sections import Figures, Summary, sections

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
FOOTER = (
    "The base model's two answer modes were designed so that on-policy training has"
    " something to find. Learning rates were chosen by the gain on the tuned"
    " mathematics tasks, on a development seed and question set; nothing on the other"
    " two groups was tuned."
)


def render(summary: Summary, figures: Figures) -> str:
    """The whole page."""
    parts = list(sections(summary, figures))
    links = " ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in parts)
    body = "\n".join(
        f'<section id="{name}"><h2>{title}</h2>\n{content}\n</section>'
        for name, title, content in parts
    )
    lead = "\n".join(
        f'<p class="lead">{escape(text)}</p>'
        for text in summary["findings"][: -len(summary["seeds"])]
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Did it transfer? The small study</title>
<style>
{STYLE}</style>
</head>
<body>
<header>
<h1>Tuned on mathematics: did it transfer?</h1>
{lead}
<p>In points over the base model, with 95% intervals.</p>
<nav>{links}</nav>
</header>
<main>
{body}
</main>
<footer>{FOOTER}</footer>
</body>
</html>
"""
