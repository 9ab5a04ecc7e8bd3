"""``--json`` of every command: its shape is a promise, kept here as snapshots, and told in docs/commands.md.

After a change that is meant: ``pytest tests/cli/test_json.py --snapshot-update``, and mend docs/commands.md.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from syrupy.assertion import SnapshotAssertion

from checks.reference.commands import walk
from dropbatch.cli.main import cli
from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, World, a_file
from tests.cli.test_cost import spend

ROOT = Path(__file__).parents[2]
PROSE = {"completion", "demo", "demo-down", "sandbox", "sandbox down", "sandbox exec", "sandbox invoke"}
"""Commands that print what is no JSON, or always do."""

COMMANDS = {" ".join(names[1:]): command for names, command in walk(cli, ("dropbatch",)) if len(names) > 1}

CALLS: dict[str, Callable[[World, Path], list[str]]] = {
    "drop": lambda world, tmp: ["drop", str(a_file(tmp))],
    "submit": lambda world, tmp: ["submit", "--inputs", "inputs/1.txt", "--param", "k=1,2", "--yes"],
    "submit --dry-run": lambda world, tmp: ["submit", "--missing", "--dry-run"],
    "rerun": lambda world, tmp: ["rerun", done(world), "--yes"],
    "retry": lambda world, tmp: ["retry", world.item(State.FAILED)["run_id"], "--yes"],
    "cancel": lambda world, tmp: ["cancel", world.item(State.HELD)["run_id"], "--yes"],
    "status": lambda world, tmp: ["status"],
    "show": lambda world, tmp: ["show", done(world)],
    "logs": lambda world, tmp: ["logs", done(world)],
    "fetch": lambda world, tmp: ["fetch", done(world), str(tmp)],
    "tree": lambda world, tmp: ["tree", "--inputs"],
    "report": lambda world, tmp: ["report"],
    "cost": lambda world, tmp: ["cost"],
    "cost --by group": lambda world, tmp: ["cost", "--by", "group"],
    "init": lambda world, tmp: ["init", "--pipeline", "align", "--directory", str(tmp)],
    "doctor": lambda world, tmp: ["doctor"],
    "sandbox up": lambda world, tmp: ["sandbox", "up"],
    "sandbox status": lambda world, tmp: ["sandbox", "status"],
    "sandbox env": lambda world, tmp: ["sandbox", "env"],
    "sandbox fault": lambda world, tmp: ["sandbox", "fault"],
    "sandbox clock": lambda world, tmp: ["sandbox", "clock"],
}
ELSEWHERE = {"invite", "pause", "resume", "reproduce", "export", "sandbox grants"}
"""Commands whose JSON their own tests look at, for it takes more than this world has."""


def done(world: World) -> str:
    """A run that succeeded."""
    at = {"started_at": "2026-01-02T03:04:05.000Z", "stopped_at": "2026-01-02T03:04:06.000Z"}
    usage = {"vcpu_ms": 1000, "mib_ms": 512_000, "micro_usd": 5}
    found: str = world.done({"counts.txt": b"2"}, usage=usage, pool="spot", tries=1, **at)["run_id"]
    return found


def shape(value: Any) -> Any:
    """Names and types: of lists, one entry of each kind that there is."""
    match value:
        case dict():
            return {name: shape(each) for name, each in sorted(value.items())}
        case list():
            kinds = {json.dumps(shape(each), sort_keys=True): shape(each) for each in value}
            return [kinds[name] for name in sorted(kinds)]
    return type(value).__name__


def test_shapes(world: World, tmp_path: Path, snapshot: SnapshotAssertion):
    world.s3.put_object(Bucket=INPUT, Key="lab/inputs/1.txt", Body=b"x")
    spend(world, "wordcount", "r-1", vcpu_ms=3_600_000, mib_ms=0, micro_usd=40_000)
    for name, call in CALLS.items():
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()

        result = world.call(*call(world, folder), "--json")

        assert result.exit_code in {0, 1}, f"{name}: {result.output}"
        assert shape(json.loads(result.stdout)) == snapshot(name=name)


def test_every_command_has_json_and_a_test_of_it():
    tested = {name.partition(" --")[0] for name in CALLS} | ELSEWHERE

    with_json = {name for name, command in COMMANDS.items() if any("--json" in each.opts for each in command.params)}

    assert with_json | PROSE == set(COMMANDS)
    assert with_json - tested == set()


def test_every_shape_is_documented():
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    told = {
        name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([a-z -]+)`", row)
    }

    assert set(COMMANDS) - PROSE - told == set()
    for name, code in (("CredentialsError", 4), ("DifferentError", 6)):
        assert f"| {code} |" in text, name


def test_every_command_has_a_runnable_example():
    for name, command in COMMANDS.items():
        example = (command.epilog or "").partition("Example")[2]
        lines = [line.strip() for line in example.splitlines() if "dropbatch" in line]
        assert any(f"dropbatch {name}" in line for line in lines), f"{name} has no example of itself"
