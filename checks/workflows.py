"""Check security rules of our workflows: `python -m checks.workflows` prints each violation on one line.

zizmor and the schemas know what is wrong in any workflow. This knows what ours are for: nothing changes an environment
but the plan that was approved, and nobody gets credentials who must not have them.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

__all__ = ["faults", "main"]

ROOT = Path(__file__).resolve().parents[1]

_FROM_OUTSIDE = {"pull_request_target", "workflow_run", "issue_comment"}
"""Events by which outsiders could run code with credentials."""
_SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"
_ENVIRONMENT = "$/.github/workflows/environment.yml"
_WRITES = {"id-token", "issues", "pull-requests"}
_DURATION = 3600
"""Default seconds that credentials of an OIDC role last, without ``role-duration-seconds``:
https://github.com/aws-actions/configure-aws-credentials/blob/v5.1.1/action.yml"""
_TIMEOUT = 360
"""Minutes that a job may run without ``timeout-minutes``:
https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idtimeout-minutes"""


@dataclass(frozen=True)
class Job:
    """A job and its workflow file."""

    file: str
    name: str
    body: dict[str, Any]
    triggers: frozenset[str]

    @property
    def where(self) -> str:
        """File and name, for messages."""
        return f"{self.file}: {self.name}"

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Steps of the job; empty for a job that calls another workflow."""
        return list(self.body.get("steps", []))

    @property
    def runs(self) -> list[str]:
        """Shell commands of its steps."""
        return [step["run"] for step in self.steps if "run" in step]

    @property
    def condition(self) -> str:
        """Condition of the job, on one line."""
        return " ".join(str(self.body.get("if", "")).split())

    def roles(self) -> set[str]:
        """AWS roles that it assumes."""
        return {str(step.get("with", {}).get("role-to-assume", "")) for step in self.steps} - {""}

    def makes(self, target: str) -> list[dict[str, Any]]:
        """Return the steps that run the given target of the Makefile."""
        return [step for step in self.steps if str(step.get("run", "")).split()[:2] == ["make", target]]


def faults(root: Path) -> list[str]:
    """Return all violations in the workflows of a project."""
    files = sorted((root / ".github").rglob("*.yml"))
    found = [fault for path in files for fault in _pins(path)]
    workflows = sorted((root / ".github/workflows").glob("*.yml"))
    jobs = [job for path in workflows for job in _jobs(path)]
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.M))
    found += [
        f"{path.name}: permissions: {{}} must stand at the top, so that a job has what it names and no more"
        for path in workflows
        if _read(path).get("permissions") != {}
    ]
    for job in jobs:
        found += _job(job, targets, root)
    found += _approval([job for job in jobs if job.file == "environment.yml"])
    found += _callers([job for job in jobs if job.body.get("uses") == _ENVIRONMENT], jobs)
    return found


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path)
    return found


def _jobs(path: Path) -> Iterator[Job]:
    body = _read(path)
    triggers = body["on"]
    names = frozenset([triggers] if isinstance(triggers, str) else triggers)
    for name, job in body["jobs"].items():
        yield Job(path.name, name, job, names)


def _pins(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        used = re.match(r"\s*(?:- )?uses: (\S+)(.*)$", line)
        if used is None or used[1].startswith("$/"):
            continue
        if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", used[1]):
            yield f"{path.name}:{number}: an action must be pinned by its full commit, got {used[1]}"
        elif not re.fullmatch(r" # v\d+\.\d+\.\d+", used[2]):
            yield f"{path.name}:{number}: beside the commit must stand its version, as in `# v1.2.3`"


def _job(job: Job, targets: set[str], root: Path) -> Iterator[str]:
    rights = job.body.get("permissions")
    if not isinstance(rights, dict):
        yield f"{job.where}: permissions must be named"
        rights = {}
    for right, level in rights.items():
        if level == "write" and right not in _WRITES:
            yield f"{job.where}: permissions: may not write {right}"
    for step in [job.body, *job.steps]:
        uses = str(step.get("uses", ""))
        if uses.startswith("actions/checkout@") and step.get("with", {}).get("persist-credentials") is not False:
            yield f"{job.where}: checkout: persist-credentials: false is missing"
        if uses.startswith("$/") and not (root / uses[2:]).exists():
            yield f"{job.where}: {uses} does not exist"
    for command in job.runs:
        if not re.fullmatch(r"make ([a-z-]+)( [A-Z]+=[\w/.-]+)*", command) or command.split()[1] not in targets:
            yield f"{job.where}: every command is one target of the Makefile, which tests call, got {command!r}"
    if job.triggers & _FROM_OUTSIDE:
        yield f"{job.where}: {', '.join(job.triggers & _FROM_OUTSIDE)} gives credentials to code of others"
    if "pull_request" in job.triggers and "write" in rights.values() and _SAME_REPOSITORY not in job.condition:
        yield f"{job.where}: code of forks gets no credentials: if: {_SAME_REPOSITORY}"
    yield from _durations(job)
    if any("AWS_DEPLOY_ROLE" in role for role in job.roles()) and "environment" not in job.body:
        yield f"{job.where}: a role that may deploy is for jobs of an environment"


def _durations(job: Job) -> Iterator[str]:
    """Yield a fault if credentials can expire while the job still runs, for example during an apply."""
    longest = 60 * int(job.body.get("timeout-minutes", _TIMEOUT))
    for step in job.steps:
        given = step.get("with", {})
        if "role-to-assume" in given and int(given.get("role-duration-seconds", _DURATION)) < longest:
            yield (
                f"{job.where}: may run for {longest} seconds and its credentials last "
                f"{given.get('role-duration-seconds', _DURATION)}: set a shorter timeout-minutes, or a longer "
                "role-duration-seconds and the role's session_hours (constructs_lib/github_roles.py)"
            )


def _approval(jobs: list[Job]) -> Iterator[str]:
    """Check that plan and apply are two jobs, and that only the apply job uses the GitHub Environment (approval)."""
    plans, applies = ([job for job in jobs if job.makes(target)] for target in ("plan", "apply"))
    if len(plans) != 1 or len(applies) != 1:
        yield "environment.yml: there must be one job that plans and one that applies"
        return
    (plan,), (apply,) = plans, applies
    if plan.body.get("environment") is not None or plan.roles() != {"${{ vars.AWS_PLAN_ROLE }}"}:
        yield f"{plan.where}: the plan is made before the approval, with the role that may only look"
    (planned,), (applied,) = plan.makes("plan"), apply.makes("apply")
    if "LOOK=1" not in planned["run"] or "SEAL=" not in planned["run"]:
        yield f"{plan.where}: the plan must be kept for the job that applies: make plan LOOK=1 SEAL=file"
    if apply.body.get("environment") != {"name": "${{ inputs.environment }}"}:
        yield f"{apply.where}: environment: without it nobody approves"
    if apply.body.get("needs") != plan.name or apply.makes("plan"):
        yield f"{apply.where}: must need the job {plan.name}, and plan nothing itself"
    if "SEALED=" not in applied["run"] or applied.get("env", {}).get("DIGEST") != (
        f"${{{{ needs.{plan.name}.outputs.digest }}}}"
    ):
        yield f"{apply.where}: must apply the plan that was approved: make apply SEALED=file, and DIGEST of {plan.name}"


def _callers(callers: list[Job], jobs: list[Job]) -> Iterator[str]:
    if not callers:
        yield f"deploy.yml: no job calls {_ENVIRONMENT}"
    for job in callers:
        environment = job.body["with"]["environment"]
        wanted = {"group": f"deploy-{environment}", "cancel-in-progress": False}
        if job.body.get("concurrency") != wanted:
            yield f"{job.where}: concurrency: one at a time per environment, and none is stopped: {wanted}"
        chosen = [each for each in jobs if each.file == job.file and each.makes("confirm")]
        needed = job.body.get("needs", [])
        if not chosen or chosen[0].name not in needed:
            yield f"{job.where}: must need a job that runs `make confirm` before anything is destroyed"
        elif chosen[0].makes("confirm")[0].get("if") != "inputs.action == 'destroy'":
            yield f"{job.where}: make confirm: whenever something is to be destroyed"


def main() -> int:
    """Print the violations, and return 1 if there are any."""
    found = faults(ROOT)
    print(*found, sep="\n" if found else "", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
