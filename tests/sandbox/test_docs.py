"""The page about the sandbox lists everything the sandbox has."""

import re
from pathlib import Path

from dropbatch.sandbox import wraps
from dropbatch.sandbox.batch.api import _operations
from dropbatch.sandbox.batch.faults import KINDS
from dropbatch.sandbox.rules import RULES
from tests.sandbox.batch_world import World

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sandbox.md").read_text()


def table(heading: str) -> list[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([a-z_-]+)` \|", section, re.MULTILINE)


def test_every_wrap_is_on_the_page() -> None:
    assert sorted(table("Wraps")) == sorted(
        name.removeprefix("wrap_") for name in vars(wraps) if name.startswith("wrap_")
    )


def test_every_wrap_has_a_test_that_fails_when_it_is_unnecessary() -> None:
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]

    tested = [name for text in texts for name in re.findall(r'@pytest\.mark\.gap\("(\w+)"\)\s+def test_gap_', text)]

    assert sorted(tested) == sorted(table("Wraps"))


def test_every_fault_is_on_the_page() -> None:
    assert set(table("Faults")) == {*KINDS, "reclaim", "kill-function"}


def test_every_operation_is_on_the_page(world: World) -> None:
    listed = PAGE.split("Our Batch implements")[1].split(". In the tests")[0]

    found = set(re.findall(r"\w+", listed))

    assert found == set(_operations(world.store, world.scheduler, world.faults))


def test_the_readme_links_to_the_page() -> None:
    assert "(docs/sandbox.md)" in (ROOT / "README.md").read_text()


def test_the_page_names_the_pinned_version() -> None:
    assert f"MiniStack](https://github.com/ministackorg/ministack) {wraps.MINISTACK}" in PAGE


def test_every_call_with_rules_is_on_the_page() -> None:
    section = PAGE.split("\n## Rules of the services\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| [\w ]+ \| `.*` \| (\d+) \| (.*) \|$", section, re.MULTILINE)

    assert [(int(count), calls.split(", ")) for count, calls in rows] == [
        (len(rules), sorted({call for rule in rules for call in rule.operations})) for rules in RULES.values()
    ]
