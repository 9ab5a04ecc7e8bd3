"""Two labs on one deployment: their rights, with real credentials of the group's role, of users and of jobs."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from dropbatch.cli.main import cli
from dropbatch.contract import keys, ledger
from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e

ACCOUNT = "000000000000"
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403"}
NOT_THERE = {"NoSuchKey", "404", "ResourceNotFoundException", "NoSuchUpload"}
Call = Callable[[Any], Any]
"""Return calls to try, given a function that returns a client by service name."""


def session(lab: Lab, key_id: str, secret: str, token: str | None = None) -> Callable[[str], Any]:
    made = boto3.Session(key_id, secret, token, region_name=lab.environ["AWS_REGION"])
    config = Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1})
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = made.client(  # type: ignore[call-overload]
                service, endpoint_url=lab.environ["AWS_ENDPOINT_URL"], config=config
            )
        return clients[service]

    return client


@pytest.fixture(scope="module")
def people(lab: Lab) -> Iterator[dict[str, Any]]:
    """Clients of a member of each group, with the role of its members."""
    iam = lab.client("iam")
    found, made = {}, []
    for group in ("lab", "other"):
        user = f"{group}-person"
        iam.create_user(UserName=user)
        iam.put_user_policy(
            UserName=user,
            PolicyName="p",
            PolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}],
                }
            ),
        )
        key = iam.create_access_key(UserName=user)["AccessKey"]
        made.append((user, key["AccessKeyId"]))
        person = session(lab, key["AccessKeyId"], key["SecretAccessKey"])
        role = f"arn:aws:iam::{ACCOUNT}:role/dropbatch-sandbox-{group}.members"
        taken = person("sts").assume_role(RoleArn=role, RoleSessionName=user)["Credentials"]
        found[group] = session(lab, taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
        found[f"{group}-person"] = person
    yield found
    for user, key_id in made:
        iam.delete_user_policy(UserName=user, PolicyName="p")
        iam.delete_access_key(UserName=user, AccessKeyId=key_id)
        iam.delete_user(UserName=user)


def allowed(call: Call, person: Any) -> bool:
    """Return whether IAM allows a call; an error about a missing object counts as allowed."""
    try:
        call(person)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in NOT_THERE | DENIED:
            raise
        return code in NOT_THERE
    return True


def on_objects(bucket: str, prefix: str) -> dict[str, Call]:
    """Return every operation of users on objects."""
    there, name = {"Bucket": bucket, "Key": f"{prefix}there.txt"}, f"{prefix}{uuid.uuid4().hex}.txt"
    return {
        "read": lambda person: person("s3").get_object(**there),
        "look": lambda person: person("s3").head_object(**there),
        "list": lambda person: person("s3").list_objects_v2(Bucket=bucket, Prefix=prefix),
        "versions": lambda person: person("s3").list_object_versions(Bucket=bucket, Prefix=prefix),
        "put": lambda person: person("s3").put_object(Bucket=bucket, Key=name, Body=b"x"),
        "parts": lambda person: person("s3").abort_multipart_upload(
            **there, UploadId=person("s3").create_multipart_upload(**there)["UploadId"]
        ),
        "delete": lambda person: person("s3").delete_object(Bucket=bucket, Key=name),
        "delete version": lambda person: person("s3").delete_object(**there, VersionId="null"),
    }


def copying(source: dict[str, str], target: dict[str, str]) -> Call:
    return lambda person: person("s3").copy_object(CopySource=source, **target)


READ = {"read", "look", "list", "versions"}
WRITE = {"put", "parts", "delete"}
OBJECTS: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    # bucket, prefix: lab, other
    ("input", "lab/inputs/"): (READ | WRITE, set()),
    ("input", "lab/inputs/public/"): (READ | WRITE, READ),
    ("input", "lab/configs/"): (READ | WRITE, set()),
    ("input", "lab/submissions/x/"): (READ | WRITE, set()),
    ("input", "lab/wordcount/"): (READ | WRITE, set()),
    ("input", "other/inputs/"): (set(), READ | WRITE),
    ("input", "other/configs/"): (set(), READ | WRITE),
    ("input", "other/submissions/x/"): (set(), READ | WRITE),
    ("input", "other/wordcount/"): (set(), READ | WRITE),
    ("input", "shared/references/"): (set(), READ),
    ("input", "shared/"): (set(), set()),
    ("input", "labx/inputs/"): (set(), set()),
    ("input", "LAB/inputs/"): (set(), set()),
    ("input", ""): (set(), set()),
    ("output", "lab/wordcount/"): (READ, set()),
    ("output", "lab/_reports/"): (READ, set()),
    ("output", "lab/submissions/x/"): (READ, set()),
    ("output", "other/wordcount/"): (set(), READ),
    ("output", "_dropbatch/manifests/lab/wordcount/"): (set(), set()),
    ("output", "_dropbatch/started/lab/wordcount/"): (set(), set()),
    ("output", "_dropbatch/requests/other/"): (set(), set()),
    ("output", ""): (set(), set()),
}


@pytest.mark.parametrize(("bucket", "prefix"), OBJECTS)
def test_access_to_objects_follows_the_group(lab: Lab, people: dict[str, Any], bucket: str, prefix: str) -> None:
    where = lab.pointers[f"{bucket}_bucket"]
    lab.s3.put_object(Bucket=where, Key=f"{prefix}there.txt", Body=b"x")
    expected = dict(zip(("lab", "other"), OBJECTS[bucket, prefix], strict=True))

    for group in ("lab", "other"):
        calls = on_objects(where, prefix)
        there = {"Bucket": where, "Key": f"{prefix}there.txt"}
        calls["copy out"] = copying(there, {"Bucket": lab.pointers["input_bucket"], "Key": f"{group}/inputs/copy.txt"})
        found = {name for name, call in calls.items() if allowed(call, people[group])}
        wanted = expected[group] | ({"copy out"} if "read" in expected[group] else set())
        assert found == wanted, f"{group} on {bucket} {prefix}"


def on_ledger(table: str, group: str) -> dict[str, Call]:
    run, month = f"r-{'0' * 20}", "2026-01"
    day = ledger.day_key(group, "2026-01-01", run)

    def query(key: str, value: str, index: str | None = None) -> Call:
        more = {"IndexName": index} if index else {}
        return lambda person: person("dynamodb").query(
            TableName=table,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":value": {"S": value}},
            **more,
        )

    def get(item_id: str) -> Call:
        return lambda person: person("dynamodb").get_item(TableName=table, Key={"id": {"S": item_id}})

    both = [{"id": {"S": ledger.run_key(each, run)}} for each in {group, "lab"}]
    return {
        "run": get(ledger.run_key(group, run)),
        "usage": get(ledger.usage_key(group, month, run)),
        "limit": get(f"{group}#month#{month}"),
        "count": get(f"{group}#count#0"),
        "many": lambda person: person("dynamodb").batch_get_item(RequestItems={table: {"Keys": both}}),
        "by day": query("day", day, ledger.BY_DAY),
        "by id": query("id", ledger.run_key(group, run)),
    }


def beyond_a_groups_items(table: str, mine: str) -> dict[str, Call]:
    """Return operations on the ledger that nobody is allowed; `mine` is the id of a run of the own group."""
    return {
        "unfinished": lambda person: person("dynamodb").query(
            TableName=table,
            IndexName=ledger.UNFINISHED,
            KeyConditionExpression="unfinished = :shard",
            ExpressionAttributeValues={":shard": {"S": "u#0"}},
        ),
        "scan": lambda person: person("dynamodb").scan(TableName=table),
        "flag": lambda person: person("dynamodb").get_item(
            TableName=table, Key={"id": {"S": ledger.exhausted_key("spot")}}
        ),
        "pause": lambda person: person("dynamodb").put_item(TableName=table, Item={"id": {"S": ledger.PAUSED}}),
        "resume": lambda person: person("dynamodb").delete_item(TableName=table, Key={"id": {"S": ledger.PAUSED}}),
        "job": lambda person: person("dynamodb").get_item(TableName=table, Key={"id": {"S": "job#x"}}),
        "put": lambda person: person("dynamodb").put_item(
            TableName=table,
            Item={"id": {"S": mine}},
        ),
        "delete": lambda person: person("dynamodb").delete_item(
            TableName=table,
            Key={"id": {"S": mine}},
        ),
        "update": lambda person: person("dynamodb").update_item(
            TableName=table,
            Key={"id": {"S": mine}},
            UpdateExpression="REMOVE x",
        ),
    }


def test_access_to_the_ledger_follows_the_group(lab: Lab, people: dict[str, Any]) -> None:
    table = lab.pointers["ledger_table"]

    for group in ("lab", "other"):
        for owner in ("lab", "other", keys.SYSTEM_GROUP):
            calls = on_ledger(table, owner)
            found = {name for name, call in calls.items() if allowed(call, people[group])}
            wanted = set(calls) if owner == group else set()
            if (group, owner) == ("other", "other"):
                wanted -= {"many"}  # it also asks for a run of the other group
            assert found == wanted, f"{group} on items of {owner}"
        nobodys = beyond_a_groups_items(table, f"{group}#r-x")
        assert not {name for name, call in nobodys.items() if allowed(call, people[group])}
        # Everybody may read the pause flag and its reason.
        assert allowed(
            lambda person: person("dynamodb").get_item(TableName=table, Key={"id": {"S": ledger.PAUSED}}), people[group]
        )


def test_access_to_logs_follows_the_group(lab: Lab, people: dict[str, Any]) -> None:
    logs, name = lab.client("logs"), lab.pointers["log_group"]
    for group in ("lab", "other"):
        stream = f"{group}/wordcount/default/{uuid.uuid4().hex}"
        logs.create_log_stream(logGroupName=name, logStreamName=stream)

        def read(person: Any, stream: str = stream) -> Any:
            return person("logs").get_log_events(logGroupName=name, logStreamName=stream)

        assert {reader for reader in ("lab", "other") if allowed(read, people[reader])} == {group}
    for call in (
        lambda person: person("logs").filter_log_events(logGroupName=name),
        lambda person: person("logs").describe_log_streams(logGroupName=name),
        lambda person: person("logs").get_log_events(
            logGroupName="/aws/lambda/dropbatch-sandbox-arrival", logStreamName="x"
        ),
        lambda person: person("logs").delete_log_group(logGroupName=name),
    ):
        assert not allowed(call, people["lab"])


def test_access_to_everything_else_is_denied(lab: Lab, people: dict[str, Any]) -> None:
    queue, topic = lab.pointers["arrival_queue_url"], lab.pointers["operators_topic_arn"]
    calls: dict[str, Call] = {
        "find": lambda person: person("ssm").get_parameter(Name="/dropbatch/sandbox"),
        "other parameter": lambda person: person("ssm").get_parameter(Name="/dropbatch/prod"),
        "parameters": lambda person: person("ssm").get_parameters_by_path(Path="/dropbatch"),
        "send": lambda person: person("sqs").send_message(QueueUrl=queue, MessageBody="{}"),
        "receive": lambda person: person("sqs").receive_message(QueueUrl=queue),
        "purge": lambda person: person("sqs").purge_queue(QueueUrl=queue),
        "submit": lambda person: person("batch").submit_job(
            jobName="x", jobQueue="dropbatch-sandbox-spot", jobDefinition="dropbatch-sandbox-wordcount-lab"
        ),
        "jobs": lambda person: person("batch").list_jobs(jobQueue="dropbatch-sandbox-spot"),
        "terminate": lambda person: person("batch").terminate_job(jobId=str(uuid.uuid4()), reason="x"),
        "invoke": lambda person: person("lambda").invoke(FunctionName="dropbatch-sandbox-spend-guard", Payload=b"{}"),
        "publish": lambda person: person("sns").publish(TopicArn=topic, Message="x"),
        "events": lambda person: person("events").put_events(
            Entries=[{"Source": "dropbatch", "DetailType": "Run State Change", "Detail": "{}"}]
        ),
        "keys": lambda person: person("iam").create_access_key(UserName="dropbatch-sandbox-anna"),
        "rights": lambda person: person("iam").list_users(),
        "buckets": lambda person: person("s3").list_buckets(),
        "policy": lambda person: person("s3").get_bucket_policy(Bucket=lab.pointers["input_bucket"]),
    }

    for group in ("lab", "other"):
        assert {name for name, call in calls.items() if allowed(call, people[group])} == {"find"}


def test_members_assume_the_role_of_their_own_group_only(lab: Lab, people: dict[str, Any]) -> None:
    for person, group in (("lab-person", "other"), ("other-person", "lab")):
        role = f"arn:aws:iam::{ACCOUNT}:role/dropbatch-sandbox-{group}.members"

        def take(by: Any, role: str = role) -> Any:
            return by("sts").assume_role(RoleArn=role, RoleSessionName="somebody")

        assert not allowed(take, people[person])


def test_an_invited_user_has_exactly_the_rights_of_the_group(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)
    for name in lab.environ:  # the command puts the sandbox's variables into the process
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["--env", "sandbox", "invite", *arguments], prog_name="dropbatch")

    first, again, anew, nobody = (
        call(*arguments) for arguments in (["anna"], ["anna"], ["anna", "--replace"], ["nobody"])
    )

    assert first.exit_code == 0, first.output
    assert (again.exit_code, nobody.exit_code) == (1, 3)
    assert "has had a key since" in again.stderr
    assert "add the name to users" in nobody.stderr
    lines = dict(line.split(" = ") for line in anew.stdout.splitlines()[1:])
    assert lines["aws_access_key_id"] not in first.stdout
    anna = session(lab, lines["aws_access_key_id"], lines["aws_secret_access_key"])
    bucket = lab.pointers["input_bucket"]
    anna("s3").put_object(Bucket=bucket, Key="other/inputs/annas.txt", Body=b"x")
    assert not allowed(lambda who: who("s3").put_object(Bucket=bucket, Key="lab/inputs/annas.txt", Body=b"x"), anna)
    state = (lab.root / ".dropbatch").rglob("*.tfstate")
    assert not [path for path in state if lines["aws_secret_access_key"] in path.read_text()]


def test_a_program_reads_data_of_its_own_group_only(lab: Lab) -> None:
    inputs, outputs = lab.pointers["input_bucket"], lab.pointers["output_bucket"]
    for key in ("lab/inputs/secret.txt", "lab/inputs/public/p.txt", "shared/references/r.txt", "other/inputs/o.txt"):
        lab.s3.put_object(Bucket=inputs, Key=key, Body=b"x")
    lab.s3.put_object(Bucket=outputs, Key="lab/wordcount/secret.txt", Body=b"x")
    tries = {
        ("get_object", inputs, "other/inputs/o.txt"): "allowed",
        ("get_object", inputs, "shared/references/r.txt"): "allowed",
        ("get_object", inputs, "lab/inputs/public/p.txt"): "allowed",
        ("get_object", inputs, "lab/inputs/secret.txt"): "AccessDenied",
        ("put_object", inputs, "lab/inputs/mine.txt"): "AccessDenied",
        ("put_object", inputs, "other/inputs/mine.txt"): "AccessDenied",
        ("put_object", inputs, "other/submissions/submit.json"): "AccessDenied",
        ("get_object", outputs, "lab/wordcount/secret.txt"): "AccessDenied",
        ("put_object", outputs, "lab/wordcount/mine.txt"): "AccessDenied",
        ("put_object", outputs, "_dropbatch/started/lab/wordcount/r-x.1"): "AccessDenied",
        ("get_object", outputs, "_dropbatch/manifests/lab/wordcount/x.json"): "AccessDenied",
        ("list_objects_v2", inputs, "lab/"): "AccessDenied",
        ("list_objects_v2", inputs, ""): "AccessDenied",
        ("list_objects_v2", inputs, "other/inputs/"): "allowed",
    }
    calls = [
        [operation, {"Bucket": bucket, "Prefix" if operation.startswith("list") else "Key": key}]
        for operation, bucket, key in tries
    ]
    run = lab.drop("other/probe/calls.json", json.dumps(calls).encode())

    ended = lab.ended(run, "other")

    assert ended["state"] == "SUCCEEDED", ended.get("reason")
    answers = json.loads(lab.result(ended, "answers.json"))
    assert dict(zip(tries, answers, strict=True)) == tries
