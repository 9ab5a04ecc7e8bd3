"""The steps of the demo: start the sandbox, deploy, drop a file, wait for the result, take everything down."""

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
    """The dropped file and its result."""

    file: Path
    dropped: uploads.Dropped
    record: dict[str, Any]
    record_uri: str
    result_head: list[str]
    seconds: float
    """From the start of the upload until the result was read."""
    mail: Path
    """Directory of the mails. The mail about this drop is written when the mail window ends."""


def choose_file(named: Path | None, root: Path) -> Path:
    """Return the file to drop: the named one, else a text file that most machines have.

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


def bring_up(root: Path, sandbox: "Sandbox", reporter: Reporter) -> Deployed:
    """Start the sandbox and deploy the checkout to it, unless that is done already."""
    endpoint = sandbox.up(reporter.now)
    reporter.say(f"sandbox at {endpoint.url}")
    sandbox_stack.deploy(root, sandbox, reporter)
    return Deployed(choose(SANDBOX))


def starter(root: Path) -> str:
    """Return the first pipeline of the sandbox's environment file that accepts any file.

    Raises:
        UsageFault: there is none.
    """
    for name, pipeline in load(root / "environments" / f"{SANDBOX}.toml").pipeline.items():
        if pipeline.trigger == "file" and not pipeline.suffixes and pipeline.after is None:
            return name
    raise UsageFault(
        f"environments/{SANDBOX}.toml has no pipeline that accepts any file: drop a file with `dropbatch drop`"
    )


def run(deployed: Deployed, sandbox: "Sandbox", file: Path, pipeline: str, reporter: Reporter) -> Outcome:
    """Drop the file, follow its run and read the result.

    Raises:
        RunFailedError: the run did not succeed.
        CliError: the run's state did not change for three minutes.
    """
    description = deployed.description
    group = description.groups[0]
    (planned,) = uploads.plan([file], group=group, pipeline=pipeline)
    reporter.say(f"dropping {file}")
    begun, dropped_at = time.monotonic(), datetime.now(UTC)
    dropped = uploads.drop(deployed, planned)
    reporter.say(f"{_since(begun)}  {'uploaded':<9}  {printable(dropped.uri)}")

    seen: set[State] = set()

    def moved(run: runs.Run) -> None:
        seen.add(run.state)
        if run.state.final and State.RUNNING not in seen and run.started_at:
            # The run started and ended between two polls; the ledger has the start time.
            started = (datetime.fromisoformat(run.started_at) - dropped_at).total_seconds()
            reporter.say(f"{_since(begun)}  {State.RUNNING:<9}  {run.run_id}  since {duration(max(started, 0))}")
        reporter.say(f"{_since(begun)}  {run.state:<9}  {run.run_id}")

    def waiting(seconds: float) -> None:
        reporter.now("waiting for the run")
        if seconds > _STUCK_SECONDS:
            raise CliError(f"no progress for {seconds:.0f} s: see {sandbox.layout.log}")

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


def take_down(root: Path, sandbox: "Sandbox", reporter: Reporter) -> None:
    """Destroy with Terraform what the demo deployed, stop the sandbox and remove its directory."""
    if not sandbox.layout.directory.exists():
        reporter.say("there is no sandbox here: nothing to destroy")
        return
    if sandbox.layout.terraform.exists():
        sandbox.up(reporter.now)
        sandbox_stack.destroy(root, sandbox, reporter)
        reporter.say("destroyed all deployed resources")
    sandbox.destroy_state(reporter.now)
    with contextlib.suppress(OSError):  # not empty: it holds other files
        sandbox.layout.directory.parent.rmdir()
    reporter.say("the sandbox is stopped and its directory removed")
