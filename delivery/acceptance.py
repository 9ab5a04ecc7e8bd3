"""``make aws-acceptance``: test the main guarantees and the assumptions about AWS on a real account, and report.

Bootstrap, deploy as the deploy role, drop, a spot machine taken away, pause and resume, reproduce, cost, then every
belief of `delivery.beliefs`, destroy: on small machines, for minutes each. Inside ``dropbatch sandbox exec -- …`` the
same is tried against the sandbox, as far as that goes; the report says so.
"""

import argparse
import datetime
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from delivery import beliefs
from delivery.account import ENVIRONMENT, FILE, Acceptance
from delivery.beliefs import Seen
from delivery.commit import commit_of
from delivery.errors import DeliveryError
from delivery.machines import take_away
from delivery.observations import watch_operators
from dropbatch import __version__

__all__ = ["STEPS", "Acceptance", "Step", "main", "report"]

_TEMPLATE = Path(__file__).with_suffix(".toml")


@dataclass(kw_only=True)
class Step:
    """Result of one step."""

    name: str
    outcome: str
    """``held``, ``failed``, or ``not tried`` because an earlier step failed."""
    seconds: float
    found: str
    """The observation, or the error."""


def bootstrap(this: Acceptance) -> str:
    """Bootstrap sets up the account."""
    this.cdktf("deploy", "bootstrap")
    return "state bucket and service-linked roles are there"


def deploy(this: Acceptance) -> str:
    """The environment is deployed, with its deploy role if there is one."""
    this.bound()
    this.as_deployer("deploy")
    watch_operators(this)
    if not this.deployer:
        return f"applied with the caller's rights: {this.no_deployer}"
    refused = f", which was refused {len(this.refusals)} calls; the caller went on" if this.refusals else ""
    return f"applied as {this.deployer}{refused}"


def drop(this: Acceptance) -> str:
    """A dropped file gives a result."""
    results = Path("build/acceptance/results")
    this.run = this.drop("wordcount", "--wait", "--fetch", str(results))
    item = this.item(this.run)
    counts = next(results.rglob("counts.txt")).read_text(encoding="utf-8")
    shutil.rmtree(results)
    if item["state"] != "SUCCEEDED" or "3" not in counts:
        raise DeliveryError(f"{this.run} is {item['state']}, and counted {counts!r}")
    return f"{this.run} on pool {item['pool']}, log, record and counts came back"


def spot_rescue(this: Acceptance) -> str:
    """A run whose machine is terminated finishes on another machine."""
    run = this.drop("slow")
    this.until(lambda: this.item(run)["state"] == "RUNNING", f"{run} to run")
    lost = take_away(this.item(run), region=this.region, env=this.env)
    item = this.ended(run)
    causes = [each["cause"] for each in item.get("earlier", [])]
    if item["state"] != "SUCCEEDED" or "reclaimed" not in causes:
        raise DeliveryError(f"{run} is {item['state']} after {causes}, {item.get('reason', 'no reason given')}")
    return f"{lost} was taken away; {run} was finished on pool {item['pool']}, attempt {item['attempt']}"


def pause_and_resume(this: Acceptance) -> str:
    """A file dropped during a pause is held, and processed after it."""
    this.dropbatch("pause", "--yes")
    try:
        run = this.drop("wordcount")
        this.until(lambda: this.item(run)["state"] == "HELD", f"{run} to be held", 120)
    finally:
        this.dropbatch("resume", "--yes")
    this.until(lambda: this.item(run)["state"] == "SUCCEEDED", f"{run} to succeed")
    return f"{run} was held, and succeeded after the pause"


def reproduce(this: Acceptance) -> str:
    """A reproduced run gives identical files."""
    said = this.dropbatch("reproduce", this.run, "--wait", "--yes", "--json")
    return f"{this.run}: {' '.join(said.split())[:200]}"


def cost(this: Acceptance) -> str:
    """The cost report counts the run."""
    rows = json.loads(this.dropbatch("cost", "--json"))
    if not rows:
        raise DeliveryError("cost: no row, though runs have ended")
    return f"{len(rows)} rows: {json.dumps(rows)[:200]}"


def destroy(this: Acceptance) -> str:
    """After destroy no resource is left, including those of the observations."""
    while this.cleanups:
        this.cleanups.pop()()
    this.as_deployer("destroy")
    queues = this.aws("batch", "describe-job-queues")["jobQueues"]
    left = [each["jobQueueName"] for each in queues if f"-{ENVIRONMENT}-" in each["jobQueueName"]]
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
"""The steps in order, each with the steps that it depends on."""


def go(this: Acceptance) -> Iterator[Step | Seen]:
    """Run all steps, and destroy the environment in every case. After Ctrl-C, skip the remaining steps and destroy."""
    held: list[str] = []
    interrupted = False
    for name, (step, before) in STEPS.items():
        if name == "destroy" and not interrupted:
            try:
                yield from beliefs.observed(this, held)
            except KeyboardInterrupt:
                interrupted = True
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
            held.append(name)
        print(f"  {outcome}: {found}", flush=True)
        yield Step(name=name, outcome=outcome, seconds=time.monotonic() - began, found=found)
    if not interrupted:
        yield from beliefs.observed(this, held, last=True)


def report(
    steps: Sequence[Step], seen: Sequence[Seen] = (), *, target: str, commit: str, when: datetime.datetime
) -> str:
    """Return the report as Markdown."""
    held = sum(each.outcome == "held" for each in steps)
    counts = {word: sum(each.held == word for each in seen) for word in ("yes", "no")}
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
            f"Of {len(seen)} beliefs about AWS {counts['yes']} held, {counts['no']} did not.",
            "",
            *beliefs.table(seen),
            "",
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run with arguments ``[--region R]``; return 1 unless all steps held and no assumption was contradicted."""
    parser = argparse.ArgumentParser(prog="python -m delivery.acceptance", description="Test the main guarantees.")
    parser.add_argument("--region", default="eu-central-1")
    region: str = parser.parse_args(argv).region
    if FILE.exists():
        print(f"error: {FILE} exists: is another acceptance under way? destroy it and remove the file", file=sys.stderr)
        return 1
    this = Acceptance(env=env, region=region)
    when = datetime.datetime.now(datetime.UTC)
    text = _TEMPLATE.read_text(encoding="utf-8").replace("eu-central-1", region)
    if this.sandbox:  # there is no machine to be set up anew, so a deploy takes a minute
        text = text.replace("sleep 900", "sleep 120")
    FILE.write_text(text, encoding="utf-8")
    found = list(go(this))
    steps = [each for each in found if isinstance(each, Step)]
    seen = [each for each in found if isinstance(each, Seen)]
    if steps[-1].outcome == "held":
        # Else it is what `cdktf destroy` needs once more.
        FILE.unlink()
    target = "the sandbox" if this.sandbox else f"AWS, {region}"
    page = report(steps, seen, target=target, commit=commit_of(Path.cwd(), env), when=when)
    path = Path("build/acceptance") / f"{when:%Y-%m-%d-%H%M}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    print(f"\n{page}\nreport: {path}")
    return 0 if all(each.outcome == "held" for each in steps) and all(each.held != "no" for each in seen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
