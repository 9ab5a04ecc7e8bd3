"""Generate the page of error texts from the source."""

from collections.abc import Iterator
from pathlib import Path

from checks.reference.texts import Text, docstrings, texts

__all__ = ["error_texts", "page"]

_HEAD = """# Error texts

Generated from the source by `make reference`. In the texts, `…` is a value. Each text names the rule and the fix; its
heading names the kind of error, and the last column the file that raises it. Messages of AWS, Terraform and Python are
not listed, and neither are those of the sandbox and of the workflows' steps.
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
_UNLISTED = {"Keys, manifests and records", "The sandbox", "Set-up and images", "Delivery: the steps of the workflows"}
"""Sections that are left out of the page: their texts are printed where the error occurs, and complete there."""
_CAUSES = {
    "ClickException": "The command failed",
    "UsageError": "The command line or the environment variables are invalid",
    "BadParameter": "An option has an invalid value",
    "ValueError": "A value is invalid",
}
_WITHOUT_CLASS = {
    "The environment file": "Mistakes in an environment file; all are listed, and nothing is synthesized",
    "Synthesis": "Errors that stop a synthesis, a deploy or a destroy",
    "The command": "Messages of `dropbatch` and problems that `dropbatch doctor` reports",
    "Jobs": "Reasons of failed runs; the text is in the run's record, log and mail",
    "Arrivals and requests": "Reasons of refused files and requests; see `dropbatch status` and `_rejected.json`",
    "Runs, pause and messages": "Reasons of ended runs; the text is in `dropbatch status` and the run's mail",
}
"""By section, the heading of texts that belong to no error class."""


def error_texts(root: Path) -> Iterator[tuple[str, Text]]:
    """Yield every error text of the source with its section, including sections that the page leaves out."""
    seen: set[Path] = set()
    for room, title in _ROOMS.items():
        place = root / room
        files = [path for path in ([place] if place.is_file() else sorted(place.rglob("*.py"))) if path not in seen]
        seen.update(files)
        for path in files:
            yield from ((title, text) for text in texts(root, path))


def page(root: Path) -> str:
    """Return Markdown with a section per room, its texts grouped by error class."""
    causes = dict(_causes(root)) | _CAUSES
    sections: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for title, text in error_texts(root):
        if title in _UNLISTED:
            continue
        kind = text.kind if text.kind in causes else ""
        sections.setdefault(title, {}).setdefault(kind, set()).add((text.words, text.file))
    parts = [_HEAD]
    for title, kinds in sections.items():
        parts.append(f"## {title}\n")
        for kind, rows in sorted(kinds.items()):
            # List a text that is recorded in one place and raised in another only once, under its class.
            rows -= {row for other, known in kinds.items() if other and other != kind and not kind for row in known}
            if not rows:
                continue
            meaning = causes[kind] if kind else _WITHOUT_CLASS[title]
            parts.append(f"**{kind}.** {meaning}.\n" if kind else f"{meaning}.\n")
            parts.append("| text | raised by |\n| --- | --- |")
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
