"""Output on a terminal of 80 and of 200 columns; in a pipe there is neither colour nor truncation.

After an intended change: ``pytest tests/cli/test_terminal_output.py --snapshot-update``, then read the difference.
"""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, World
from tests.cli.deployment_content import spend

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


def test_output_is_formatted_for_a_terminal_and_plain_in_a_pipe(
    lab: World, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
):
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
    """Return the text without its times and ids."""
    text = re.sub(r"\d min ago", "N min ago", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z, N min ago", "<moment>, N min ago", text)
    return re.sub(r"20\d\d-\d\d(?=  )", "<month>", text)


def test_a_narrow_terminal_shows_the_run_and_its_state(lab: World, monkeypatch: pytest.MonkeyPatch):
    for variable, value in (("TTY_COMPATIBLE", "1"), ("COLUMNS", "40"), ("LINES", "20"), ("TERM", "xterm")):
        monkeypatch.setenv(variable, value)

    text = click.unstyle(lab.call("status").stdout)

    assert "r-aaaaaaaaaa" in text
    assert "SUCCEEDED" in text


TALK = """
from dropbatch.cli.text import reporting
with reporting() as reporter:
    reporter.now("uploading")
    reporter.data("s3://one")
    reporter.now("following")
    reporter.say("a line that stays")
    reporter.data("s3://two")
"""


def on_a_terminal(**more: int) -> str:
    """Return what a program writes to a terminal."""
    here, there = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", TALK], **{"stdout": there, "stderr": there, **more}):  # type: ignore[call-overload]
        os.close(there)
        told = b""
        try:
            while part := os.read(here, 4096):
                told += part
        except OSError:  # on Linux, the end of a terminal
            pass
    os.close(here)
    return told.decode()


def test_a_progress_line_is_cleared_before_data():
    told = on_a_terminal()

    for uri in ("s3://one", "s3://two"):
        before, _, after = told.partition(uri)
        assert re.search(r"\x1b\[2K(\x1b\[\?25h)?$", before), repr(before)  # the line was erased, the cursor is back
        assert after.startswith("\r\n")
    assert "uploading" in told
    assert "a line that stays" in told


def test_data_goes_to_its_file_during_a_progress_line(tmp_path: Path):
    with (tmp_path / "uris.txt").open("wb") as file:
        told = on_a_terminal(stdout=file.fileno())

    assert (tmp_path / "uris.txt").read_text() == "s3://one\ns3://two\n"
    assert "s3://" not in told
    assert "following" in told
