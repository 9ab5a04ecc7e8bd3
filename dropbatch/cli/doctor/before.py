"""Checks before a deploy: environment file, tools, account, bootstrap, images, Terraform's state and its lock."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dropbatch import before_deploy
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.doctor import machines
from dropbatch.cli.doctor.account import SERVICE_ROLES
from dropbatch.cli.doctor.findings import Check, Finding, ok, problem
from dropbatch.cli.doctor.images import image_finding
from dropbatch.cli.doctor.subject import PoolNeed, Subject
from dropbatch.cli.text import age, counted
from dropbatch.contract.deployment import resource_name
from dropbatch.images import context_files, digest
from dropbatch.settings import Settings, SettingsError, load_bootstrap

__all__ = ["FIRST", "LAST", "subject_of"]

_OLDEST_TERRAFORM = (1, 11)
_VERSION = re.compile(r"(\d+)\.(\d+)\.\d+")


def subject_of(settings: Settings, project: Path, *, sandbox: bool) -> Subject:
    """Return the subject of an environment file, with the caller's credentials and the file's region."""
    deployed = Deployed(settings.name)
    region = settings.environment.region

    def client(service: str, *, region: str = region) -> Any:
        return deployed.new_client(service, region=region)

    pools = [
        PoolNeed(name=name, spot=pool.kind == "spot", max_vcpus=pool.max_vcpus, instance_types=pool.types)
        for name, pool in settings.compute.items()
    ]
    return Subject(
        environment=settings.name,
        region=region,
        client=client,
        find_pools=lambda: pools,
        sandbox=sandbox,
        settings=settings,
        project=project,
    )


def _settings(subject: Subject) -> Settings:
    if subject.settings is None:
        raise ValueError("checks before a deploy need an environment file")
    return subject.settings


def _file(subject: Subject) -> Iterator[Finding]:
    settings = _settings(subject)
    pipelines, pools = counted(len(settings.pipeline), "pipeline"), counted(len(settings.compute), "pool")
    yield ok(f"{pipelines}, {pools}, {settings.budget.monthly_usd} USD a month")


def _account(subject: Subject) -> Iterator[Finding]:
    meant = _settings(subject).environment.account_id
    if meant is None:
        yield ok(f"{subject.account}; the file allows any account: environment.account_id is not set")
    elif meant != subject.account:
        yield problem(
            f"the credentials belong to account {subject.account}, the file names {meant}",
            "sign in to the other account, or set AWS_PROFILE",
        )
    else:
        yield ok(f"{meant}, as in the file")


def _bootstrap(subject: Subject) -> Iterator[Finding]:
    """Check that bootstrap can be deployed: AWS refuses to create a service-linked role that exists.

    Terraform's provider does not adopt existing ones: https://github.com/hashicorp/terraform-provider-aws/issues/29318
    """
    if subject.sandbox:
        return
    try:
        account = getattr(load_bootstrap(subject.project / "bootstrap.toml"), "account", None)
    except SettingsError as error:
        for fault in error.faults:
            text, _, fix = fault.rpartition(": ")
            yield problem(text, fix)
        return
    if account is None:
        return
    bucket = f"dropbatch-state-{subject.account}-{account.region}"
    if _has_bucket(subject, bucket):
        yield ok(f"deployed: its bucket {bucket} exists")
        return
    present = [name for name, service in SERVICE_ROLES.items() if service in account.service_linked_roles]
    present = [name for name in present if _has_role(subject, name)]
    if not present:
        yield ok("not deployed; it can be deployed")
        return
    left = [each for each in account.service_linked_roles if each not in {SERVICE_ROLES[name] for name in present}]
    text = f"{', '.join(present)}: exist already, so `npx cdktf deploy bootstrap` would fail to create them"
    fix = f"in bootstrap.toml, [account]: `service_linked_roles = {json.dumps(left)}`"
    if _settings(subject).state.backend == "s3":
        yield problem(text, fix)
    else:
        yield ok(f"not deployed, and this environment needs no state bucket; before deploying it, {fix}")


def _has_bucket(subject: Subject, bucket: str) -> bool:
    s3 = subject.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        return False
    return True


def _has_role(subject: Subject, name: str) -> bool:
    iam = subject.client("iam")
    try:
        iam.get_role(RoleName=name)
    except iam.exceptions.NoSuchEntityException:
        return False
    return True


def _tools(subject: Subject) -> Iterator[Finding]:
    terraform = shutil.which("terraform")
    if terraform is None:
        yield problem("terraform is not on PATH", "install Terraform 1.11 or newer: developer.hashicorp.com/terraform")
    else:
        done = subprocess.run([terraform, "version"], capture_output=True, text=True, check=False)
        match = _VERSION.search(done.stdout)
        version = (int(match[1]), int(match[2])) if match else (0, 0)
        if version < _OLDEST_TERRAFORM:
            yield problem(f"Terraform {match[0] if match else '?'}", "install 1.11 or newer")
        else:
            yield ok(f"Terraform {match[0] if match else ''}")
    yield ok("Node") if shutil.which("node") else problem("node is not on PATH", "install Node 20 or newer: nodejs.org")


def _images(subject: Subject) -> Iterator[Finding]:
    settings = _settings(subject)
    tags: dict[str, str] = {}
    for name, pipeline in settings.pipeline.items():
        folder = subject.project / pipeline.image if pipeline.image else None
        if not pipeline.base and (folder is None or not folder.is_dir()):
            if "/" in pipeline.image and not (subject.project / pipeline.image.split("/")[0]).is_dir():
                wanted = {str(settings.compute[pool].architecture) for pool in pipeline.pools}
                yield image_finding(subject, name, pipeline.image, wanted)
            else:
                yield problem(
                    f"{name}: {pipeline.image} is not a folder of the checkout", f"`dropbatch init --pipeline {name}`"
                )
            continue
        architecture = settings.compute[pipeline.pools[0]].architecture
        kind = name if architecture == "amd64" else f"{name}-{architecture}"
        content = digest(context_files(subject.project, folder, base=pipeline.base), base=pipeline.base)
        tags[f"{kind}-{content}"] = architecture
    env: Mapping[str, str] = {"DROPBATCH_SANDBOX_DIR": "here"} if subject.sandbox else {}
    faults = before_deploy.faults(
        region=subject.region,
        repository=resource_name(subject.environment),
        tags=tags,
        input_bucket=settings.storage.input_bucket,
        env=env,
    )
    for fault in faults:
        text, _, fix = fault.rpartition(": ")
        yield problem(text, fix)
    if tags and not faults:
        names = ", ".join(tag.rpartition("-")[0] for tag in tags)
        yield ok(f"{names}: in the registry, or can be built here")


def _state(subject: Subject) -> Iterator[Finding]:
    settings = _settings(subject)
    if settings.state.backend != "s3":
        path = subject.project / f"terraform.{subject.environment}.tfstate"
        if subject.sandbox and subject.sandbox_directory is not None:  # where `make demo` keeps it
            path = subject.sandbox_directory / "terraform" / subject.environment / "terraform.tfstate"
        yield ok(f"in {path.name} on this machine" + ("" if path.exists() else "; nothing is deployed from here yet"))
        lock = path.with_name(f".{path.name}.lock.info")
        if lock.exists():
            yield _locked(json.loads(lock.read_text("utf-8")), subject)
        else:
            yield ok("not locked")
        return
    s3, bucket = subject.client("s3"), settings.state.bucket or ""
    try:
        versions = s3.get_bucket_versioning(Bucket=bucket).get("Status")
    except s3.exceptions.NoSuchBucket:
        yield problem(f"there is no bucket {bucket}", "`npx cdktf deploy bootstrap`, then name its output state_bucket")
        return
    if versions == "Enabled":
        yield ok(f"in bucket {bucket}, which keeps versions")
    else:
        yield problem(f"bucket {bucket} keeps no versions", "enable versioning, to be able to restore a broken state")
    try:
        body = s3.get_object(Bucket=bucket, Key=f"dropbatch/{subject.environment}.tfstate.tflock")["Body"].read()
    except s3.exceptions.NoSuchKey:
        yield ok("not locked")
    else:
        yield _locked(json.loads(body), subject)


def _locked(lock: Mapping[str, str], subject: Subject) -> Finding:
    created = datetime.fromisoformat(lock["Created"]).astimezone(UTC).isoformat()
    directory = f"cdktf.out/stacks/{subject.environment}"
    return problem(
        f"locked {age(created)} by {lock['Who']} ({lock['Operation'].removeprefix('OperationType')})",
        f"wait if it still runs; if it crashed: `terraform -chdir={directory} force-unlock {lock['ID']}`",
    )


FIRST = (Check(name="environment file", look=_file), Check(name="tools", look=_tools))
LAST = (
    Check(name="account", look=_account),
    Check(name="bootstrap", look=_bootstrap),
    Check(name="images", look=_images),
    machines.BEFORE_DEPLOY,
    Check(name="state", look=_state),
)
