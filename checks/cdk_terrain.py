"""``make cdk-terrain``: move a copy of this project to CDK Terrain, the community's successor of CDK for Terraform.

The imports are rewritten, the copy is synthesized with ``cdktn`` and ``cdktn-provider-aws`` (pins: `cdk-terrain.txt`),
and what comes out is compared with what we synthesize today. Every difference is explained in `EXPECTED`; another one,
or one that is gone, fails. With ``--into FOLDER`` the moved copy is kept. See docs/adr.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.own_venv import own_venv

__all__ = ["EXPECTED", "RENAMES", "Difference", "differences", "explain", "main", "rewrite"]

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = Path(__file__).with_name("cdk-terrain.txt")
_COPIED = ("constructs_lib", "dropbatch", "environments", "image", "lambdas")
_FILES = ("main.py", "bootstrap.toml")

RENAMES = (
    # packages, in Python and in the Node process below it
    (r"\bcdktf_cdktf_provider_aws\b", "cdktn_provider_aws"),
    (r"@cdktf\b", "@cdktn"),
    (r"\bcdktf\b(?!\.out)", "cdktn"),
    # arguments: there are bindings of CDK Terrain for version 6 of the provider only
    (r"\bcompute_environment_name_prefix=", "name_prefix="),
)
"""Regular expressions and their replacements, for Python and JavaScript files."""

EXPECTED = {
    r"terraform\.required_providers\.aws\.source": "the provider's whole name, which means the same",
    r"terraform\.required_providers\.aws\.version": "bindings exist for version 6 of the provider only",
    r"resource\.aws_batch_compute_environment\.[\w-]+\.(compute_environment_)?name_prefix": (
        "version 6 of the provider calls the argument otherwise; it means the same"
    ),
}
"""Reasons of expected differences, by a regular expression for the place."""


@dataclass(frozen=True)
class Difference:
    """A place in a stack with its values before and after the migration."""

    place: str
    today: Any
    moved: Any


def rewrite(folder: Path) -> int:
    """Rewrite the project in a folder in place, and return the number of changed files."""
    count = 0
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".cjs")):
        text = old = path.read_text(encoding="utf-8")
        for pattern, new in RENAMES:
            text = re.sub(pattern, new, text)
        if text != old:
            path.write_text(text, encoding="utf-8")
            count += 1
    return count


def differences(today: Mapping[str, Any], moved: Mapping[str, Any]) -> list[Difference]:
    """Return the differences between two synthesized stacks, except the synthesizers' metadata."""
    one, other = dict(_places(today)), dict(_places(moved))
    return [
        Difference(place, one.get(place), other.get(place))
        for place in sorted(one.keys() | other.keys())
        if one.get(place) != other.get(place)
    ]


def _places(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, each in value.items():
            if name != "//":
                yield from _places(each, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from _places(each, f"{place}.{number}")
    else:
        yield place, value


def explain(place: str) -> str | None:
    """Return the reason for an expected difference, or None."""
    return next((why for pattern, why in EXPECTED.items() if re.fullmatch(pattern, place)), None)


def main(argv: list[str]) -> int:
    """Run with arguments ``[--into FOLDER]``; return 1 for unexpected or missing differences."""
    parser = argparse.ArgumentParser(prog="python -m checks.cdk_terrain", description="Rehearse the move.")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="keep the moved copy here")
    into: Path | None = parser.parse_args(argv).into
    moved_python = own_venv("cdk-terrain", REQUIREMENTS) / "python"
    with tempfile.TemporaryDirectory(prefix="dropbatch-cdk-terrain-") as scratch:
        copy = Path(scratch) / "copy"
        for folder in _COPIED:
            shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file in _FILES:
            shutil.copy(ROOT / file, copy / file)
        print(f"rewritten: {rewrite(copy)} files")
        today = _synthesize(Path(sys.executable), ROOT, Path(scratch) / "today")
        moved = _synthesize(moved_python, copy, Path(scratch) / "moved")
        if into is not None:
            shutil.copytree(copy, into)
    if today.keys() != moved.keys():
        print(f"error: stacks are {sorted(moved)}, were {sorted(today)}", file=sys.stderr)
        return 1
    found = [(name, each) for name in today for each in differences(today[name], moved[name])]
    for name, each in found:
        print(f"{name}: {each.place}: {each.today!r} becomes {each.moved!r}: {explain(each.place) or 'NOT EXPLAINED'}")
    unknown = [each for _, each in found if explain(each.place) is None]
    unneeded = [why for why in EXPECTED.values() if why not in {explain(each.place) for _, each in found}]
    for why in unneeded:
        print(f"error: explanation without a difference: {why}: remove it", file=sys.stderr)
    print(f"{len(today)} stacks, {len(found)} differences, {len(unknown)} of them not explained")
    return 1 if unknown or unneeded else 0


def _synthesize(python: Path, project: Path, outdir: Path) -> dict[str, dict[str, Any]]:
    environ = {**os.environ, "CDKTF_OUTDIR": str(outdir), "PYTHONPATH": str(project)}
    subprocess.run([str(python), str(project / "main.py")], cwd=project, env=environ, check=True)
    return {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(outdir.glob("stacks/*/cdk.tf.json"))
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
