"""A checkout with its own sandbox, in which tests run the same commands as a person."""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
from botocore.config import Config

from delivery.rehearsal import OUTDIR, OVERRIDE, override
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.clients import command_environment
from dropbatch.sandbox.provider_mirror import Provider, cli_configuration, find
from tests.project import ROOT, copy_project

STATE_BUCKET = "dropbatch-state-000000000000-eu-central-1"
REHEARSAL = f"{sys.executable} -m delivery.rehearsal"
_COPIED = ("delivery", "Makefile", "cdktf.json", "package.json")

_GITHUB = """
[github]
repository = "lab/dropbatch"
owner_id = "12"
repository_id = "345"
environments = ["dev"]
"""


def checkout(directory: Path, *, github: bool = False) -> Path:
    """Copy what a deploy reads, with dev's state in S3, set up for GitHub's workflows as in docs/delivery.md."""
    root = copy_project(directory / "project", *_COPIED)
    (root / "node_modules").symlink_to(ROOT / "node_modules")
    dev = root / "environments/dev.toml"
    state = f'[state]\nbackend = "s3"\nbucket = "{STATE_BUCKET}"\n\n[notify]'
    dev.write_text(dev.read_text().replace("[notify]", state, 1))
    if github:
        boundary = '[environment]\npermissions_boundary = "dropbatch-boundary-dev"\n'
        dev.write_text(dev.read_text().replace("[environment]\n", boundary, 1))
        with (root / "bootstrap.toml").open("a") as file:
            file.write(_GITHUB)
    return root


def surroundings_of_terraform(directory: Path) -> dict[str, str]:
    """Return variables with which Terraform and cdktf use no unnecessary network access."""
    found = {"CHECKPOINT_DISABLE": "1", "DISABLE_VERSION_CHECK": "1", "CI": "1"}
    provider = [Provider("hashicorp/aws", "5.100.0")]
    mirror = find(provider, os.environ)
    if mirror is not None:
        file = directory / "cli.tfrc"
        file.write_text(cli_configuration(mirror, provider))
        found["TF_CLI_CONFIG_FILE"] = str(file)
    return found


class Workplace:
    """A checkout and its sandbox, with an empty state bucket; with `github`, everything that bootstrap creates."""

    python = sys.executable

    def __init__(self, directory: Path, *, github: bool = False) -> None:
        self.root = checkout(directory, github=github)
        self.sandbox = Sandbox.at(self.root)
        self.sandbox.up()
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "CDKTF_", "GITHUB_"))}
        self.environ = command_environment(self.sandbox.environ(), plain) | surroundings_of_terraform(self.root)
        self.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), self.environ["PATH"]])
        self.environ["NO_PROXY"] = self.environ["no_proxy"] = "127.0.0.1"
        if github:
            self.synthesize()
            self.apply(self.root / OUTDIR / "stacks/bootstrap")
        else:
            s3 = self.client("s3")
            s3.create_bucket(Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
            s3.put_bucket_versioning(Bucket=STATE_BUCKET, VersioningConfiguration={"Status": "Enabled"})

    @classmethod
    def without_sandbox(cls, root: Path, environ: dict[str, str]) -> "Workplace":
        """Return a workplace for commands that do not call AWS."""
        made = cls.__new__(cls)
        made.root, made.environ = root, environ
        return made

    @property
    def stack(self) -> Path:
        return self.root / OUTDIR / "stacks" / "dev"

    def unlocked(self) -> bool:
        """Return whether dev's state is unlocked."""
        listed = self.client("s3").list_objects_v2(Bucket=STATE_BUCKET).get("Contents", [])
        return all(each["Key"] != "dropbatch/dev.tfstate.tflock" for each in listed)

    def state(self) -> bytes:
        """Return the state of dev."""
        found: bytes = self.client("s3").get_object(Bucket=STATE_BUCKET, Key="dropbatch/dev.tfstate")["Body"].read()
        return found

    def budget(self) -> float:
        """Return the limit of the deployment's budget."""
        (found,) = self.client("budgets").describe_budgets(AccountId="000000000000")["Budgets"]
        return float(found["BudgetLimit"]["Amount"])

    def client(self, service: str, **credentials: str) -> Any:
        environ = self.environ
        keys: dict[str, Any] = {
            "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
            **credentials,
        }
        session: Any = boto3.Session(**keys, region_name=environ["AWS_REGION"])
        config = Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1})
        return session.client(service, endpoint_url=environ["AWS_ENDPOINT_URL"], config=config)

    def start(self, *command: str, env: Mapping[str, str] = MappingProxyType({})) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**self.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def call(self, *command: str, code: int = 0, env: Mapping[str, str] = MappingProxyType({})) -> str:
        """Return the output of a command, which must end with `code`."""
        process = self.start(*command, env=env)
        said, _ = process.communicate(timeout=1800)
        assert process.returncode == code, f"{' '.join(command)}: {process.returncode}\n{said}"
        return said

    def module(self, name: str, *arguments: str, code: int = 0, env: Mapping[str, str] = MappingProxyType({})) -> str:
        return self.call(sys.executable, "-m", name, *arguments, code=code, env=env)

    def cdktf(self, command: str, *arguments: str) -> str:
        return self.call(*self.cdktf_command(command, *arguments))

    def cdktf_command(self, command: str, *arguments: str) -> list[str]:
        """Run ``npx cdktf deploy dev …`` against the sandbox."""
        approve = [] if command == "diff" else ["--auto-approve"]
        sandbox = ["--skip-provider-lock", "--app", REHEARSAL, "--output", OUTDIR]
        return ["npx", "cdktf", command, "dev", *approve, *sandbox, *arguments]

    def synthesize(self) -> None:
        self.module("delivery.rehearsal", env={"CDKTF_OUTDIR": str(self.root / OUTDIR)})

    def apply(self, stack: Path) -> None:
        self.call("terraform", f"-chdir={stack}", "init", "-input=false", "-no-color")
        self.call("terraform", f"-chdir={stack}", "apply", "-input=false", "-no-color", "-auto-approve")

    @cached_property
    def pointers(self) -> dict[str, Any]:
        value = self.client("ssm").get_parameter(Name="/dropbatch/dev")["Parameter"]["Value"]
        found: dict[str, Any] = json.loads(value)
        return found

    def apply_release(self, fixture: Path) -> None:
        """Apply the stack of an earlier release, with empty functions instead of its own."""
        body = json.loads(fixture.read_text())
        backend = {
            "bucket": STATE_BUCKET,
            "key": "dropbatch/dev.tfstate",
            "region": "eu-central-1",
            "use_lockfile": True,
        }
        body["terraform"]["backend"] = {"s3": {**backend, "encrypt": True}}
        package = _package()
        for each in body["resource"]["aws_lambda_function"].values():
            path = self.stack / each["filename"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(package)
            each["source_code_hash"] = base64.b64encode(hashlib.sha256(package).digest()).decode()
        (self.stack / "cdk.tf.json").write_text(json.dumps(body))
        (self.stack / OVERRIDE).write_text(json.dumps(override(body, "dev", self.environ)))
        self.apply(self.stack)


def _package() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("nothing.py", "def handle(event, context):\n    return None\n")
    return file.getvalue()
