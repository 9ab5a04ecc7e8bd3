"""The account's bootstrap stack, deployed: who may assume its roles, and what the roles cannot do.

The lab shows what the roles can do: its deploy role applies and destroys it, its plan role plans.
"""

import contextlib
import json
import urllib.error
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e import github
from tests.e2e.lab import STATE_BUCKET, Lab

pytestmark = pytest.mark.e2e

ACCOUNT = "000000000000"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/"
BOUNDARY = f"{POLICY}dropbatch-boundary-sandbox"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
Clients = Callable[[str], Any]


def clients(lab: Lab, credentials: dict[str, str]) -> Clients:
    make: Any = boto3.client

    def client(service: str) -> Any:
        return make(
            service,
            endpoint_url=lab.environ["AWS_ENDPOINT_URL"],
            region_name=lab.environ["AWS_REGION"],
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials["AWS_SESSION_TOKEN"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}, s3={"addressing_style": "path"}),
        )

    return client


@pytest.fixture(scope="module")
def plan(lab: Lab) -> Clients:
    return clients(lab, github.credentials(lab.environ, "plan"))


@pytest.fixture(scope="module")
def deploy(lab: Lab) -> Clients:
    return clients(lab, github.credentials(lab.environ, "deploy-sandbox"))


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] in (400, 403), error
    assert {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"} >= {
        error["Error"]["Code"].removesuffix("Fault")
    }, error


@pytest.mark.parametrize(
    ("role", "subject", "taken"),
    [
        ("plan", "repo:lab/dropbatch:pull_request", True),
        ("plan", "repo:lab@12/dropbatch@345:pull_request", True),
        ("plan", "repo:lab@12/dropbatch@345:ref:refs/heads/main", True),
        ("plan", "repo:lab/dropbatch:ref:refs/heads/other", False),
        ("plan", "repo:lab/other:pull_request", False),
        ("plan", "repo:lab@99/dropbatch@345:pull_request", False),
        ("deploy-sandbox", "repo:lab/dropbatch:environment:sandbox", True),
        ("deploy-sandbox", "repo:lab@12/dropbatch@345:environment:sandbox", True),
        ("deploy-sandbox", "repo:lab/dropbatch:environment:prod", False),
        ("deploy-sandbox", "repo:lab/dropbatch:pull_request", False),
        ("deploy-sandbox", "repo:lab/dropbatch:ref:refs/heads/main", False),
        ("deploy-prod", "repo:lab/dropbatch:environment:prod", True),
    ],
)
def test_a_role_is_assumed_by_its_own_workflows_only(lab: Lab, role: str, subject: str, taken: bool) -> None:
    expected = contextlib.nullcontext() if taken else pytest.raises(urllib.error.HTTPError, match="403")

    with expected:
        assert github.credentials(lab.environ, role, subject)


def test_a_token_for_another_audience_assumes_no_role(lab: Lab) -> None:
    with pytest.raises(urllib.error.HTTPError):
        github.credentials(lab.environ, "plan", audience="https://example.org")


def test_the_plan_role_reads_no_data_and_changes_nothing(lab: Lab, plan: Clients) -> None:
    pointers = lab.pointers
    item = lab.ended(lab.drop("lab/wordcount/not-for-planners.txt", b"word\n"))
    table, queue = pointers["ledger_table"], pointers["arrival_queue_url"]
    role = "dropbatch-sandbox-arrival.function"
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})

    assert plan("iam").get_role(RoleName=role)
    for call in (
        lambda: plan("s3").get_object(Bucket=pointers["input_bucket"], Key="lab/wordcount/not-for-planners.txt"),
        lambda: plan("s3").get_object(Bucket=pointers["output_bucket"], Key=item["output_prefix"] + "counts.txt"),
        lambda: plan("s3").put_object(Bucket=STATE_BUCKET, Key="dropbatch/prod.tfstate", Body=b"{}"),
        lambda: plan("s3").put_object(Bucket=STATE_BUCKET, Key="dropbatch/prod.tfstate.tflock", Body=b"{}"),
        lambda: plan("s3").put_bucket_policy(Bucket=pointers["input_bucket"], Policy=EVERYTHING),
        lambda: plan("dynamodb").get_item(TableName=table, Key={"id": {"S": f"lab#{item['run_id']}"}}),
        lambda: plan("dynamodb").scan(TableName=table),
        lambda: plan("dynamodb").delete_table(TableName=table),
        lambda: plan("sqs").send_message(QueueUrl=queue, MessageBody="{}"),
        lambda: plan("sqs").receive_message(QueueUrl=queue),
        lambda: plan("sqs").delete_queue(QueueUrl=queue),
        lambda: plan("lambda").invoke(FunctionName="dropbatch-sandbox-arrival", Payload=b"{}"),
        lambda: plan("lambda").delete_function(FunctionName="dropbatch-sandbox-arrival"),
        lambda: plan("batch").submit_job(
            jobName="j", jobQueue="dropbatch-sandbox-spot", jobDefinition="dropbatch-sandbox-wordcount-lab"
        ),
        lambda: plan("sns").publish(TopicArn=pointers["operators_topic_arn"], Message="m"),
        lambda: plan("iam").put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=EVERYTHING),
        lambda: plan("iam").create_role(RoleName="dropbatch-x", AssumeRolePolicyDocument=trust),
        lambda: plan("iam").update_assume_role_policy(RoleName="dropbatch-deploy-prod", PolicyDocument=trust),
        lambda: plan("ec2").create_vpc(CidrBlock="10.9.0.0/16"),
        lambda: plan("ssm").put_parameter(Name="/dropbatch/sandbox", Value="{}", Overwrite=True),
        lambda: plan("logs").delete_log_group(logGroupName="/dropbatch/sandbox/jobs"),
    ):
        refused(call)


def test_a_deploy_role_cannot_extend_its_own_rights(lab: Lab, deploy: Clients) -> None:
    iam = deploy("iam")
    name = "dropbatch-sandbox-more"
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
            ],
        }
    )
    wanted = {"RoleName": name, "AssumeRolePolicyDocument": trust}

    # Given a deploy role, when it makes a role without the boundary, with another, or under another name, then not
    refused(lambda: iam.create_role(**wanted))
    refused(lambda: iam.create_role(**wanted, PermissionsBoundary=f"{POLICY}dropbatch-boundary-prod"))
    refused(
        lambda: iam.create_role(
            RoleName="dropbatch-prod-more", AssumeRolePolicyDocument=trust, PermissionsBoundary=BOUNDARY
        )
    )
    # nor does it change boundaries, take them off, or touch roles of others
    arrival, others = "dropbatch-sandbox-arrival.function", "dropbatch-deploy-sandbox"
    for call in (
        lambda: iam.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=EVERYTHING, SetAsDefault=True),
        lambda: iam.delete_policy(PolicyArn=BOUNDARY),
        lambda: iam.delete_role_permissions_boundary(RoleName=arrival),
        lambda: iam.put_role_permissions_boundary(RoleName=arrival, PermissionsBoundary=ADMINISTRATOR),
        lambda: iam.attach_role_policy(RoleName=others, PolicyArn=ADMINISTRATOR),
        lambda: iam.put_role_policy(RoleName=others, PolicyName="p", PolicyDocument=EVERYTHING),
        lambda: iam.update_assume_role_policy(RoleName="dropbatch-deploy-prod", PolicyDocument=trust),
        lambda: iam.create_user(UserName="dropbatch-sandbox-u"),
        lambda: deploy("s3").get_object(Bucket=STATE_BUCKET, Key="dropbatch/prod.tfstate"),
        lambda: deploy("s3").put_object(Bucket=STATE_BUCKET, Key="dropbatch/prod.tfstate", Body=b"{}"),
    ):
        refused(call)

    # And when it makes one with the boundary and grants it everything, then that can do no more than the boundary says
    iam.create_role(**wanted, PermissionsBoundary=BOUNDARY)
    try:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=EVERYTHING)
        iam.attach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
        answer = lab.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="mighty")
        keys = answer["Credentials"]
        mighty = clients(
            lab,
            {
                "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["SessionToken"],
            },
        )
        assert mighty("s3").list_objects_v2(Bucket=lab.pointers["input_bucket"])
        for call in (
            lambda: mighty("iam").create_user(UserName="u"),
            lambda: mighty("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=EVERYTHING),
            lambda: mighty("iam").delete_role_permissions_boundary(RoleName=name),
            lambda: mighty("s3").list_objects_v2(Bucket=STATE_BUCKET),
            lambda: mighty("secretsmanager").list_secrets(),
            lambda: mighty("ec2").create_vpc(CidrBlock="10.9.0.0/16"),
        ):
            refused(call)
    finally:
        owner = lab.client("iam")
        owner.detach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
        owner.delete_role_policy(RoleName=name, PolicyName="p")
        owner.delete_role(RoleName=name)
