"""Every link, command and example of the pages is checked."""

import hashlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import unquote

import click
import jsonschema
import pytest

from checks.reference.commands import walk
from checks.reference.pages import pages as generated
from dropbatch.cli.main import cli
from tests.docs.pages import ROOT, Fence, Page, pages
from tests.project import SHIPPED

_TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_inside_the_repository_lead_to_a_file(page: Page) -> None:
    for link in page.links:
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), f"{page}: {link} leads nowhere"
        if anchor:
            assert anchor in Page(target).anchors, f"{page}: {link}: no such heading"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_make_targets_on_the_pages_exist(page: Page) -> None:
    for target in re.findall(r"`make ([a-z][\w-]*)", page.path.read_text(encoding="utf-8")):
        assert target in _TARGETS, f"{page}: there is no `make {target}`"
    for fence in page.fences:
        for line in _lines(fence):
            if line.startswith("make "):
                for word in shlex.split(line, comments=True)[1:]:
                    assert "=" in word or word in _TARGETS, f"{page}:{fence.line}: there is no `make {word}`"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_commands_on_the_pages_exist_with_their_options(page: Page) -> None:
    known = {names[1:]: command for names, command in walk(cli, ("dropbatch",))}
    shown = [line for fence in page.fences if fence.language == "sh" for line in _lines(fence)]
    inline = re.findall(r"`(dropbatch [^`]+)`", page.path.read_text(encoding="utf-8"))
    for line in [*shown, *inline]:
        if line.startswith("dropbatch "):
            words = shlex.split(line.replace("…", "X").replace("|", " | "), comments=True)
            _exists(known, words[1:], f"{page}: {line}")


def _exists(known: dict[tuple[str, ...], click.Command], words: list[str], where: str) -> None:
    path: tuple[str, ...] = ()
    rest = words[: words.index("|")] if "|" in words else words
    options = {name for param in known[()].params for name in param.opts}
    for position, word in enumerate(rest):
        if (*path, word) in known:
            path = (*path, word)
            options = {name for param in known[path].params for name in (*param.opts, *param.secondary_opts)}
        elif word == "--":
            break
        elif word.startswith("-") and word not in ("-h", "--help", "--version"):
            assert word.split("=")[0] in options, f"{where}: no option {word}"
        elif not path and rest[position - 1] not in options and not word.isupper():
            pytest.fail(f"{where}: no command {word}")


@pytest.mark.parametrize("page", pages(), ids=str)
def test_examples_of_toml_can_be_read(page: Page) -> None:
    for fence in page.fences:
        if fence.language == "toml":
            try:
                tomllib.loads(fence.text)
            except tomllib.TOMLDecodeError as error:
                pytest.fail(f"{page}:{fence.line}: {error}")


def test_the_picture_is_up_to_date_with_its_source() -> None:
    digest = hashlib.sha256((ROOT / "docs/architecture.d2").read_bytes()).hexdigest()

    drawn = (ROOT / "docs/architecture.svg").read_text(encoding="utf-8")

    assert digest in drawn, "docs/architecture.d2 changed: run `make picture`"
    assert "prefers-color-scheme" in drawn, "the picture must be readable on dark pages"


@pytest.mark.parametrize("name", ["environment.md", "records.md"])
def test_every_key_is_explained(name: str) -> None:
    text = next(text for path, text in generated().items() if path.name == name)

    unexplained = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `") and line.endswith("|  |")]

    assert unexplained == []


def test_decisions_are_listed_with_their_titles() -> None:
    folder = ROOT / "docs" / "adr"
    titles = {path.name: path.read_text("utf-8").splitlines()[0].removeprefix("# ") for path in folder.glob("0*.md")}

    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (folder / "README.md").read_text("utf-8"), re.MULTILINE)

    assert {name: title for title, name in listed} == titles


def test_pages_are_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for link in Page(path).links:
            target = (path.parent / unquote(link).partition("#")[0]).resolve()
            if "://" not in link and target.suffix == ".md":
                todo.append(target)
            elif target.is_dir():
                todo.extend(sorted(target.glob("*.md")))

    assert {page.path for page in pages()} <= seen


def _lines(fence: Fence) -> list[str]:
    """Return the commands of a shell block, with continued lines joined."""
    if fence.language not in ("sh", ""):
        return []
    return [line.strip() for line in fence.text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("file", sorted((ROOT / "environments").glob("*.toml")), ids=lambda file: file.name)
def test_environment_files_are_valid_for_the_editor_schema(file: Path) -> None:
    schema = json.loads((ROOT / "docs/reference/environment.schema.json").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(schema).validate(tomllib.loads(file.read_text(encoding="utf-8")))
    assert not jsonschema.Draft202012Validator(schema).is_valid({"environment": {"nmae": "x"}})


@pytest.mark.parametrize("file", sorted((SHIPPED / "environments").glob("*.toml")), ids=lambda file: file.name)
def test_shipped_environment_files_name_the_schema(file: Path) -> None:
    assert file.read_text(encoding="utf-8").startswith("#:schema ../docs/reference/environment.schema.json\n")
