"""The report in a real browser: drawn completely, in light and dark mode."""

import re
from pathlib import Path

import pytest

from dropbatch.cli.report import page, summarize
from tests.cli.report.browser import document, picture
from tests.cli.report.random_facts import ABOUT, facts

LOOK = """<script>
const colours = (canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size;
};
document.documentElement.dataset.colours = [...document.querySelectorAll("canvas")].map(colours).join(" ");
document.documentElement.dataset.page = getComputedStyle(document.body).backgroundColor;
</script></body>"""
"""Reports the number of colours of each chart, and the background of the page."""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("count", [3, 2000])
def test_the_page_is_drawn_completely(tmp_path: Path, count: int, dark: bool):
    report, shot = tmp_path / "report.html", tmp_path / "report.png"
    text = page(summarize(facts(count)), about=ABOUT)
    report.write_text(text.replace("</body>", LOOK), encoding="utf-8")

    picture(report, shot, tmp_path / "profile", dark=dark)
    shown = document(report, tmp_path / "profile", dark=dark)

    words = re.sub(r"<script.*?</script>", "", shown, flags=re.DOTALL)
    assert 'data-drawn="3"' in words  # timeline, durations, cost
    found = re.search(r'data-colours="([^"]+)"', words)
    assert found is not None
    assert min(map(int, found[1].split())) > 10
    assert f'data-page="rgb({"18, 22, 28" if dark else "246, 247, 249"})"' in words
    assert "slide &lt;b&gt;" in words  # a name with markup in it stays a name
    assert f"{count:,} runs since 2h" in words
    assert "undefined" not in words
    assert "NaN" not in words
    assert shot.read_bytes().startswith(b"\x89PNG")
    assert shot.stat().st_size > 50_000


def test_a_page_about_an_unstarted_run_is_drawn(tmp_path: Path):
    report = tmp_path / "report.html"
    waiting = [each for each in facts(2000) if each.wait_seconds is None][:1]
    report.write_text(page(summarize(waiting), about=ABOUT), encoding="utf-8")

    shown = document(report, tmp_path / "profile")

    for words in (
        "Nothing has started yet.",
        "Nothing has ended yet.",
        "set the prices of the pools",
        "takes a run record",
    ):
        assert words in shown
