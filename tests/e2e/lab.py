"""A deployed lab: a copy of the repository with its own sandbox, deployed by the real Terraform.

It is deployed as GitHub's workflows deploy: with the deploy role of the bootstrap stack, and a boundary on every role.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from dropbatch.contract import keys, ledger
from dropbatch.contract.runs import State, run_id
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.terraform import Terraform
from tests.e2e import github
from tests.project import bootstrap_toml, copy_project

_DECLARED = (Path(__file__).parent / "lab.toml").read_text()
_BOOTSTRAP = bootstrap_toml("sandbox", "prod", "full")
STATE_BUCKET = "dropbatch-state-000000000000-eu-central-1"
"""Resources of the bootstrap stack."""
_T = TypeVar("_T")


class Lab:
    """The deployment as tests need it. Every wait is for a condition, never for a fixed time."""

    group = "lab"
    pipeline = "wordcount"

    def __init__(self, directory: Path, *, runner: str | None = None) -> None:
        """`runner` as `Sandbox.up` takes it."""
        self.root = copy_project(directory / "project")
        shutil.copytree(self.root / "image" / "wordcount", self.root / "image" / "recount")
        (self.root / "bootstrap.toml").write_text(_BOOTSTRAP)
        file = self.root / "environments" / "sandbox.toml"
        bounded = '[environment]\npermissions_boundary = "dropbatch-boundary-sandbox"\n'
        file.write_text(file.read_text().replace("[environment]\n", bounded, 1) + _DECLARED)
        self.sandbox = Sandbox.at(self.root)
        self.sandbox.up(runner=runner)
        self.environ = self.sandbox.environ()
        self._used_before: list[tuple[str, str]] = []

    def restart(self, runner: str) -> None:
        """Switch to another runner. The sandbox forgets recorded uses of rights, so they are saved first."""
        self._used_before = self.used_rights()
        self.sandbox.down()
        self.sandbox.up(runner=runner)

    def used_rights(self) -> list[tuple[str, str]]:
        """Return role and action of every check that was allowed so far."""
        uses = self.sandbox.control({"grants": True})["uses"]
        return [*self._used_before, *((role, action) for role, action, _ in uses)]

    def synthesize(self) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DROPBATCH_"))}
        subprocess.run([sys.executable, "main.py"], cwd=self.root, env=environ, check=True)

    def deploy(self) -> None:
        """Apply the bootstrap stack, whose bucket takes a minute, together with the environment."""
        self.synthesize()
        with ThreadPoolExecutor(1) as beside:
            bootstrap = beside.submit(self.terraform("bootstrap").apply)
            until(lambda: self._may_deploy() or (bootstrap.result() if bootstrap.done() else None), "the roles")
            self.terraform().apply()
            bootstrap.result()

    def _may_deploy(self) -> bool | None:
        iam = self.client("iam")
        there = {each["RoleName"] for page in iam.get_paginator("list_roles").paginate() for each in page["Roles"]}
        return (
            there >= github.SUBJECTS.keys()
            and all(iam.list_role_policies(RoleName=each)["PolicyNames"] for each in github.SUBJECTS)
            and all(
                len(iam.list_attached_role_policies(RoleName=each)["AttachedPolicies"])
                == (2 if "-deploy-" in each else 1)
                for each in github.SUBJECTS
            )
        ) or None

    def terraform(self, environment: str = "sandbox", role: str | None = None) -> Terraform:
        """Return Terraform with a role of the bootstrap stack (``plan``, ``deploy-sandbox``).

        Default: the account's owner for the bootstrap stack, the deploy role for an environment.
        """
        role = role or (None if environment == "bootstrap" else f"deploy-{environment}")
        credentials = github.credentials(self.environ, role) if role else {}
        terraform = Terraform(self.root, environment, self.environ | credentials)
        terraform.init()
        return terraform

    def client(self, service: str) -> Any:
        session: Any = boto3.Session(
            aws_access_key_id=self.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environ["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environ["AWS_REGION"],
        )
        config = Config(s3={"addressing_style": "path"}, proxies={})
        return session.client(service, endpoint_url=self.environ["AWS_ENDPOINT_URL"], config=config)

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def dynamodb(self) -> Any:
        return self.client("dynamodb")

    @cached_property
    def pointers(self) -> dict[str, Any]:
        value = self.client("ssm").get_parameter(Name="/dropbatch/sandbox")["Parameter"]["Value"]
        found: dict[str, Any] = json.loads(value)
        return found

    def drop(self, key: str, body: bytes) -> str:
        """Put an object into the input bucket; return the id of its run."""
        answer = self.s3.put_object(Bucket=self.pointers["input_bucket"], Key=key, Body=body)
        parsed = keys.InputKey.parse(key)
        return run_id(
            group=parsed.group if parsed.group in self.pointers["groups"] else keys.SYSTEM_GROUP,
            pipeline=parsed.folder,
            bucket=self.pointers["input_bucket"],
            key=key,
            version_id=answer["VersionId"],
        )

    def run(self, run: str, group: str = group) -> dict[str, Any] | None:
        key = ledger.to_item({"id": ledger.run_key(group, run)})
        item = self.dynamodb.get_item(TableName=self.pointers["ledger_table"], Key=key, ConsistentRead=True).get("Item")
        return ledger.from_item(item) if item else None

    def reconcile(self) -> dict[str, int]:
        """Run reconcile now; return what it repaired."""
        answer = self.client("lambda").invoke(FunctionName="dropbatch-sandbox-run-events", Payload=b"{}")
        body = answer["Payload"].read()
        assert "FunctionError" not in answer, body
        found: dict[str, int] = json.loads(body)
        return found

    def guard(self, action: str) -> None:
        """Send the spend guard an operator's command."""
        answer = self.client("lambda").invoke(
            FunctionName="dropbatch-sandbox-spend-guard", Payload=json.dumps({"action": action, "reason": "a test"})
        )
        assert "FunctionError" not in answer, answer["Payload"].read()

    def runs(self) -> list[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.pointers["ledger_table"])
        items = [ledger.from_item(item) for page in pages for item in page["Items"]]
        return [item for item in items if "run_id" in item]

    def ended(self, run: str, group: str = group) -> dict[str, Any]:
        """Return the RUN item when it is in a final state."""

        def final() -> dict[str, Any] | None:
            item = self.run(run, group)
            return item if item and State(item["state"]).final else None

        return until(final, f"run {run} to end")

    def result(self, item: dict[str, Any], name: str) -> bytes:
        answer = self.s3.get_object(Bucket=self.pointers["output_bucket"], Key=item["output_prefix"] + name)
        body: bytes = answer["Body"].read()
        return body

    def record(self, item: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.result(item, "_run.json"))
        return found


def until(found: Callable[[], _T | None], what: str, seconds: float = 90, *, every: float = 0.1) -> _T:
    """Call `found` every `every` seconds until it returns something, and return that."""
    deadline = time.monotonic() + seconds
    while (value := found()) is None:
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(every)
    return value
