"""``--json`` output of every command: its shape is guaranteed, kept in snapshots, and described in docs/commands.md.

After an intended change: ``pytest tests/cli/test_json.py --snapshot-update``, and update docs/commands.md.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from syrupy.assertion import SnapshotAssertion

from checks.reference.commands import walk
from dropbatch.cli import errors, runs, waiting
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.main import _INTERRUPTED, cli
from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, REGION, World, a_file
from tests.cli.deployment_content import done as done_with_pins
from tests.cli.deployment_content import spend
from tests.cli.stub_functions import Functions

ROOT = Path(__file__).parents[2]
PROSE = {"completion", "demo", "demo-down", "sandbox", "sandbox down", "sandbox exec", "sandbox invoke"}
"""Commands whose output is not JSON, or always JSON."""

COMMANDS = {" ".join(names[1:]): command for names, command in walk(cli, ("dropbatch",)) if len(names) > 1}

CALLS: dict[str, Callable[[World, Path], list[str]]] = {
    "drop": lambda world, tmp: ["drop", str(a_file(tmp))],
    "drop --wait": lambda world, tmp: ["drop", str(a_file(tmp)), "--wait"],
    "submit": lambda world, tmp: ["submit", "--inputs", "inputs/1.txt", "--param", "k=1,2", "--yes"],
    "submit --dry-run": lambda world, tmp: ["submit", "--missing", "--dry-run"],
    "rerun": lambda world, tmp: ["rerun", done(world), "--yes"],
    "rerun --wait": lambda world, tmp: ["rerun", done(world), "--yes", "--wait"],
    "retry": lambda world, tmp: ["retry", world.item(State.FAILED)["run_id"], "--yes"],
    "retry --dead-letters": lambda world, tmp: ["retry", "--dead-letters", "--yes"],
    "reproduce": lambda world, tmp: ["reproduce", reproducible(world), "--yes"],
    "reproduce --with": lambda world, tmp: ["reproduce", reproducible(world), "--with", reproducible(world)],
    "cancel": lambda world, tmp: ["cancel", world.item(State.HELD)["run_id"], "--yes"],
    "status": lambda world, tmp: ["status"],
    "show": lambda world, tmp: ["show", done(world)],
    "logs": lambda world, tmp: ["logs", done(world)],
    "logs -f": lambda world, tmp: ["logs", done(world), "-f"],
    "fetch": lambda world, tmp: ["fetch", done(world), str(tmp)],
    "tree": lambda world, tmp: ["tree", "--inputs"],
    "export": lambda world, tmp: ["export", done(world), "--ro-crate", str(tmp)],
    "report": lambda world, tmp: ["report"],
    "cost": lambda world, tmp: ["cost"],
    "cost --by group": lambda world, tmp: ["cost", "--by", "group"],
    "invite": lambda world, tmp: ["invite", "anna", "--replace"],
    "pause": lambda world, tmp: ["pause", "--yes"],
    "resume": lambda world, tmp: ["resume", "--yes"],
    "init": lambda world, tmp: ["init", "--pipeline", "align", "--directory", str(tmp)],
    "doctor": lambda world, tmp: ["doctor"],
    "sandbox up": lambda world, tmp: ["sandbox", "up"],
    "sandbox status": lambda world, tmp: ["sandbox", "status"],
    "sandbox env": lambda world, tmp: ["sandbox", "env"],
    "sandbox fault": lambda world, tmp: ["sandbox", "fault"],
    "sandbox clock": lambda world, tmp: ["sandbox", "clock"],
    "sandbox grants": lambda world, tmp: ["sandbox", "grants", "--role", "some-role"],
    "sandbox grants --used": lambda world, tmp: ["sandbox", "grants", "--used", "--role", "some-role"],
}


def done(world: World) -> str:
    """A run that succeeded."""
    at = {"started_at": "2026-01-02T03:04:05.000Z", "stopped_at": "2026-01-02T03:04:06.000Z"}
    usage = {"vcpu_ms": 1000, "mib_ms": 512_000, "micro_usd": 5}
    more: dict[str, Any] = {"usage": usage, "pool": "spot", "tries": 1, "version_id": "v1", "parameters": {}}
    found: str = world.done({"counts.txt": b"2"}, **more, **at)["run_id"]
    return found


def shape(value: Any) -> Any:
    """Return names and types; of a list, one entry of each kind."""
    match value:
        case dict():
            return {name: shape(each) for name, each in sorted(value.items())}
        case list():
            kinds = {json.dumps(shape(each), sort_keys=True): shape(each) for each in value}
            return [kinds[name] for name in sorted(kinds)]
    return type(value).__name__


def reproducible(world: World) -> str:
    """A run whose record pins its inputs."""
    found: str = done_with_pins(world, {"counts.txt": b"2"})["run_id"]
    return found


@pytest.fixture
def everything(world: World, iam: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """A deployment for every command: functions answer at once, and followed runs have ended."""
    world.s3.put_object(Bucket=INPUT, Key="lab/inputs/1.txt", Body=b"x")
    spend(world, "wordcount", "r-1", vcpu_ms=3_600_000, mib_ms=0, micro_usd=40_000)
    monkeypatch.setattr(Deployed, "functions", Functions())

    def ended(_: Deployed, __: str, names: Mapping[str, str], *___: Any, **____: Any) -> dict[str, runs.Run]:
        return {name: runs.read_item(world.done({"counts.txt": b"2"}, identity=name)) for name in names}

    monkeypatch.setattr(waiting, "wait_for", ended)
    return world


@pytest.fixture
def a_right(world: World, iam: Any) -> Iterator[None]:
    """A role with one used and one unused right."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    policy = [json.dumps({"Version": "2012-10-17", "Statement": [each]}) for each in (trust, rights)]
    role = iam.create_role(RoleName="some-role", AssumeRolePolicyDocument=policy[0])["Role"]
    iam.put_role_policy(RoleName="some-role", PolicyName="p", PolicyDocument=policy[1])
    url = world.sandbox.environ()["AWS_ENDPOINT_URL"]
    taken = world.session.client("sts", endpoint_url=url).assume_role(RoleArn=role["Arn"], RoleSessionName="me")
    key = taken["Credentials"]
    make: Any = boto3.Session
    session = make(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"], region_name=REGION)
    session.client("s3", endpoint_url=url).list_objects_v2(Bucket=INPUT)
    yield
    iam.delete_role_policy(RoleName="some-role", PolicyName="p")
    iam.delete_role(RoleName="some-role")


@pytest.mark.usefixtures("a_right")
def test_json_output_has_its_documented_shape(everything: World, tmp_path: Path, snapshot: SnapshotAssertion):
    told = documented()
    for name, call in CALLS.items():
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()

        result = everything.call(*call(everything, folder), "--json")

        assert result.exit_code in {0, 1}, f"{name}: {result.output}"
        assert result.stdout, f"{name}: {result.stderr} {result.exception!r}"
        value = json.loads(result.stdout)
        assert shape(value) == snapshot(name=name)
        assert value or name == "sandbox fault", f"{name} has an empty answer, which shows nothing"
        if name not in {"show", "sandbox env"}:  # names of attributes and variables are data there
            assert names_in(value) - told[name.partition(" -")[0]] == set(), f"{name}: docs/commands.md lacks these"


def names_in(value: Any) -> set[str]:
    """Return the names of all fields at any depth; names that are states, or in the body of a request, are data."""
    match value:
        case dict():
            deeper = (each for name, each in value.items() if name not in {"counts", "jobs", "body"})
            return set(value) | set().union(*map(names_in, deeper))
        case list():
            return set().union(*map(names_in, value))
    return set()


def documented() -> dict[str, set[str]]:
    """Return the words in the row of each command in docs/commands.md."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    ended = re.search(r"^`ended` is .*$", text, re.MULTILINE)
    assert ended is not None
    found: dict[str, set[str]] = {}
    for first, rest in re.findall(r"^\| (`.*?) \| (.*) \|$", text, re.MULTILINE):
        for command in re.findall(r"`([a-z -]+)`", first):
            words = re.findall(r"\w+", rest + (ended[0] if "`ended`" in rest else ""))
            found.setdefault(command.partition(" --")[0], set()).update(words)
    return found


def test_every_command_has_json_and_a_test_of_it():
    tested = {name.partition(" -")[0] for name in CALLS}

    with_json = {name for name, command in COMMANDS.items() if any("--json" in each.opts for each in command.params)}

    assert with_json | PROSE == set(COMMANDS)
    assert tested == with_json


def test_every_shape_is_documented():
    assert set(COMMANDS) - PROSE - set(documented()) == set()


def test_every_exit_code_is_documented():
    told = set(map(int, re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "commands.md").read_text("utf-8"), re.MULTILINE)))
    classes = [errors.CliError]
    for each in classes:
        classes += each.__subclasses__()

    assert told == {0, _INTERRUPTED} | {each.exit_code for each in classes}
