"""``make aws-acceptance``: the main promises, tried on a real account, and a dated report of it.

Bootstrap, deploy, drop, a spot machine taken away, pause and resume, reproduce, cost, destroy: on small machines, for
minutes each. Inside ``dropbatch sandbox exec -- …`` the same is tried against the sandbox, as far as that goes; the
report says so.
"""

import argparse
import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.commit import commit_of
from delivery.errors import DeliveryError
from delivery.machines import take_away
from delivery.rehearsal import OUTDIR
from dropbatch import __version__

__all__ = ["STEPS", "Acceptance", "Step", "main", "report"]

ENVIRONMENT = "acceptance"
_FILE = Path("environments") / f"{ENVIRONMENT}.toml"
_TEMPLATE = Path(__file__).with_suffix(".toml")
_PATIENCE = 1800.0
"""Seconds for what waits for machines."""


@dataclass(kw_only=True)
class Step:
    """One promise and how it went."""

    name: str
    outcome: str
    """``held``, ``failed``, or ``not tried`` after a failure that it depends on."""
    seconds: float
    found: str
    """What was seen, or what went wrong."""


@dataclass(kw_only=True)
class Acceptance:
    """What the steps know of each other."""

    env: Mapping[str, str]
    region: str
    run: str = ""
    """The first run, to be reproduced."""

    @property
    def sandbox(self) -> bool:
        """Whether AWS is the sandbox."""
        return bool(self.env.get("DROPBATCH_SANDBOX_DIR"))

    def call(self, *command: str, accept: Sequence[int] = (0,)) -> str:
        """Run a command in the project's folder; returns its standard output."""
        done = subprocess.run(
            command, env=dict(self.env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode not in accept:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-8:]
            raise DeliveryError(f"`{' '.join(command)}` ended with exit code {done.returncode}: {' / '.join(last)}")
        return done.stdout

    def dropbatch(self, *arguments: str) -> str:
        """The command that people use."""
        return self.call(sys.executable, "-m", "dropbatch.cli", "--env", ENVIRONMENT, *arguments)

    def cdktf(self, command: str, stack: str) -> str:
        """``npx cdktf``; against the sandbox with what is different about it."""
        app = ("--app", f"{sys.executable} -m delivery.rehearsal", "--output", OUTDIR, "--skip-provider-lock")
        return self.call("npx", "cdktf", command, stack, "--auto-approve", *(app if self.sandbox else ()))

    def drop(self, pipeline: str, *options: str) -> str:
        """Drop a new file; returns its run's id."""
        name = f"acceptance-{time.time_ns()}.txt"
        folder = Path("build/acceptance")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("one two three\n", encoding="utf-8")
        self.dropbatch("drop", str(folder / name), "--pipeline", pipeline, *options)
        (folder / name).unlink()
        return str(self.until(lambda: self._find(name), f"the run of {name}", 120)["run_id"])

    def item(self, run: str) -> dict[str, Any]:
        """The ledger's item of a run."""
        found: dict[str, Any] = json.loads(self.dropbatch("show", run))["run"]
        return found

    def _find(self, name: str) -> dict[str, Any] | None:
        with contextlib.suppress(DeliveryError):
            return self.item(name)
        return None

    def until(self, found: Callable[[], Any], what: str, seconds: float = _PATIENCE) -> Any:
        """What `found` gives once it gives something."""
        deadline = time.monotonic() + seconds
        while not (value := found()):
            if time.monotonic() > deadline:
                raise DeliveryError(f"waited {seconds:.0f} s for {what}")
            time.sleep(1 if self.sandbox else 10)
        return value


def bootstrap(this: Acceptance) -> str:
    """The account has what it needs once."""
    this.cdktf("deploy", "bootstrap")
    return "state bucket and service-linked roles are there"


def deploy(this: Acceptance) -> str:
    """The environment is deployed, and deploying it again changes nothing."""
    this.cdktf("deploy", ENVIRONMENT)
    terraform = ("terraform", f"-chdir={OUTDIR if this.sandbox else 'cdktf.out'}/stacks/{ENVIRONMENT}")
    this.call(*terraform, "plan", "-input=false", "-no-color", "-lock=false", "-detailed-exitcode")
    return "applied; a second plan is empty"


def drop(this: Acceptance) -> str:
    """A file becomes a result."""
    results = Path("build/acceptance/results")
    this.run = this.drop("wordcount", "--wait", "--fetch", str(results))
    item = this.item(this.run)
    counts = next(results.rglob("counts.txt")).read_text(encoding="utf-8")
    shutil.rmtree(results)
    if item["state"] != "SUCCEEDED" or "3" not in counts:
        raise DeliveryError(f"{this.run} is {item['state']}, and counted {counts!r}")
    return f"{this.run} on pool {item['pool']}, log, record and counts came back"


def spot_rescue(this: Acceptance) -> str:
    """A run whose machine is taken away is finished by another."""
    run = this.drop("slow")
    this.until(lambda: this.item(run)["state"] == "RUNNING", f"{run} to run")
    lost = take_away(this.item(run), region=this.region, env=this.env)
    this.until(lambda: this.item(run)["state"] in ("SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"), f"{run} to end")
    item = this.item(run)
    causes = [each["cause"] for each in item.get("earlier", [])]
    if item["state"] != "SUCCEEDED" or "reclaimed" not in causes:
        raise DeliveryError(f"{run} is {item['state']} after {causes}, {item.get('reason', 'no reason given')}")
    return f"{lost} was taken away; {run} was finished on pool {item['pool']}, attempt {item['attempt']}"


def pause_and_resume(this: Acceptance) -> str:
    """What is dropped during a pause waits, and is done after it."""
    this.dropbatch("pause", "--yes")
    try:
        run = this.drop("wordcount")
        this.until(lambda: this.item(run)["state"] == "HELD", f"{run} to be held", 120)
    finally:
        this.dropbatch("resume", "--yes")
    this.until(lambda: this.item(run)["state"] == "SUCCEEDED", f"{run} to succeed")
    return f"{run} was held, and succeeded after the pause"


def reproduce(this: Acceptance) -> str:
    """A run made again gives the same, file by file."""
    said = this.dropbatch("reproduce", this.run, "--wait", "--yes", "--json")
    return f"{this.run}: {' '.join(said.split())[:200]}"


def cost(this: Acceptance) -> str:
    """What was used is told."""
    rows = json.loads(this.dropbatch("cost", "--json"))
    if not rows:
        raise DeliveryError("cost: no row, though runs have ended")
    return f"{len(rows)} rows: {json.dumps(rows)[:200]}"


def destroy(this: Acceptance) -> str:
    """Nothing is left."""
    this.cdktf("destroy", ENVIRONMENT)
    query = ("--query", "jobQueues[].jobQueueName", "--output", "json", "--region", this.region)
    listed = this.call("aws", "batch", "describe-job-queues", *query)
    left = [name for name in json.loads(listed) if f"-{ENVIRONMENT}-" in name]
    if left:
        raise DeliveryError(f"left after destroy: {', '.join(left)}")
    return "destroyed; no job queue of it is left"


STEPS: dict[str, tuple[Callable[[Acceptance], str], Sequence[str]]] = {
    "bootstrap": (bootstrap, ()),
    "deploy": (deploy, ("bootstrap",)),
    "drop": (drop, ("deploy",)),
    "spot rescue": (spot_rescue, ("deploy",)),
    "pause and resume": (pause_and_resume, ("deploy",)),
    "reproduce": (reproduce, ("drop",)),
    "cost": (cost, ("drop",)),
    "destroy": (destroy, ()),
}
"""Each with those that must have held before."""


def go(this: Acceptance) -> Iterator[Step]:
    """Try all; destroy whatever happened. After a Ctrl-C nothing more is tried, and all is destroyed too."""
    held: set[str] = set()
    interrupted = False
    for name, (step, before) in STEPS.items():
        print(f"{name} …", flush=True)
        began = time.monotonic()
        try:
            missing = [f"needs {each}" for each in before if each not in held]
            missing += ["interrupted"] if interrupted and name != "destroy" else []
            found = ", ".join(missing) or step(this)
            outcome = "not tried" if missing else "held"
        except KeyboardInterrupt:
            interrupted, outcome, found = True, "failed", "interrupted"
        except (DeliveryError, OSError, KeyError, StopIteration, ValueError) as error:
            outcome, found = "failed", f"{type(error).__name__}: {error}" if not str(error) else str(error)
        if outcome == "held":
            held.add(name)
        print(f"  {outcome}: {found}", flush=True)
        yield Step(name=name, outcome=outcome, seconds=time.monotonic() - began, found=found)


def report(steps: Sequence[Step], *, target: str, commit: str, when: datetime.datetime) -> str:
    """The steps as a page."""
    held = sum(each.outcome == "held" for each in steps)
    rows = [f"| {each.name} | {each.outcome} | {each.seconds:.0f} | {_cell(each.found)} |" for each in steps]
    return "\n".join(
        [
            f"# Acceptance on {target}, {when:%Y-%m-%d %H:%M} UTC",
            "",
            f"dropbatch {__version__}, commit {commit}. {held} of {len(steps)} held.",
            "",
            "| step | outcome | seconds | what was seen |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """``[--region R]``; returns 1 unless all held."""
    parser = argparse.ArgumentParser(prog="python -m delivery.acceptance", description="Try the main promises.")
    parser.add_argument("--region", default="eu-central-1")
    region: str = parser.parse_args(argv).region
    if _FILE.exists():
        print(
            f"error: {_FILE} exists: is another acceptance under way? destroy it and remove the file", file=sys.stderr
        )
        return 1
    this = Acceptance(env=env, region=region)
    when = datetime.datetime.now(datetime.UTC)
    text = _TEMPLATE.read_text(encoding="utf-8").replace("eu-central-1", region)
    _FILE.write_text(text, encoding="utf-8")
    steps = list(go(this))
    if steps[-1].outcome == "held":
        # Else it is what `cdktf destroy` needs once more.
        _FILE.unlink()
    target = "the sandbox" if this.sandbox else f"AWS, {region}"
    page = report(steps, target=target, commit=commit_of(Path.cwd(), env), when=when)
    path = Path("build/acceptance") / f"{when:%Y-%m-%d-%H%M}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    print(f"\n{page}\nreport: {path}")
    return 0 if all(each.outcome == "held" for each in steps) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
