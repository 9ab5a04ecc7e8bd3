"""The demo: a file dropped in the sandbox comes back processed. Everything a newcomer sees, in order."""

import contextlib
import sysconfig
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbatch.cli import results, runs, sandbox_stack, uploads
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.environment import SANDBOX, choose
from dropbatch.cli.errors import CliError, NotFoundError, RunFailedError, UsageFault
from dropbatch.cli.text import Reporter, duration, printable
from dropbatch.contract import keys
from dropbatch.contract.runs import State
from dropbatch.settings import load

if TYPE_CHECKING:
    from dropbatch.sandbox import Sandbox

__all__ = ["Outcome", "bring_up", "choose_file", "run", "starter", "take_down"]

_STUCK_SECONDS = 180.0
_HEAD_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the demo has to show."""

    file: Path
    dropped: uploads.Dropped
    record: dict[str, Any]
    record_uri: str
    result_head: list[str]
    seconds: float
    """From the beginning of the upload to the result in hand."""
    mail: Path
    """Where the mail about it will be, when the window of drops that it tells of has passed."""


def choose_file(named: Path | None, root: Path) -> Path:
    """The file to drop: the one named, else a real text that is on most machines.

    Raises:
        NotFoundError: the named file does not exist.
    """
    if named is not None:
        if not named.is_file():
            raise NotFoundError(f"{named} is not a file")
        return named
    candidates = (
        Path("/usr/share/common-licenses/GPL-3"),
        Path(sysconfig.get_path("stdlib"), "LICENSE.txt"),
        root / "README.md",
    )
    return next(path for path in candidates if path.is_file())


def bring_up(root: Path, sandbox: "Sandbox", voice: Reporter) -> Deployed:
    """Start the sandbox and deploy what the checkout says, as far as that is not done already."""
    endpoint = sandbox.up(voice.now)
    voice.say(f"sandbox at {endpoint.url}")
    sandbox_stack.deploy(root, sandbox, voice)
    return Deployed(choose(SANDBOX))


def starter(root: Path) -> str:
    """The first pipeline of the sandbox's environment file that any file starts.

    Raises:
        UsageFault: there is none.
    """
    for name, pipeline in load(root / "environments" / f"{SANDBOX}.toml").pipeline.items():
        if pipeline.trigger == "file" and not pipeline.suffixes and pipeline.after is None:
            return name
    raise UsageFault(
        f"environments/{SANDBOX}.toml has no pipeline that any file starts: drop one with `dropbatch drop`"
    )


def run(deployed: Deployed, sandbox: "Sandbox", file: Path, pipeline: str, voice: Reporter) -> Outcome:
    """Drop the file, watch its run, collect what came of it.

    Raises:
        RunFailedError: the run did not succeed.
        CliError: it got stuck.
    """
    description = deployed.description
    group = description.groups[0]
    (planned,) = uploads.plan([file], group=group, pipeline=pipeline)
    voice.say(f"dropping {file}")
    begun, dropped_at = time.monotonic(), datetime.now(UTC)
    dropped = uploads.drop(deployed, planned)
    voice.say(f"{_since(begun)}  {'uploaded':<9}  {printable(dropped.uri)}")

    seen: set[State] = set()

    def moved(run: runs.Run) -> None:
        seen.add(run.state)
        if run.state.final and State.RUNNING not in seen and run.started_at:
            # Over before we looked again; the ledger has the time at which it began.
            started = (datetime.fromisoformat(run.started_at) - dropped_at).total_seconds()
            voice.say(f"{_since(begun)}  {State.RUNNING:<9}  {run.run_id}  since {duration(max(started, 0))}")
        voice.say(f"{_since(begun)}  {run.state:<9}  {run.run_id}")

    def waiting(seconds: float) -> None:
        voice.now("waiting for the run")
        if seconds > _STUCK_SECONDS:
            raise CliError(f"nothing has moved for {seconds:.0f} s: see {sandbox.layout.log}")

    ended = runs.follow(deployed, group, [dropped.run_id], moved, waiting=waiting)[dropped.run_id]
    if ended.state is not State.SUCCEEDED:
        raise RunFailedError(f"{ended.run_id} {ended.state}: {ended.reason}; see `dropbatch logs {ended.run_id}`")
    record = results.read_record(deployed, ended.output_prefix)
    head = results.read_head(deployed, record, lines=_HEAD_LINES)
    seconds = time.monotonic() - begun
    return Outcome(
        file=file,
        dropped=dropped,
        record=record,
        record_uri=keys.uri(description.output_bucket, keys.record_key(ended.output_prefix)),
        result_head=head,
        seconds=seconds,
        mail=sandbox.layout.mail,
    )


def _since(begun: float) -> str:
    return f"{duration(time.monotonic() - begun):>8}"


def take_down(root: Path, sandbox: "Sandbox", voice: Reporter) -> None:
    """Destroy with Terraform what the demo deployed, stop the sandbox and remove its directory."""
    if not sandbox.layout.directory.exists():
        voice.say("there is no sandbox here, nothing to take down")
        return
    if sandbox.layout.terraform.exists():
        sandbox.up(voice.now)
        sandbox_stack.destroy(root, sandbox, voice)
        voice.say("destroyed everything that was deployed")
    sandbox.destroy_state(voice.now)
    with contextlib.suppress(OSError):  # not empty: somebody keeps something there
        sandbox.layout.directory.parent.rmdir()
    voice.say("the sandbox is stopped and its directory removed")
