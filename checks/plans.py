"""Run checkov on the plan of every environment; `skips.toml` lists accepted findings with their reasons.

``python -m checks.plans``: synthesizes into a scratch folder, plans each stack against an empty sandbox, and hands the
plans to checkov, which has a virtual environment of its own: its pins and ours do not go together.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from checks.own_venv import own_venv
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.terraform import Terraform

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
SKIPS = HERE / "skips.toml"


def main() -> int:
    """Check and print findings; return 1 if a finding is not in `skips.toml`, or a skip is unused."""
    checkov = own_venv("checkov", REQUIREMENTS) / "checkov"
    skips: dict[str, str] = tomllib.loads(SKIPS.read_text(encoding="utf-8"))["skips"]
    with tempfile.TemporaryDirectory(prefix="dropbatch-plans-") as folder:
        plans = make_plans(Path(folder))
        found = {name: run(checkov, plan) for name, plan in plans.items()}
    faults = [f"{name}: {each}" for name, failed in found.items() for each in failed if each.split(" ")[0] not in skips]
    needed = {each.split(" ")[0] for failed in found.values() for each in failed}
    faults += [f"{SKIPS.name}: {id_} is not needed any more: remove it" for id_ in sorted(skips.keys() - needed)]
    print(*faults, sep="\n" if faults else "", end="\n" if faults else "", file=sys.stderr)
    if not faults:
        print(f"checkov: {', '.join(found)}: nothing fails but {len(skips)} checks that are skipped with a reason")
    return 1 if faults else 0


def make_plans(folder: Path) -> dict[str, Path]:
    """Yield a plan of every stack, made against an empty sandbox."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    outdir = folder / "cdktf.out"
    command = [sys.executable, str(ROOT / "main.py")]
    subprocess.run(command, cwd=ROOT, env=environ | {"CDKTF_OUTDIR": str(outdir)}, check=True)
    (folder / "environments").mkdir()
    (folder / "environments" / "sandbox.toml").write_bytes((ROOT / "environments/sandbox.toml").read_bytes())
    sandbox = Sandbox.at(folder)
    sandbox.up()
    try:
        plans = {}
        for stack in sorted(outdir.glob("stacks/*")):
            plans[stack.name] = folder / f"{stack.name}.json"
            terraform = Terraform(folder, stack.name, sandbox.environ())
            plans[stack.name].write_text(terraform.plan_json(folder / f"{stack.name}.plan"))
    finally:
        sandbox.destroy_state()
    return plans


def run(checkov: Path, plan: Path) -> Sequence[str]:
    """Return checkov's findings in a plan: id, resource and rule."""
    command = [str(checkov), "--file", str(plan), "--framework", "terraform_plan", "--output", "json", "--quiet"]
    environ = {**os.environ, "LOG_LEVEL": "ERROR", "BC_SKIP_MAPPING": "TRUE", "CKV_IGNORE_HIDDEN_DIRECTORIES": "false"}
    answer = subprocess.run(
        [*command, "--compact", "--skip-download", "--soft-fail"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        result: Mapping[str, Any] = json.loads(answer.stdout)
        failed: Sequence[Mapping[str, Any]] = result["results"]["failed_checks"]
    except (ValueError, KeyError, TypeError):
        raise SystemExit(
            f"checkov gave no result for {plan.name}:\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}"
        ) from None
    if not result["summary"]["passed"]:
        raise SystemExit(f"checkov checked nothing in {plan.name}")
    return [f"{each['check_id']} {each['resource']}: {each['check_name']}" for each in failed]


if __name__ == "__main__":
    sys.exit(main())
