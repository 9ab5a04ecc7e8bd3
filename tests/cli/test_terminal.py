"""What a person sees, at 80 and at 200 columns; and that a pipe gets neither colour nor what a terminal leaves out.

After a change that is meant: ``pytest tests/cli/test_terminal.py --snapshot-update``, then look at the difference.
"""

import re

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, World
from tests.cli.test_cost import spend

LONG = "scans/2026-02-30/patient-0042/slide-7-very-long-name-as-microscopes-write-them-0001.ome.tiff"
COMMANDS = {
    "help": ["--help"],
    "status": ["status"],
    "show": ["show", "r-aaaa"],
    "tree": ["tree", "wordcount", "--inputs"],
    "cost": ["cost"],
    "doctor": ["doctor"],
}


@pytest.fixture
def lab(world: World) -> World:
    """A lab with a run of each kind."""
    day = "2026-01-02T03:04:"
    item = world.done(
        {"counts.txt": b"2"},
        name=LONG,
        identity="r-" + "a" * 20,
        minutes_ago=5,
        pool="spot",
        started_at=f"{day}05.000Z",
        stopped_at=f"{day}17.000Z",
        parameters={"k": "1"},
    )
    world.item(State.FAILED, name="notes.txt", identity="r-" + "b" * 20, minutes_ago=90, reason="exit code 3 " * 12)
    world.item(State.HELD, name="später.txt", identity="r-" + "c" * 20, minutes_ago=3)
    for key in (LONG, "notes.txt"):
        world.s3.put_object(Bucket=INPUT, Key=f"lab/wordcount/{key}", Body=b"x" * 3000)
    spend(world, "wordcount", "r-1", vcpu_ms=3_600_000, mib_ms=0, micro_usd=40_000)
    spend(world, "a-rather-long-one", "r-2", vcpu_ms=360_000_000, mib_ms=1024 * 3_600_000_000, micro_usd=90_000_000)
    assert item["run_id"]
    return world


def test_seen_on_a_terminal_and_in_a_pipe(lab: World, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion):
    for name, command in COMMANDS.items():
        piped = lab.call(*command).stdout
        assert "\x1b" not in piped
        assert not any(line != line.rstrip() for line in piped.splitlines())
        if name == "status":
            assert LONG in piped
            assert len(piped.splitlines()) == 4

    for variable, value in (("TTY_COMPATIBLE", "1"), ("LINES", "50"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(variable, value)
    for columns in (80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        for name, command in COMMANDS.items():
            text = click.unstyle(lab.call(*command).stdout)
            lines = [line.rstrip() for line in text.splitlines()]
            if name != "status":  # reasons stand below the table, whole
                assert max(map(len, lines)) <= columns
            assert settled("\n".join(lines)) == snapshot(name=f"{name} at {columns}")


def settled(text: str) -> str:
    """Without what differs from day to day."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z, 5 min ago", "<moment>, 5 min ago", text)
    text = re.sub(r"\d min ago", "N min ago", text)
    return re.sub(r"20\d\d-\d\d(?=  )", "<month>", text)


def test_a_narrow_terminal_shows_the_run_and_its_state(lab: World, monkeypatch: pytest.MonkeyPatch):
    for variable, value in (("TTY_COMPATIBLE", "1"), ("COLUMNS", "40"), ("LINES", "20"), ("TERM", "xterm")):
        monkeypatch.setenv(variable, value)

    text = click.unstyle(lab.call("status").stdout)

    assert "r-aaaaaaaaaa" in text
    assert "SUCCEEDED" in text
