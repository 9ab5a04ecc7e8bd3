"""``make apply ENV=dev``: apply exactly the plan that `delivery.plan` made.

A workflow applies the approved plan: ``--sealed FILE --digest SHA256``. Terraform refuses a plan if the state has
changed since; this step also refuses it if the functions' packages have changed.
"""

import argparse
import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delivery import github
from delivery.commit import commit_of
from delivery.errors import DeliveryError, ending
from delivery.sealed import ACTIONS, About, sha256, unseal
from delivery.terraform import PLAN, Stack

__all__ = ["check_assets", "main", "outputs_page"]


def check_assets(plan: Mapping[str, Any], folder: Path) -> int:
    """Compare the functions' packages with the digests in the plan, and return their number.

    Raises:
        DeliveryError: a package is missing or has another digest.
    """
    count = 0
    for each in plan.get("resource_changes", []):
        after = each["change"]["after"] or {}
        if each["type"] != "aws_lambda_function" or not after.get("filename"):
            continue
        count += 1
        path = folder / after["filename"]
        if not path.is_file():
            raise DeliveryError(f"{each['address']}: {after['filename']} is not there: synthesize and plan again")
        found = base64.b64encode(bytes.fromhex(sha256(path))).decode()
        if found != after["source_code_hash"]:
            raise DeliveryError(
                f"{each['address']}: the digest of {after['filename']} is {found}, planned was "
                f"{after['source_code_hash']}: synthesize and plan again"
            )
    return count


def outputs_page(environment: str, outputs: Mapping[str, Any]) -> str:
    """Return a stack's outputs as Markdown for GitHub."""
    if not outputs:
        return f"### {environment} is destroyed\n"
    rows = [f"| {name} | `{value}` |" for name, value in sorted(outputs.items())]
    return "\n".join([f"### {environment} is deployed", "", "| output | value |", "| --- | --- |", *rows, ""])


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run the step with arguments ``NAME [--sealed FILE --digest SHA256 [--action destroy]]``."""
    parser = argparse.ArgumentParser(prog="python -m delivery.apply", description="Apply an existing plan.")
    parser.add_argument("environment")
    parser.add_argument("--sealed", type=Path, metavar="FILE", help="encrypted plan, made with --seal")
    parser.add_argument("--digest", metavar="SHA256", help="digest of the encrypted plan")
    parser.add_argument("--action", choices=ACTIONS, default=ACTIONS[0], help="action that the plan was made for")
    options = parser.parse_args(argv)
    if (options.sealed is None) != (options.digest is None):
        parser.error("--sealed and --digest go together")

    def step() -> int:
        root = Path.cwd()
        stack = Stack(root, options.environment)
        if options.sealed is not None:
            about = About(
                environment=stack.environment,
                commit=commit_of(root, env),
                action=options.action,
            )
            unseal(options.sealed, options.digest, about, stack.folder, env)
            # Use exactly the provider versions and digests of the plan.
            stack.init("-lockfile=readonly")
        if not (stack.folder / PLAN).is_file():
            raise DeliveryError(f"there is no plan of {stack.environment}: run `make plan ENV={stack.environment}`")
        print(f"{check_assets(stack.plan_json(), stack.folder)} packages are those of the plan", flush=True)
        stack.apply_plan()
        (stack.folder / PLAN).unlink()
        github.add_to_summary(env, outputs_page(stack.environment, stack.outputs()))
        return 0

    return ending(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
