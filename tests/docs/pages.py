"""The Markdown pages of the repository: their links, code blocks and tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A block of code: language, tools it needs, text, and first line on the page."""

    language: str
    needs: str
    text: str
    line: int


@dataclass(frozen=True)
class Page:
    """One page."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT)) if self.path.is_relative_to(ROOT) else self.path.name

    @property
    def tokens(self) -> list[Token]:
        return _tokens(self.path)

    @property
    def fences(self) -> list[Fence]:
        return [
            Fence(
                language=token.info.partition(" ")[0],
                needs=token.info.partition(" ")[2],
                text=token.content,
                line=(token.map or [0])[0] + 1,
            )
            for token in self.tokens
            if token.type == "fence"
        ]

    @property
    def links(self) -> Iterator[str]:
        """Targets of links and pictures."""
        for token in self.tokens:
            for child in token.children or ():
                target = child.attrs.get("href") or child.attrs.get("src")
                if target:
                    yield str(target)

    @property
    def anchors(self) -> set[str]:
        """Anchors of the page that a link may name."""
        found: set[str] = set()
        for token, text in zip(self.tokens, self.tokens[1:], strict=False):
            if token.type == "heading_open":
                words = "".join(child.content for child in text.children or ())
                found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
        return found


@cache
def _tokens(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))


def pages() -> list[Page]:
    return [Page(path) for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])]
