"""A deployed environment without Terraform: the resources that the command uses, in a sandbox."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from dropbatch.cli.main import cli
from dropbatch.contract import keys, ledger
from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.contract.runs import State, run_id
from dropbatch.sandbox import Sandbox

INPUT, OUTPUT, TABLE, LOGS = "cli-input", "cli-output", "cli-ledger", "/dropbatch/sandbox/jobs"
REGION = "eu-central-1"
DESCRIPTION = {
    "version": 1,
    "environment": "sandbox",
    "region": REGION,
    "input_bucket": INPUT,
    "output_bucket": OUTPUT,
    "ledger_table": TABLE,
    "log_group": LOGS,
    "arrival_queue_url": "",
    "operators_topic_arn": "",
    "groups": ["lab"],
    "needs": {"wordcount": [1, 1024, 60, 1]},
    "pools": {"spot": "dropbatch-sandbox-spot"},
}
_TO_REACH = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
_numbers = count(1)


@dataclass
class World:
    """A deployed environment, and methods that change it independently of the command."""

    root: Path
    sandbox: Sandbox
    s3: Any
    dynamodb: Any
    ssm: Any
    logs: Any
    batch: Any
    session: Any

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, prog_name="dropbatch")

    def describe(self, **changes: Any) -> None:
        if "pipelines" in changes and "needs" not in changes:
            changes["needs"] = {name: [1, 1024, 60, 1] for name in changes["pipelines"]}
        self.ssm.put_parameter(
            Name="/dropbatch/sandbox", Value=json.dumps(DESCRIPTION | changes), Type="String", Overwrite=True
        )

    def item(
        self,
        state: State,
        *,
        name: str = "notes.txt",
        identity: str | None = None,
        minutes_ago: float = 1,
        group: str = "lab",
        **more: Any,
    ) -> dict[str, Any]:
        """Put a RUN item and return its plain values."""
        identity = identity or run_id(
            group="lab", pipeline="wordcount", bucket=INPUT, key=name, version_id=str(next(_numbers))
        )
        created = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        at = ledger.timestamp(created)
        item = {
            "id": ledger.run_key(group, identity),
            "group": group,
            "run_id": identity,
            "pipeline": "wordcount",
            "state": state,
            "attempt": 1,
            "order": 1,
            "input": keys.uri(INPUT, f"lab/wordcount/{name}"),
            "output_prefix": keys.output_prefix("lab", "wordcount", name, identity),
            "created_at": at,
            "updated_at": at,
            "day": ledger.day_key(group, at[:10], identity),
            **more,
        }
        self.dynamodb.put_item(TableName=TABLE, Item=ledger.to_item(item))
        return item

    def pause(self, *, by: str = "operator", reason: str = "by hand") -> None:
        """Set the pause flag, as the spend guard does."""
        since = ledger.timestamp(datetime.now(UTC) - timedelta(hours=2))
        flag = {"id": ledger.PAUSED, "since": since, "by": by, "reason": reason, "stop": False}
        self.dynamodb.put_item(TableName=TABLE, Item=ledger.to_item(flag))

    def refused(
        self, job_name: str, *, runs: int = 1, reason: str = "", group: str = "lab", minutes_left: float = 10
    ) -> None:
        """Put a JOB item that Batch refuses, as the arrival function writes it."""
        now = datetime.now(UTC)
        at, since = (ledger.timestamp(now - timedelta(minutes=minutes)) for minutes in (3, 120))
        item = {
            "id": ledger.job_key(job_name),
            "state": "PREPARED",
            "group": group,
            "pipeline": "wordcount",
            "size": runs,
            "refused": {"reason": reason or "ClientException: no", "since": since, "at": at},
            "day": ledger.refused_key(group),
            "created_at": ledger.timestamp(now + timedelta(minutes=minutes_left)),
        }
        self.dynamodb.put_item(TableName=TABLE, Item=ledger.to_item(item))

    def publish(
        self, item: dict[str, Any], files: dict[str, bytes], *, log: bytes = b"", status: str = "SUCCEEDED"
    ) -> None:
        """Write results, log and record of a run, as the runtime does."""
        prefix = item["output_prefix"]
        outputs = []
        for name, body in files.items():
            self.s3.put_object(Bucket=OUTPUT, Key=prefix + name, Body=body)
            digest = sha256(body).hexdigest()
            outputs.append(FileRecord(uri=keys.uri(OUTPUT, prefix + name), size=len(body), sha256=digest))
        self.s3.put_object(Bucket=OUTPUT, Key=keys.log_key(prefix), Body=log)
        failed = status == "FAILED"
        record = RunRecord(
            status=status,
            run_id=item["run_id"],
            attempt=1,
            group="lab",
            pipeline="wordcount",
            inputs=[],
            outputs=outputs,
            phase="program" if failed else None,
            reason="it broke" if failed else None,
        )
        self.s3.put_object(Bucket=OUTPUT, Key=keys.record_key(prefix), Body=json.dumps(record.to_dict()).encode())

    def done(self, files: dict[str, bytes], *, name: str = "notes.txt", **more: Any) -> dict[str, Any]:
        """Write a succeeded run with these published files, and return its item."""
        item = self.item(State.SUCCEEDED, name=name, **more)
        self.publish(item, files, log=b"said\n")
        return item


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Sandbox]]:
    root = tmp_path_factory.mktemp("checkout")
    (root / "environments").mkdir()
    (root / "environments" / "sandbox.toml").write_text(f'[environment]\nname = "sandbox"\nregion = "{REGION}"\n')
    sandbox = Sandbox.at(root)
    sandbox.up()
    try:
        yield root, sandbox
    finally:
        sandbox.down()


@pytest.fixture
def world(_running: tuple[Path, Sandbox], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """Enter the checkout whose sandbox runs, without the caller's AWS settings."""
    root, sandbox = _running
    without_aws(monkeypatch, tmp_path)
    monkeypatch.chdir(root)
    environ = sandbox.environ()
    # The command puts the sandbox's variables into the process: setting them here lets monkeypatch take them out again.
    for name in environ:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    world = World(root, sandbox, **_clients(*(environ[name] for name in _TO_REACH)))
    _fresh(world)
    return world


@pytest.fixture
def iam(world: World) -> Any:
    environ = world.sandbox.environ()
    session: Any = boto3.Session(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    client = session.client("iam", endpoint_url=environ["AWS_ENDPOINT_URL"])
    client.create_user(UserName="dropbatch-sandbox-anna")
    yield client
    for each in client.list_access_keys(UserName="dropbatch-sandbox-anna")["AccessKeyMetadata"]:
        client.delete_access_key(UserName="dropbatch-sandbox-anna", AccessKeyId=each["AccessKeyId"])
    client.delete_user(UserName="dropbatch-sandbox-anna")


@cache
def _clients(key_id: str, secret: str, url: str) -> dict[str, Any]:
    session: Any = boto3.Session(key_id, secret, region_name=REGION)
    services = ("s3", "dynamodb", "ssm", "logs", "batch")
    return {"session": session, **{name: session.client(name, endpoint_url=url) for name in services}}


def without_aws(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Remove all AWS and dropbatch settings of the user."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "DROPBATCH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _fresh(world: World) -> None:
    for bucket in (INPUT, OUTPUT):
        if bucket in {entry["Name"] for entry in world.s3.list_buckets()["Buckets"]}:
            continue
        world.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        world.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for bucket in (INPUT, OUTPUT):
        for entry in world.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            world.s3.delete_object(Bucket=bucket, Key=entry["Key"])
    if not world.logs.describe_log_groups(logGroupNamePrefix=LOGS)["logGroups"]:
        world.logs.create_log_group(logGroupName=LOGS)
    if TABLE in world.dynamodb.list_tables()["TableNames"]:
        world.dynamodb.delete_table(TableName=TABLE)
    names = ("id", "day", "created_at", "unfinished", "updated_at")

    def key(first: str, second: str | None = None) -> list[dict[str, str]]:
        both = [(first, "HASH"), *([(second, "RANGE")] if second else [])]
        return [{"AttributeName": name, "KeyType": kind} for name, kind in both]

    world.dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=key("id"),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": key(*parts), "Projection": {"ProjectionType": "ALL"}}
            for index, parts in (
                (ledger.BY_DAY, ("day", "created_at")),
                (ledger.UNFINISHED, ("unfinished", "updated_at")),
            )
        ],
    )
    world.describe()


def a_file(tmp_path: Path, name: str = "notes.txt", body: bytes = b"one two") -> Path:
    path = tmp_path / name
    path.write_bytes(body)
    return path
