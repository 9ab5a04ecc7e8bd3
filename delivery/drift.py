"""Detect drift: resources that were changed outside Terraform since the last deploy.

``look NAME --into FOLDER`` compares one environment, and changes nothing. ``tell FOLDER`` opens, updates or closes the
repository's drift issue, according to the results of ``look``.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from delivery import changes, github
from delivery.errors import DeliveryError, ending
from delivery.terraform import Stack

__all__ = ["look", "main", "tell"]

LABEL = "drift"
MARKER = "<!-- dropbatch: drift -->"


def look(stack: Stack) -> list[changes.Change]:
    """Return the resources of the stack that were changed outside Terraform."""
    stack.init()
    stack.plan(lock=False)
    return changes.drift(stack.plan_json())


def tell(
    found: Mapping[str, Sequence[Mapping[str, str]]], unseen: Sequence[str], repository: github.Repository, address: str
) -> str:
    """Open, update or close the drift issue.

    Args:
        found: by environment, the drifted resources as rows with ``address`` and ``what``.
        unseen: environments whose comparison failed.
        repository: the repository of the issue.
        address: URL of the workflow's run.

    Returns:
        A sentence about the change to the issue.
    """
    drifted = {name: rows for name, rows in sorted(found.items()) if rows}
    if not drifted and unseen:
        return f"not looked at: {', '.join(unseen)}: an issue stays as it is"
    if not drifted:
        closed = repository.close_issue(MARKER, f"Gone: reality is what was deployed again ({address}).")
        return f"no drift: closed {closed}" if closed else "no drift"
    lines = [
        "Reality is not what was deployed. A deploy changes it back; what was meant to stay belongs in the",
        "repository.",
        "",
    ]
    for name, rows in drifted.items():
        lines += [f"### {name}", "", "| resource | what happened to it |", "| --- | --- |"]
        lines += [f"| `{each['address']}` | {each['what']} |" for each in rows] + [""]
    for name in unseen:
        lines += [f"### {name}", "", "Could not be looked at: see the last run of the workflow.", ""]
    title = f"Drift in {', '.join(drifted)}"
    # Without the run's URL, so that the text changes only when the drift does.
    return f"{title}: {repository.put_issue(LABEL, MARKER, title, chr(10).join(lines))}"


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run the step with arguments ``look NAME --into FOLDER`` or ``tell FOLDER``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.drift", description="Detect and report drift.")
    commands = parser.add_subparsers(dest="command", required=True)
    looking = commands.add_parser("look", help="compare one environment")
    looking.add_argument("environment")
    looking.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    telling = commands.add_parser("tell", help="open, update or close the issue")
    telling.add_argument("folder", type=Path)
    options = parser.parse_args(argv)

    def step() -> int:
        if options.command == "look":
            stack = Stack(Path.cwd(), options.environment)
            # In drift, "delete" means that the resource has been deleted.
            rows = [
                {"address": each.address, "what": "is gone" if "delete" in each.actions else "was changed"}
                for each in look(stack)
            ]
            options.into.mkdir(parents=True, exist_ok=True)
            (options.into / f"{stack.environment}.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
            print(*(f"{each['address']} {each['what']}" for each in rows), sep="\n")
            print(f"{stack.environment}: {len(rows)} resources drifted")
            return 0
        files = sorted(options.folder.rglob("*.json"))
        if not files:
            raise DeliveryError(f"{options.folder} holds nothing that was found: no environment was looked at")
        found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
        unseen = sorted(set(json.loads(env.get("ENVIRONMENTS") or "[]")) - set(found))
        print(tell(found, unseen, github.Repository.of(env), _address(env)))
        return 0

    return ending(step)


def _address(env: Mapping[str, str]) -> str:
    return f"{env.get('GITHUB_SERVER_URL')}/{env.get('GITHUB_REPOSITORY')}/actions/runs/{env.get('GITHUB_RUN_ID')}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
