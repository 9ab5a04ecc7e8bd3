"""The error texts that the generator finds are all error texts of the source."""

import ast
from pathlib import Path

import pytest

from checks.reference.errors import error_texts
from checks.reference.texts import Text, texts, words
from tests.docs.pages import ROOT

_ROOMS = ("dropbatch", "lambdas", "constructs_lib", "delivery")


def _found(tmp_path: Path, source: str) -> list[tuple[str, str]]:
    file = tmp_path / "dropbatch" / "settings" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")
    return [(text.kind, text.words) for text in texts(tmp_path, file)]


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        ('raise RefusedError(f"{name} is not allowed: ask") from error', "RefusedError", "… is not allowed: ask"),
        ('raise RefusedError("one is wrong" if one else "two is wrong")', "RefusedError", "two is wrong"),
        ('def make():\n    return RefusedError("it is not there: add it")', "RefusedError", "it is not there: add it"),
        ('fields.fault("pool", f"is unknown, got {pool}")', "", "pool: is unknown, got …"),
        ('problem("it is not there", "make it")', "", "it is not there: make it"),
        ('def _refusal(x):\n    return f"must be one, got {x}"', "", "must be one, got …"),
        ('def rules():\n    yield f"must be two, got {x}"', "", "must be two, got …"),
        ('def main():\n    print(f"error: nothing is left of {x}")', "", "nothing is left of …"),
        ('warnings.append("the folder is empty")', "", "the folder is empty"),
        ('change(reason=other or "nobody said why")', "", "nobody said why"),
        ('item = {"reason": "cancelled on request"}', "", "cancelled on request"),
        ('def _old_fault():\n    return "found %s, needed is %s" % (a, b)', "", "found …, needed is …"),
    ],
)
def test_an_error_text_is_found_where_the_code_raises_it(tmp_path: Path, source: str, kind: str, said: str) -> None:
    assert (kind, said) in _found(tmp_path, source)


@pytest.mark.parametrize("source", ['raise KeyError("a part is missing")', 'log.info("all is well: go on")'])
def test_internal_errors_are_not_listed(tmp_path: Path, source: str) -> None:
    assert _found(tmp_path, source) == []


def test_no_error_text_is_left_out() -> None:
    """Every literal in the form "rule, got value: fix" is found, in whatever place."""
    listed = " ".join(text.words for _, text in error_texts(ROOT))

    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {said}"
        for room in _ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant | ast.JoinedStr)
        if ", got " in (said := words(node)) and ": " in said.partition(", got ")[2]
        if said not in listed and "``" not in said  # docstrings speak of the form
    ]

    assert missing == []


def test_texts_of_every_package_are_listed() -> None:
    by_room: dict[str, list[Text]] = {}
    for title, text in error_texts(ROOT):
        by_room.setdefault(title, []).append(text)

    assert all(len(found) > 3 for found in by_room.values()), {title: len(found) for title, found in by_room.items()}
