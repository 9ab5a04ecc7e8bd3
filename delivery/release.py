"""``make release VERSION=0.1.0``: write a release's number, CHANGELOG section and upgrade fixture.

The user commits and tags. Between releases the version is the next one with the suffix ``.dev0``. The stack of each
release is kept in ``tests/upgrades``; tests upgrade it to the current one. `faults` checks that version, CHANGELOG and
fixtures agree.
"""

import argparse
import datetime
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError, ending
from delivery.terraform import Stack

__all__ = ["DEPLOY", "FIXTURES", "Section", "faults", "fixture", "main", "number", "previous", "sections", "turned"]

FIXTURES = Path("tests/upgrades")
"""Synthesized stacks of releases, ``<version>.json`` each."""

DEPLOY = "### What a deploy does"
"""Heading required in every section of the CHANGELOG."""

_CHANGELOG = Path("CHANGELOG.md")
_NUMBER = Path("dropbatch/__init__.py")
_UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the CHANGELOG."""

    name: str
    """A version, or ``Unreleased``."""
    date: str
    """Date of the release, as in 2026-11-28; empty for ``Unreleased``."""
    text: str


def number(version: str) -> tuple[int, int, int]:
    """Return a version such as ``0.1.0`` as comparable numbers.

    Raises:
        DeliveryError: it is no version of a release.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise DeliveryError(f"version: three numbers, as in 0.1.0, got {version!r}: see CHANGELOG.md for the last one")
    major, minor, patch = (int(each) for each in version.split("."))
    return major, minor, patch


def sections(changelog: str) -> list[Section]:
    """Return the sections of the CHANGELOG, newest first."""
    _, *parts = _HEADING.split(changelog)
    groups = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return [Section(name=name, date=date or "", text=text.strip()) for name, date, text in groups]


def faults(changelog: str, version: str, fixtures: Sequence[str]) -> list[str]:
    """Return the contradictions between the CHANGELOG, the package's version and the fixtures' names."""
    unreleased, *released = sections(changelog) or [Section(name="", date="", text="")]
    found: list[str] = []
    if unreleased.name != _UNRELEASED:
        return [f"CHANGELOG.md: the first section must be [{_UNRELEASED}], got [{unreleased.name}]"]
    found += [
        f"CHANGELOG.md: [{each.name}]: {DEPLOY!r} is missing"
        for each in [unreleased, *released]
        if DEPLOY not in each.text.splitlines() and (each.text or each in released)
    ]
    for each in released:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", each.date):
            found.append(
                f"CHANGELOG.md: [{each.name}]: a date belongs behind it, as in - 2026-11-28, got {each.date!r}"
            )
        if f"{each.name}.json" not in fixtures:
            found.append(f"{FIXTURES}/{each.name}.json is missing: the stack of that release")
    numbers = [number(each.name) for each in released]
    if numbers != sorted(set(numbers), reverse=True):
        found.append("CHANGELOG.md: versions must go down, each once")
    last = released[0].name if released else "0.0.0"
    coming = version.removesuffix(".dev0")
    if coming == version:
        if version != last:
            found.append(f"the number is {version}, the last section of CHANGELOG.md is [{last}]: `make release` it")
        if unreleased.text:
            found.append(f"what is not in {version} needs another number: the next one with .dev0 in {_NUMBER}")
    elif number(coming) <= number(last):
        found.append(f"the number is {version}, and {last} is released: write the next one with .dev0 in {_NUMBER}")
    return found


def previous(fixtures: Sequence[Path], version: str) -> Path:
    """Return the newest fixture before `version`, from which a test upgrades."""
    before = [path for path in fixtures if number(path.stem) < number(version.removesuffix(".dev0"))]
    return max(before, key=lambda path: number(path.stem))


def turned(changelog: str, version: str, date: str) -> str:
    """Return the CHANGELOG with its unreleased section turned into that of `version`.

    Raises:
        DeliveryError: there is nothing to release, or it was released already.
    """
    unreleased, *released = sections(changelog)
    if any(number(each.name) >= number(version) for each in released):
        raise DeliveryError(f"version: must be after {released[0].name}, which is released, got {version}")
    if not unreleased.text:
        raise DeliveryError(f"CHANGELOG.md: [{_UNRELEASED}] is empty: there is nothing to release")
    heading = f"## [{_UNRELEASED}]\n"
    return changelog.replace(heading, f"{heading}\n## [{version}] - {date}\n", 1)


def fixture(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a synthesized stack as a fixture: without comments, backend and provisioners.

    Commands belong to the code of their time. So do the packages of functions: what they are called stays, and whoever
    applies the fixture puts something in their place.
    """
    found: dict[str, Any] = _without(body, {"//", "provisioner"})
    del found["terraform"]["backend"]
    return found


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


def main(argv: list[str], today: datetime.date) -> int:
    """``VERSION`` updates version and CHANGELOG; ``VERSION --keep NAME`` saves the environment's stack as a fixture.

    Two steps, since the number is part of every image, and its digest of the stack. Both may be done again.
    """
    parser = argparse.ArgumentParser(prog="python -m delivery.release", description="Prepare a release.")
    parser.add_argument("version")
    parser.add_argument("--keep", metavar="NAME", help="save this environment's synthesized stack as a fixture")
    options = parser.parse_args(argv)
    version: str = options.version

    def step() -> int:
        number(version)
        if options.keep is None:
            _turn(version, today)
        else:
            _keep(Stack(Path.cwd(), options.keep), version)
        return 0

    return ending(step)


def _turn(version: str, today: datetime.date) -> None:
    package = _NUMBER.read_text(encoding="utf-8")
    if f'"{version}"' in package:
        return
    changelog = turned(_CHANGELOG.read_text(encoding="utf-8"), version, today.isoformat())
    _CHANGELOG.write_text(changelog, encoding="utf-8")
    _NUMBER.write_text(re.sub(r'(__version__ = )"[^"]*"', rf'\1"{version}"', package), encoding="utf-8")
    print(f"{_CHANGELOG}, {_NUMBER}: {version}")


def _keep(stack: Stack, version: str) -> None:
    body, path = fixture(stack.body), FIXTURES / f"{version}.json"
    path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{path}: {sum(map(len, body['resource'].values()))} resources. Look at `git diff`, run the tests, and then:")
    print(f"  git add {_CHANGELOG} {_NUMBER} {path} && git commit -m 'Release {version}'")
    print(f"  git tag -a v{version} -m 'dropbatch {version}'")
    print(f"  git push --follow-tags; the next change begins with the next number and .dev0 in {_NUMBER}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], datetime.datetime.now(datetime.UTC).date()))
