"""A machine of a workflow job: a new checkout, the credentials of one role, and the sandbox as AWS."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delivery.rehearsal import override_all
from tests.delivery.workflows import Machine
from tests.delivery.workplace import Workplace, checkout
from tests.e2e import github

__all__ = ["COMMIT", "PLAN_ROLE", "Runner", "deploy_role"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLAN_ROLE = "arn:aws:iam::000000000000:role/dropbatch-plan"
_ADMINISTRATOR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def deploy_role(environment: str) -> str:
    """Return the ARN of the role that deploys an environment, as bootstrap names it."""
    return f"arn:aws:iam::000000000000:role/dropbatch-deploy-{environment}"


class Runner(Machine):
    """Commands run through the project's Makefile, with the environment of this checkout."""

    def __init__(self, work: Workplace, directory: Path, artifacts: Path, **variables: str) -> None:
        super().__init__(checkout(directory, github=True), artifacts)
        (self.root / ".venv").symlink_to(sys.prefix)
        self._output, self.summary = directory / "output", directory / "summary"
        self.summary.touch()
        self.environ = {
            **{name: value for name, value in work.environ.items() if name not in _ADMINISTRATOR},
            "MAKEFLAGS": "SETUP=@true",
            "GITHUB_SHA": COMMIT,
            "GITHUB_OUTPUT": str(self._output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **variables,
        }
        self._work = work
        self.said = ""
        """Output of the commands."""

    def run(self, command: str, environment: Mapping[str, str]) -> dict[str, str]:
        self._output.write_text("")
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.root,
            env={**self.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.said += done.stdout
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
        if command == "make synth":
            override_all(self.root / "cdktf.out", self.environ)
        return dict(line.split("=", 1) for line in self._output.read_text().splitlines())

    def configure_aws_credentials(self, given: Mapping[str, str], subject: str) -> None:
        assert given["aws-region"] == self.environ["AWS_REGION"]
        role = given["role-to-assume"].rpartition("/dropbatch-")[2]
        self.environ |= github.credentials(self._work.environ, role, f"repo:lab/dropbatch:{subject}")

    def event(self, body: Mapping[str, Any]) -> None:
        """The event that started the workflow."""
        file = self.root.parent / "event.json"
        file.write_text(json.dumps(body))
        self.environ["GITHUB_EVENT_PATH"] = str(file)
