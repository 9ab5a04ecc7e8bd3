"""The recorder of used rights, and its report of unused grants."""

import pytest
from click.testing import CliRunner

from dropbatch.cli.main import cli
from dropbatch.sandbox import Sandbox, emulator
from dropbatch.sandbox.grants import Grant, Recorder, unused
from tests.sandbox.batch_stack import BatchStack, allow
from tests.sandbox.conftest import Client

ROLE = "arn:aws:sts::000000000000:assumed-role/lab-reader/task"


def test_comparing_policies_with_uses_leaves_unused_grants() -> None:
    document = allow(
        {"Action": ["s3:GetObject", "s3:Put*"], "Resource": ["arn:aws:s3:::in/lab/*", "arn:aws:s3:::out/?"]},
        {"Action": "logs:PutLogEvents", "Resource": "*"},
    )
    uses = [
        ("reader", "s3:GetObject", "arn:aws:s3:::in/lab/a\nb"),
        ("reader", "s3:PutObject", "arn:aws:s3:::out/1"),
        ("other", "s3:PutObject", "arn:aws:s3:::in/lab/a"),
    ]

    found = unused([("reader", "p", document)], uses)

    assert [(each.action, each.resource, each.checked) for each in found] == [
        ("logs:PutLogEvents", "*", False),
        ("s3:GetObject", "arn:aws:s3:::out/?", True),
        ("s3:Put*", "arn:aws:s3:::in/lab/*", True),
    ]
    assert found[0] == Grant(role="reader", policy="p", action="logs:PutLogEvents", resource="*")


def test_recording_keeps_each_call_of_a_role_once() -> None:
    recorder = Recorder()

    for principal in (ROLE, ROLE, "arn:aws:iam::000000000000:user/anna"):
        recorder.record(principal, "s3:GetObject", "arn:aws:s3:::b/k")

    assert recorder.uses() == [("lab-reader", "s3:GetObject", "arn:aws:s3:::b/k")]


def test_the_report_names_the_right_a_job_did_not_use(
    sandbox: Sandbox, aws: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = BatchStack(sandbox, aws)
    bucket = f"{stack.name}-b"
    aws("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    arn = f"arn:aws:s3:::{bucket}/*"
    policy = allow({"Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": arn})
    stack.iam.put_role_policy(RoleName=stack.name, PolicyName="p", PolicyDocument=policy)
    program = (
        f"import boto3; boto3.client('s3').put_object(Bucket={bucket!r}, Key='k', Body=b'x')\n"
        f"try: boto3.client('s3').get_object(Bucket={bucket!r}, Key='k')\nexcept Exception as e: print(type(e))"
    )

    job = stack.run("python3", "-c", program)
    monkeypatch.chdir(sandbox.layout.directory.parents[1])
    left = CliRunner().invoke(cli, ["sandbox", "grants", "--role", stack.name]).stdout
    used = CliRunner().invoke(cli, ["sandbox", "grants", "--used", "--role", stack.name]).stdout

    assert job["status"] == "SUCCEEDED", stack.lines(job)
    assert left == f"{stack.name}  s3:DeleteObject  {arn}\n"
    assert used == f"{stack.name}  s3:PutObject  arn:aws:s3:::{bucket}/k\n"


@pytest.mark.gap("grants")
def test_gap_plain_ministack_records_no_used_rights() -> None:
    iam = emulator.service("iam")

    with emulator.request_scope("eu-central-1"):
        _, _, made = iam._IAM_HANDLERS["GenerateServiceLastAccessedDetails"]({"Arn": ROLE})
        job = made.decode().partition("<JobId>")[2].partition("</JobId>")[0]
        _, _, found = iam._IAM_HANDLERS["GetServiceLastAccessedDetails"]({"JobId": job})

    assert b"<ServicesLastAccessed></ServicesLastAccessed>" in found
