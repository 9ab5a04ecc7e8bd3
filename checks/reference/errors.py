"""The page of all error texts, read off the places that raise them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["page"]

_HEAD = """# What errors say

Made from the source by `make reference`: every text that people can meet, what kind of fault it is, and the file that
says it. `…` stands for what is filled in.
"""
_ROOMS = {
    "dropbatch/settings": "The environment file",
    "constructs_lib": "Synthesis",
    "dropbatch/cli": "The command",
    "dropbatch/runtime": "Jobs",
    "lambdas": "Arrivals and requests",
    "dropbatch/contract": "Keys, manifests and records",
    "dropbatch/sandbox": "The sandbox",
    "dropbatch": "Images and preparation",
}
_WITHIN = {"ClientError": "The answer of Batch's API in the sandbox, as AWS gives it"}
_INTERNAL = {"AssertionError", "TypeError", "RuntimeError", "LookupError", "KeyError", "ModuleNotFoundError"}
"""Raised where only the code itself can be at fault."""
_SHORTEST = 12


@dataclass(frozen=True, kw_only=True)
class Text:
    """One place that raises."""

    error: str
    words: str
    file: str


def page(root: Path) -> str:
    """Markdown: a section per room, its texts under the class that says what they mean."""
    causes = dict(_causes(root))
    parts = [_HEAD]
    seen: set[Path] = set()
    for room, title in _ROOMS.items():
        files = [path for path in sorted((root / room).rglob("*.py")) if path not in seen]
        seen.update(files)
        texts = [text for path in files for text in _texts(path, str(path.relative_to(root)))]
        if not texts:
            continue
        parts.append(f"## {title}\n")
        for error in sorted({text.error for text in texts}):
            parts.append(f"**{error}.** {_WITHIN.get(error) or causes.get(error, 'A value that cannot be')}.\n")
            rows = sorted({(text.words, text.file) for text in texts if text.error == error})
            parts.append("| text | said by |\n| --- | --- |")
            parts += [f"| {_cell(words)} | `{file}` |" for words, file in rows]
            parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _causes(root: Path) -> Iterator[tuple[str, str]]:
    for room in _ROOMS:
        for path in (root / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and (text := ast.get_docstring(node)):
                    yield node.name, " ".join(text.split("\n\n")[0].split()).rstrip(".")


def _texts(path: Path, file: str) -> Iterator[Text]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            error = ast.unparse(node.exc.func).rsplit(".", 1)[-1]
            if error not in _INTERNAL:
                yield from (Text(error=error, words=each, file=file) for each in _spoken(node.exc.args))
        elif isinstance(node, ast.Yield) and node.value is not None and "/settings/" in file:
            # Rules are generators of faults.
            yield from (Text(error="SettingsError", words=each, file=file) for each in _spoken([node.value]))


def _words(node: ast.expr) -> str:
    """A text as it is written, with `…` for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return " ".join(text.split())
        case ast.JoinedStr():
            return " ".join("".join(_piece(each) for each in node.values).split())
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{_words(left) or '…'}{_words(right) or '…'}"
        case ast.List(elts=[first]):
            return _words(first)
    return ""


def _piece(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def _spoken(nodes: list[ast.expr]) -> list[str]:
    """Those of the arguments that are texts for people, not codes."""
    words = [_words(node) for node in nodes]
    return [each for each in words if len(each.replace("…", "").strip()) >= _SHORTEST and " " in each]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
