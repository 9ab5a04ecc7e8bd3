"""Stacks of settings given by a test, and the differences between them."""

import re
import tempfile
from pathlib import Path
from typing import Any

from constructs_lib.assets import build_assets
from dropbatch.settings import Settings, load
from tests.constructs_lib.synthesis import Stack
from tests.project import ROOT

BASE = """
[environment]
name = "lab1"
region = "eu-central-1"

[budget]
monthly_usd = 10

[compute.spot]
kind = "spot"
max_vcpus = 8

[compute.other]
kind = "on_demand"
max_vcpus = 8

[pipeline.count]
image = "quay.io/lab/count:1"
command = ["count", "{input}"]
pools = ["spot"]

[pipeline.other]
image = "image/wordcount"
command = ["wordcount", "{input}"]
pools = ["spot"]
"""


def settings_of(text: str, name: str = "lab1") -> Settings:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        return load(file)


def stack_of(text: str, name: str = "lab1") -> Stack:
    """Return the Terraform of an environment file's text, synthesized in this process."""
    import json  # noqa: PLC0415

    from cdktf import Testing  # noqa: PLC0415

    from constructs_lib.stack import DropbatchStack, DropbatchStackProps  # noqa: PLC0415

    settings = settings_of(text, name)
    with tempfile.TemporaryDirectory() as folder:
        assets = build_assets(ROOT, settings, Path(folder))
        stack = DropbatchStack(Testing.app(), settings.name, DropbatchStackProps(settings=settings, assets=assets))
        return Stack(json.loads(Testing.synth(stack)))


def resources_of(stack: Stack) -> dict[str, Any]:
    """Return everything that a plan would compare, by ``type:Construct_Path`` without hashes."""
    found: dict[str, Any] = {}
    for type_, resources in stack.body["resource"].items():
        for id_, body in resources.items():
            found[f"{type_}:{re.sub('_[0-9A-F]{8}$', '', id_)}"] = {
                name: value for name, value in body.items() if name not in ("//", "depends_on")
            }
    found |= {f"removed:{each['from']}": each for each in stack.body.get("removed", [])}
    for kind in ("variable", "output", "terraform", "provider", "data"):
        for name, body in stack.body.get(kind, {}).items():
            found[f"{kind}:{name}"] = body
    return found


def difference(one: Stack, other: Stack) -> set[str]:
    before, after = resources_of(one), resources_of(other)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
