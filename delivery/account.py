"""Access to the account of an acceptance test: commands, the environment's resources, and the deploy role."""

import contextlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError
from delivery.rehearsal import OUTDIR

__all__ = ["ENVIRONMENT", "FILE", "Acceptance", "CommandError", "NotInSandboxError"]

ENVIRONMENT = "acceptance"
FILE = Path("environments") / f"{ENVIRONMENT}.toml"
_DEPLOY_ROLE = f"dropbatch-deploy-{ENVIRONMENT}"
_BOUNDARY = f"dropbatch-boundary-{ENVIRONMENT}"
_PATIENCE = 1800.0
"""Timeout in seconds of steps that wait for machines."""
_PROPAGATION = 60.0
"""Seconds until a changed trust policy is effective in all of IAM:
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency"""


class CommandError(DeliveryError):
    """A command failed.

    Attributes:
        output: all that it printed.
    """

    def __init__(self, command: Sequence[str], code: int, stdout: str, stderr: str) -> None:
        self.output = f"{stderr}\n{stdout}".strip()
        last = " / ".join((stderr.strip() or stdout.strip()).splitlines()[-8:])
        super().__init__(f"`{' '.join(command)}` ended with exit code {code}: {last}")


class NotInSandboxError(DeliveryError):
    """The sandbox does not implement the feature to observe."""


@dataclass(kw_only=True)
class Acceptance:
    """State and commands that steps and observations share."""

    env: Mapping[str, str]
    region: str
    run: str = ""
    """The first run, to be reproduced."""
    refusals: list[str] = field(default_factory=list)
    """Calls that AWS denied to the deploy role."""
    deployer: str = ""
    """ARN of the deploy role once it has deployed; else empty."""
    no_deployer: str = "nothing was deployed"
    """Reason why `deployer` is empty."""
    on_machine: tuple[str, dict[str, str]] | None = None
    """Id of the run that inspected its machine, and its results by name."""
    cleanups: list[Callable[[], object]] = field(default_factory=list)
    """Functions to call before the environment is destroyed; each deletes one resource of an observation."""

    @property
    def sandbox(self) -> bool:
        """Whether AWS is the sandbox."""
        return bool(self.env.get("DROPBATCH_SANDBOX_DIR"))

    def call(
        self, *command: str, accept: Sequence[int] = (0,), env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> str:
        """Run a command in the project's folder, and return its stdout.

        Raises:
            CommandError: it ended with an exit code that is not accepted.
        """
        surroundings = dict(self.env if env is None else env)
        done = subprocess.run(command, env=surroundings, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode not in accept:
            raise CommandError(command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def dropbatch(self, *arguments: str) -> str:
        """Run the ``dropbatch`` command for the environment, and return its stdout."""
        return self.call(sys.executable, "-m", "dropbatch.cli", "--env", ENVIRONMENT, *arguments)

    def aws(self, service: str, operation: str, *arguments: str) -> Any:
        """Run the ``aws`` command, and return its JSON output."""
        # AWS CLI version 1 ignores AWS_ENDPOINT_URL for some services.
        endpoint = ("--endpoint-url", self.env["AWS_ENDPOINT_URL"]) if self.sandbox else ()
        options = (*endpoint, "--region", self.region, "--output", "json")
        try:
            answer = self.call("aws", service, operation, *arguments, *options)
        except CommandError as error:
            if "not supported in the sandbox" in error.output:
                raise NotInSandboxError(f"{service} {operation}") from error
            raise
        return json.loads(answer) if answer.strip() else {}

    def refused(self, service: str, operation: str, *arguments: str) -> str | None:
        """Return the error of a call that AWS should refuse, or None if AWS accepts it."""
        try:
            self.aws(service, operation, *arguments)
        except CommandError as error:
            return " ".join(error.output.split())
        return None

    def cdktf(self, command: str, stack: str, env: Mapping[str, str] | None = None) -> str:
        """Run ``npx cdktf``, against the sandbox with its overrides."""
        app = ("--app", f"{sys.executable} -m delivery.rehearsal", "--output", OUTDIR, "--skip-provider-lock")
        return self.call("npx", "cdktf", command, stack, "--auto-approve", *(app if self.sandbox else ()), env=env)

    def plan(self) -> list[str]:
        """Return the Terraform addresses of the resources that another deploy would change."""
        folder = f"{OUTDIR if self.sandbox else 'cdktf.out'}/stacks/{ENVIRONMENT}"
        command = ("terraform", f"-chdir={folder}", "plan", "-input=false", "-no-color", "-lock=false", "-json")
        lines = self.call(*command, "-detailed-exitcode", accept=(0, 2)).splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [each["change"]["resource"]["addr"] for each in events if each.get("type") == "planned_change"]

    def as_deployer(self, command: str) -> None:
        """Run cdktf as the deploy role, inside its boundary; if AWS denies a call, run it again as the caller.

        GitHub's identity is what the role trusts, so its trust policy names the caller too, for as long as it takes to
        start a session: what is tried is the role itself, not a copy of its rights.
        """
        session = self._session()
        if session is None:
            self.cdktf(command, ENVIRONMENT)
            return
        try:
            self.cdktf(command, ENVIRONMENT, env=session)
        except CommandError as error:
            lines = [" ".join(line.split()) for line in error.output.splitlines()]
            denied = [line for line in lines if "not authorized" in line or "AccessDenied" in line]
            if not denied:
                raise
            self.refusals += denied
            self.cdktf(command, ENVIRONMENT)

    def _session(self) -> dict[str, str] | None:
        """Return environment variables of a deploy role session, or None if bootstrap has made no such role."""
        try:
            role = self.aws("iam", "get-role", "--role-name", _DEPLOY_ROLE)["Role"]
        except CommandError:
            self.no_deployer = (
                f"there is no role {_DEPLOY_ROLE}: write {ENVIRONMENT!r} into [github] environments of bootstrap.toml"
            )
            return None
        account = self.aws("sts", "get-caller-identity")
        word = secrets.token_hex(16)
        partition = account["Arn"].split(":")[1]
        trust = role["AssumeRolePolicyDocument"]
        ours = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": f"arn:{partition}:iam::{account['Account']}:root"},
            "Condition": {"StringEquals": {"sts:ExternalId": word}},
        }
        wider = {**trust, "Statement": [*trust["Statement"], ours]}
        change = ("update-assume-role-policy", "--role-name", _DEPLOY_ROLE, "--policy-document")
        self.aws("iam", *change, json.dumps(wider))
        try:
            keys = self.until(lambda: self._assume(role["Arn"], word), f"a session of {_DEPLOY_ROLE}", _PROPAGATION)
        finally:
            self.aws("iam", *change, json.dumps(trust))
        self.deployer = role["Arn"]
        return {
            **{name: value for name, value in self.env.items() if name not in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")},
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }

    def _assume(self, role: str, word: str) -> Any:
        with contextlib.suppress(CommandError):
            name = ("--role-session-name", "acceptance", "--external-id", word)
            return self.aws("sts", "assume-role", "--role-arn", role, *name)["Credentials"]
        return None

    def bound(self) -> None:
        """Write the boundary of the deploy role into the environment file, if bootstrap has made one."""
        policies = self.aws("iam", "list-policies", "--scope", "Local")["Policies"]
        if any(each["PolicyName"] == _BOUNDARY for each in policies):
            line = f'[environment]\npermissions_boundary = "{_BOUNDARY}"\n'
            FILE.write_text(FILE.read_text(encoding="utf-8").replace("[environment]\n", line), encoding="utf-8")

    def deployed(self) -> dict[str, Any]:
        """Return the resource names of the deployment, from its SSM parameter."""
        value = self.aws("ssm", "get-parameter", "--name", f"/dropbatch/{ENVIRONMENT}")["Parameter"]["Value"]
        found: dict[str, Any] = json.loads(value)
        return found

    def drop(self, pipeline: str, *options: str) -> str:
        """Drop a new file, and return its run's id."""
        name = f"acceptance-{time.time_ns()}.txt"
        folder = Path("build/acceptance")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("one two three\n", encoding="utf-8")
        try:
            self.dropbatch("drop", str(folder / name), "--pipeline", pipeline, *options)
        finally:
            (folder / name).unlink()
        return str(self.until(lambda: self._find(name), f"the run of {name}", 120)["run_id"])

    def item(self, run: str) -> dict[str, Any]:
        """Return the ledger's item of a run."""
        found: dict[str, Any] = json.loads(self.dropbatch("show", run))["run"]
        return found

    def ended(self, run: str) -> dict[str, Any]:
        """Wait until a run has ended, and return its item."""
        self.until(lambda: self.item(run)["state"] in ("SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"), f"{run} to end")
        return self.item(run)

    def _find(self, name: str) -> dict[str, Any] | None:
        with contextlib.suppress(DeliveryError):
            return self.item(name)
        return None

    def until(self, found: Callable[[], Any], what: str, seconds: float = _PATIENCE) -> Any:
        """Call `found` until it returns a true value, and return that."""
        deadline = time.monotonic() + seconds
        while not (value := found()):
            if time.monotonic() > deadline:
                raise DeliveryError(f"waited {seconds:.0f} s for {what}")
            time.sleep(1 if self.sandbox else 10)
        return value
