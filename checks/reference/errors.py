"""The page of all error texts, read off the places that say them."""

from collections.abc import Iterator
from pathlib import Path

from checks.reference.texts import Text, docstrings, texts

__all__ = ["page", "spoken"]

_HEAD = """# What errors say

Made from the source by `make reference`. Find the text you got, with `…` for what is filled in; its heading says what
kind of fault it is, the text itself names the rule and the fix, and the last column is the place in the code. What AWS,
Terraform and Python say themselves is passed on and not listed.
"""
_ROOMS = {
    "dropbatch/settings": "The environment file",
    "constructs_lib": "Synthesis",
    "main.py": "Synthesis",
    "dropbatch/cli": "The command",
    "dropbatch/runtime": "Jobs",
    "lambdas/arrival": "Arrivals and requests",
    "lambdas": "Runs, pause and messages",
    "dropbatch/contract": "Keys, manifests and records",
    "dropbatch/sandbox": "The sandbox",
    "dropbatch": "Set-up and images",
    "delivery": "Delivery: the steps of the workflows",
}
_CAUSES = {
    "ClientError": "The answer of Batch's API in the sandbox, as AWS gives it",
    "ClickException": "The command cannot go on",
    "UsageError": "The command line or the environment variables make no sense",
    "BadParameter": "An option has a value that it cannot have",
    "ValueError": "A value that cannot be",
}
_OTHERWISE = {
    "The environment file": "A fault in an environment file; all are listed at once, and nothing is synthesized",
    "Synthesis": "What stops a synthesis, a deploy or a destroy",
    "The command": "What `dropbatch` answers, or `dropbatch doctor` finds",
    "Jobs": "Why a run failed; the text is in its record, its log and its mail",
    "Arrivals and requests": "Why a file or a request was refused: see `dropbatch status`, and `_rejected.json`",
    "Runs, pause and messages": "Why a run ended as it did; the text is in `dropbatch status` and its mail",
}
"""What a text means that belongs to no class of errors."""


def spoken(root: Path) -> Iterator[tuple[str, Text]]:
    """Every text, with the section of the page that it belongs to."""
    seen: set[Path] = set()
    for room, title in _ROOMS.items():
        place = root / room
        files = [path for path in ([place] if place.is_file() else sorted(place.rglob("*.py"))) if path not in seen]
        seen.update(files)
        for path in files:
            yield from ((title, text) for text in texts(root, path))


def page(root: Path) -> str:
    """Markdown: a section per room, its texts under the class that says what they mean."""
    causes = dict(_causes(root)) | _CAUSES
    sections: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for title, text in spoken(root):
        kind = text.kind if text.kind in causes else ""
        sections.setdefault(title, {}).setdefault(kind, set()).add((text.words, text.file))
    parts = [_HEAD]
    for title, kinds in sections.items():
        parts.append(f"## {title}\n")
        for kind, rows in sorted(kinds.items()):
            # A text that is noted where it arises and raised elsewhere is listed once, under its class.
            rows -= {row for other, known in kinds.items() if other and other != kind and not kind for row in known}
            if not rows:
                continue
            meaning = causes[kind] if kind else _OTHERWISE.get(title, "What stops it")
            parts.append(f"**{kind}.** {meaning}.\n" if kind else f"{meaning}.\n")
            parts.append("| text | said by |\n| --- | --- |")
            parts += [f"| {_cell(words)} | `{file}` |" for words, file in sorted(rows)]
            parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _causes(root: Path) -> Iterator[tuple[str, str]]:
    for room in _ROOMS:
        place = root / room
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            yield from docstrings(path)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
