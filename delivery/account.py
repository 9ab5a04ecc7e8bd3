"""The account that an acceptance is tried on: commands, the environment's names, and the deploy role."""

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
"""Seconds for what waits for machines."""
_PROPAGATION = 60.0
"""Seconds until a changed trust policy is known everywhere in IAM:
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
    """The sandbox has nothing that could be observed."""


@dataclass(kw_only=True)
class Acceptance:
    """What steps and observations share."""

    env: Mapping[str, str]
    region: str
    run: str = ""
    """The first run, to be reproduced."""
    refusals: list[str] = field(default_factory=list)
    """What AWS refused the deploy role."""
    deployer: str = ""
    """ARN of the deploy role once it has deployed; else empty."""
    no_deployer: str = "nothing was deployed"
    """Why it has not."""
    on_machine: tuple[str, dict[str, str]] | None = None
    """The run that looked at its machine, and its results by name."""
    cleanups: list[Callable[[], object]] = field(default_factory=list)
    """To be called before the environment is destroyed; each removes one thing that an observation made."""

    @property
    def sandbox(self) -> bool:
        """Whether AWS is the sandbox."""
        return bool(self.env.get("DROPBATCH_SANDBOX_DIR"))

    def call(
        self, *command: str, accept: Sequence[int] = (0,), env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> str:
        """Run a command in the project's folder; returns its standard output.

        Raises:
            CommandError: it ended with an exit code that is not accepted.
        """
        surroundings = dict(self.env if env is None else env)
        done = subprocess.run(command, env=surroundings, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode not in accept:
            raise CommandError(command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def dropbatch(self, *arguments: str) -> str:
        """The command that people use."""
        return self.call(sys.executable, "-m", "dropbatch.cli", "--env", ENVIRONMENT, *arguments)

    def aws(self, service: str, operation: str, *arguments: str) -> Any:
        """The ``aws`` command; returns its answer."""
        # Version 1 takes no endpoint from the environment for every service.
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
        """The error with which AWS refuses a call that is expected to fail; None when it is accepted."""
        try:
            self.aws(service, operation, *arguments)
        except CommandError as error:
            return " ".join(error.output.split())
        return None

    def cdktf(self, command: str, stack: str, env: Mapping[str, str] | None = None) -> str:
        """``npx cdktf``; against the sandbox with what is different about it."""
        app = ("--app", f"{sys.executable} -m delivery.rehearsal", "--output", OUTDIR, "--skip-provider-lock")
        return self.call("npx", "cdktf", command, stack, "--auto-approve", *(app if self.sandbox else ()), env=env)

    def plan(self) -> list[str]:
        """What another deploy would change, by Terraform's addresses."""
        folder = f"{OUTDIR if self.sandbox else 'cdktf.out'}/stacks/{ENVIRONMENT}"
        command = ("terraform", f"-chdir={folder}", "plan", "-input=false", "-no-color", "-lock=false", "-json")
        lines = self.call(*command, "-detailed-exitcode", accept=(0, 2)).splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [each["change"]["resource"]["addr"] for each in events if each.get("type") == "planned_change"]

    def as_deployer(self, command: str) -> None:
        """Call cdktf as the deploy role, inside its boundary; where AWS refuses it something, again as the caller.

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
        """Variables with a session of the deploy role; None where bootstrap has made no such role."""
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
        """Names of what is deployed, as the command finds them."""
        value = self.aws("ssm", "get-parameter", "--name", f"/dropbatch/{ENVIRONMENT}")["Parameter"]["Value"]
        found: dict[str, Any] = json.loads(value)
        return found

    def drop(self, pipeline: str, *options: str) -> str:
        """Drop a new file; returns its run's id."""
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
        """The ledger's item of a run."""
        found: dict[str, Any] = json.loads(self.dropbatch("show", run))["run"]
        return found

    def ended(self, run: str) -> dict[str, Any]:
        """The ledger's item of a run once it has ended."""
        self.until(lambda: self.item(run)["state"] in ("SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"), f"{run} to end")
        return self.item(run)

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
