"""Render the report as one self-contained HTML file."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

__all__ = ["CHARTS", "page"]

CHARTS = "chart.umd.min.js"
"""Chart.js 4.6.1 (MIT) from npm, without the reference to its source map."""


def page(summary: Mapping[str, Any], *, about: Mapping[str, str]) -> str:
    """Return the HTML of a summary; `about` contains environment, group, since and made_at."""
    # File names are untrusted. As JSON without `<` they cannot close their element, and the script inserts them as
    # text only.
    data = json.dumps({**summary, "about": dict(about)}, ensure_ascii=False, separators=(",", ":"))
    text = _read("page.html")
    for mark, content in (
        ("/* page.css */", _read("page.css")),
        ("/* charts */", _read(CHARTS)),
        ("/* page.js */", _read("page.js")),
        ("{{data}}", data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")),
    ):
        text = text.replace(mark, content, 1)
    return text


def _read(name: str) -> str:
    return (files("dropbatch.cli.report") / name).read_text(encoding="utf-8")
