"""Find every error text in the source, with its file."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Text", "docstrings", "texts", "words"]

_INTERNAL = {
    "AssertionError",
    "IndexError",
    "KeyError",
    "ModuleNotFoundError",
    "NotImplementedError",
    "TypeError",
}
"""Errors that only a defect in the code raises."""
_ERROR = re.compile(r"(Error|Fault)$")
_SINK = re.compile(r"^_?(fault|problem|unknown|warn)$")
"""Functions that record the error text of their argument."""
_SPEAKER = re.compile(r"fault|reason$|refus|explain|_fix$|_named$|_bucket$")
"""Functions that return an error text."""
_NAMED = {
    *("reason", "why", "fault", "text", "fix", "said", "warnings"),
    *("_MESSAGE", "_UNEXPLAINED", "FORGOTTEN", "MOVED", "STOPPED", "CANCELLED"),
}
"""Variables and arguments with an error text."""
_LISTS = {"found", "faults", "single", "warnings", "_warnings"}
_SHORTEST = 12


@dataclass(frozen=True, kw_only=True)
class Text:
    """An error text, with `…` for each value."""

    kind: str
    """Class of the error; empty if the text belongs to none."""
    words: str
    file: str


def texts(root: Path, path: Path) -> Iterator[Text]:
    """Yield the error texts of one file."""
    file = str(path.relative_to(root))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function, node in _within(tree, ""):
        for kind, said in _said(node, function, file):
            text = ": ".join(said)
            if " " in text and len(text.replace("…", "").strip()) >= _SHORTEST:
                yield Text(kind=kind, words=text, file=file)


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the classes of one file, each with the first paragraph of its docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and (text := ast.get_docstring(node)):
            yield node.name, " ".join(text.split("\n\n")[0].split()).rstrip(".")


def words(node: ast.expr) -> str:
    """Return the text of a string literal, with `…` for each value; empty for any other expression."""
    match node:
        case ast.Constant(value=str(text)):
            return " ".join(text.split())
        case ast.JoinedStr():
            return " ".join("".join(_piece(each) for each in node.values).split())
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            both = words(left), words(right)
            return f"{both[0] or '…'}{both[1] or '…'}" if any(both) else ""
    return ""


def _piece(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def _within(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield every descendant of the node, with the name of its enclosing function."""
    for child in ast.iter_child_nodes(node):
        name = child.name if isinstance(child, ast.FunctionDef) else function
        yield name, child
        if not isinstance(child, ast.JoinedStr):
            yield from _within(child, name)


def _said(node: ast.AST, function: str, file: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the class of an error (or "") and the parts of its text."""
    match node:
        case ast.Call():
            yield from _said_by_call(node)
        case ast.Return(value=ast.expr() as value) if _SPEAKER.search(function):
            yield "", list(_alternatives(value))
        case ast.Yield(value=ast.expr() as value) if "/settings/" in file:
            # Settings rules are generators of error texts.
            yield from (("", [each]) for each in _alternatives(value))
        case ast.Constant() | ast.JoinedStr() if (said := words(node)).startswith("error: "):
            yield "", [said.removeprefix("error: ")]
        case _:
            yield from (("", [each]) for name, value in _held(node) if name in _NAMED for each in _alternatives(value))


def _said_by_call(call: ast.Call) -> Iterator[tuple[str, list[str]]]:
    name = ast.unparse(call.func).rsplit(".", 1)[-1]
    given = [*call.args, *(each.value for each in call.keywords)]
    match call.func:
        case _ if _ERROR.search(name) and name not in _INTERNAL:
            yield from ((name, [each]) for argument in given for each in _alternatives(argument))
        case ast.Call() | ast.Attribute(attr="__init__"):
            # A call selects the class, or the call is `super().__init__`.
            yield from (("", [each]) for argument in given for each in _alternatives(argument))
        case ast.Attribute(value=owner, attr="append") if ast.unparse(owner).rsplit(".", 1)[-1] in _LISTS:
            yield from (("", [each]) for each in _alternatives(call.args[0]))
        case ast.Attribute(value=ast.Name(id="parser"), attr="error"):
            yield "", [each for argument in given for each in _alternatives(argument)]
        case _ if _SINK.match(name):
            yield "", [each for argument in given for each in _alternatives(argument)][-2:]


def _held(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that the node assigns, with their values."""
    match node:
        case ast.keyword(arg=str(name), value=value) | ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value), value


def _alternatives(node: ast.expr) -> Iterator[str]:
    """Yield the string literals that the expression can evaluate to."""
    match node:
        case ast.IfExp(body=one, orelse=other):
            yield from _alternatives(one)
            yield from _alternatives(other)
        case ast.List(elts=several) | ast.Tuple(elts=several) | ast.BoolOp(values=several):
            for each in several:
                yield from _alternatives(each)
        case ast.BinOp(left=ast.expr() as left, op=ast.Mod()):
            yield from (re.sub(r"%[sd]", "…", each) for each in _alternatives(left))
        case ast.Call(func=ast.Attribute(value=parts, attr="join")):
            yield from _alternatives(parts)
        case _ if said := words(node):
            yield said
